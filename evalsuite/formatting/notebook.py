"""HTML for notebooks: sentences and a small table, escaped, without style or script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from evalsuite.formatting.texts import visible


def notebook_html(sentences: Iterable[str], heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a paragraph for each sentence and a table below them.

    >>> notebook_html(["1 < 2"], ["n"], [["3"]])
    '<p>1 &lt; 2</p><table><thead><tr><th>n</th></tr></thead><tbody><tr><td>3</td></tr></tbody></table>'
    """
    paragraphs = "".join(f"<p>{_escaped(sentence)}</p>" for sentence in sentences)
    head = "".join(f"<th>{_escaped(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_escaped(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"{paragraphs}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _escaped(text: str) -> str:
    return escape(visible(text))
