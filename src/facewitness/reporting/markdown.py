"""Pieces of a report in Markdown: tables, readable counts, the provenance section."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from facewitness.provenance import environment


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def human_count(count: int | None) -> str:
    """A count as 27,977, 4.01 M or 8.36 G; a dash for None."""
    if count is None:
        return "-"
    for size, unit in ((10**9, "G"), (10**6, "M")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:,}"


def provenance_section(command: Sequence[str], facts: Sequence[str]) -> str:
    """The last section of a report: the command, what else is to be known, this machine and its software."""
    here = environment()
    lines = [
        f"Command: `{shlex.join(command)}`" if command else "Command: called from Python",
        *facts,
        f"Made: {datetime.now(UTC).date()}, {here['processor']}, {here['cores']} cores, {here['system']}",
        f"Versions: {', '.join(f'{name} {version}' for name, version in here['versions'].items())}",
    ]
    return "## Provenance\n\n" + "\n".join(f"- {line}" for line in lines)
