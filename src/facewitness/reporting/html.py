"""A report in Markdown as one HTML file with its pictures inside."""

import base64
import re
from pathlib import Path

from facewitness.reporting import templates


def page(text: str, folder: Path, title: str) -> str:
    """Return a report as an HTML page; pictures are read from ``folder``. Needs the extra ``train``."""
    from markdown_it import MarkdownIt

    body = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))

    def inline(match: re.Match[str]) -> str:
        kind = "png" if match[1].endswith("png") else "jpeg"
        return f'src="data:image/{kind};base64,{base64.b64encode((folder / match[1]).read_bytes()).decode()}"'

    body = re.sub(r'src="([^":]+\.(?:png|jpg))"', inline, body)
    return templates.render("facewitness.reporting", "page.html.jinja", escape=True, title=title, body=body)
