"""A report: title, introduction, discussion, sections, provenance; in Markdown, and from there in HTML."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from facewitness import storage
from facewitness.reporting import markdown, templates


def write(
    file: Path, title: str, introduction: str, sections: Sequence[str], facts: Sequence[str], command: Sequence[str]
) -> str:
    """Write a report and return its text.

    Args:
        file: the Markdown file. If ``NAME.discussion.md`` stands beside it, that text, written by a person, follows the
            introduction.
        title: of the report.
        introduction: what was measured and how, in a paragraph.
        sections: each with its heading; empty ones are left out.
        facts: lines of the provenance section, such as the hash of the manifest.
        command: the command line that made the report.
    """
    parts = [f"# {title}", introduction, _discussion(file), *sections, markdown.provenance_section(command, facts)]
    text = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(file, text)
    return text


def as_html(text: str, folder: Path, title: str) -> str:
    """Return a report as one HTML file with its pictures, of ``folder``, inside. Needs the extra ``train``."""
    from markdown_it import MarkdownIt

    body = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))

    def inline(match: re.Match[str]) -> str:
        kind = "png" if match[1].endswith("png") else "jpeg"
        return f'src="data:image/{kind};base64,{base64.b64encode((folder / match[1]).read_bytes()).decode()}"'

    body = re.sub(r'src="([^":]+\.(?:png|jpg))"', inline, body)
    return templates.render("facewitness.reporting", "page.html.jinja", escape=True, title=title, body=body) + "\n"


def section(title: str, *parts: str) -> str:
    """Return a section under a heading; empty if all its parts are."""
    body = "\n\n".join(part for part in parts if part)
    return f"## {title}\n\n{body}" if body else ""


def _discussion(file: Path) -> str:
    source = file.with_name(f"{file.stem}.discussion.md")
    if not source.exists():
        return ""
    text = source.read_text(encoding="utf-8").strip()
    return f"## Discussion\n\n*Written by hand, after the tables.* {text}"
