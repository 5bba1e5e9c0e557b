"""Templates of reports, in Jinja, beside the module that fills them in."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from facewitness.reporting import markdown


def render(package: str, name: str, *, escape: bool = False, **values: Any) -> str:
    """Return a template of a package, filled in; a name that is not given is an error.

    ``table`` and ``human_count`` are those of ``reporting.markdown``.

    Args:
        package: where the file lies, as ``facewitness.evaluation``.
        name: of the file.
        escape: escape values as HTML needs it.
        values: what the template shows.
    """
    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"table": markdown.table, "human_count": markdown.human_count}
    text = environment.get_template(name).render(**values)
    return text if escape else re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"
