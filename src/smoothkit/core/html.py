"""Pages that open from disk: one HTML file each, pictures and style inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 90rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
img { max-width: 100%; height: auto; image-rendering: auto; }
figure { margin: 0; } figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.grid { display: grid; gap: 1rem; grid-template-columns:
  repeat(auto-fill, minmax(min(100%, var(--width)), 1fr)); }
.scroll { overflow-x: auto; } h1, h2, h3 { overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin-bottom: .5rem; } summary { cursor: pointer; margin: .5rem 0; }
pre { overflow-x: auto; padding: .5rem; background: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: left; }
td.number { text-align: right; }
tbody tr:nth-child(odd) { background: var(--soft); }
"""


def page(title: str, *sections: str, style: str = "") -> str:
    """A whole document; ``sections`` are HTML already, ``style`` is CSS beside the shared one."""
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that scrolls sideways by itself; numbers are aligned to the right."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def figure(picture: bytes, caption: str, *, kind: str = "png") -> str:
    """A picture, inside the page, with a caption.

    Args:
        picture: content of an image file.
        kind: its MIME subtype.
    """
    data = base64.b64encode(picture).decode("ascii")
    text = escape(caption)
    return (
        f'<figure><img loading="lazy" alt="{text}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def grid(items: Iterable[str], *, width: str = "14rem") -> str:
    """Items side by side, as many as fit; ``width`` is the least of each, a length of CSS."""
    return f'<div class="grid" style="--width: {width}">{"".join(items)}</div>'


def section(heading: str, *parts: str) -> str:
    """Parts below a heading; nothing where all are empty."""
    body = "\n".join(filter(None, parts))
    return f"<h2>{escape(heading)}</h2>\n{body}" if body else ""


def details(summary: str, body: str) -> str:
    """HTML that is folded away behind its summary."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{escape(str(value))}</td>"
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return f'<td class="number">{text}</td>'
