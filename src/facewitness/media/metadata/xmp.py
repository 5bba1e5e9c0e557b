"""An XMP packet as names and values (ISO 16684-1): simple properties, and the steps of an edit history."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from xml.etree import ElementTree

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PACKET_LIMIT = 4_000_000  # bytes
_STEPS = 200
_LIST_DEPTH = 2  # rdf:li within rdf:Seq within the property


@dataclass(frozen=True, slots=True)
class Xmp:
    """``properties``: values by local name, such as ``CreatorTool``; ``history``: each step by local names."""

    properties: dict[str, list[str]] = field(default_factory=dict)
    history: tuple[dict[str, str], ...] = ()

    def first(self, name: str) -> str:
        """The first value of a property, empty where there is none."""
        return next(iter(self.properties.get(name, ())), "")


def parse(packet: bytes) -> Xmp:
    """Read a packet; an empty one has nothing.

    Raises:
        ValueError: it is too long, declares entities, or is not well-formed.
    """
    if not packet.strip(b"\x00 \r\n\t"):
        return Xmp()
    if len(packet) > _PACKET_LIMIT:
        raise ValueError("longer than 4 MB")
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", packet, re.IGNORECASE) or b"\x00" in packet.strip(b"\x00"):
        raise ValueError("declares entities or is not UTF-8")  # an entity may expand without end
    try:
        root = ElementTree.fromstring(packet.strip(b"\x00 \r\n\t"))
    except ElementTree.ParseError as error:
        raise ValueError("not well-formed") from error
    properties: dict[str, list[str]] = {}
    for name, value in _values(root):
        properties.setdefault(name, []).append(value)
    return Xmp(properties, tuple(islice(_history(root), _STEPS)))


def _values(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Every attribute and every element that holds text, an item of a list under the name of its list."""
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in root.iter():
        for name, value in element.attrib.items():
            if value.strip():
                yield _local(name), value.strip()
        text = (element.text or "").strip()
        if text:
            named = element
            for _ in range(_LIST_DEPTH):
                if named.tag.startswith(_RDF) and named in parents:
                    named = parents[named]
            yield _local(named.tag), text


def _history(root: ElementTree.Element) -> Iterator[dict[str, str]]:
    listed = next((element for element in root.iter() if _local(element.tag) == "History"), None)
    for step in () if listed is None else listed.iter(f"{_RDF}li"):
        found = {_local(name): value for name, value in step.attrib.items()}
        for part in step:
            found |= {_local(name): value for name, value in part.attrib.items()}
            found |= {_local(one.tag): (one.text or "").strip() for one in (part, *part)}
        yield found


def _local(name: str) -> str:
    return name.rpartition("}")[2]
