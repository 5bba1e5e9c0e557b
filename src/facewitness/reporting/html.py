"""A report in Markdown as one HTML file with its pictures inside."""

import base64
import html
import re
from pathlib import Path

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.86rem; font-variant-numeric: tabular-nums;
        display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.6rem; text-align: left; white-space: nowrap; }
img { max-width: 100%; height: auto; }
code { background: #f3f3f3; padding: 0 0.2rem; }
"""


def page(text: str, folder: Path, title: str) -> str:
    """Return a report as an HTML page; pictures are read from ``folder``. Needs the extra ``train``."""
    from markdown_it import MarkdownIt

    body = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))

    def inline(match: re.Match[str]) -> str:
        kind = "png" if match[1].endswith("png") else "jpeg"
        return f'src="data:image/{kind};base64,{base64.b64encode((folder / match[1]).read_bytes()).decode()}"'

    body = re.sub(r'src="([^":]+\.(?:png|jpg))"', inline, body)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body>\n{body}</body></html>\n"
    )
