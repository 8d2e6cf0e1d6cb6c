"""One offline HTML file from a template, its style, its script and its data.

The page's content policy forbids everything but its own style and script, named by their hashes, so model
text that slipped through every escape still could neither run nor load anything. That is why templates use
no inline `style` and no `on…` attributes. Data travels in a script block that no browser executes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from evalsuite._util.user_cache import cache_folder
from evalsuite.formatting.texts import INVISIBLE, replace_surrogates, visible

TEMPLATES = Path(__file__).parent / "templates"

_UNSAFE_IN_A_DATA_BLOCK = (
    ("<", "\\u003c"),  # neither </script> nor <!-- can stand in it
    (">", "\\u003e"),
    ("\u2028", "\\u2028"),
    ("\u2029", "\\u2029"),
)


def data_block(json_text: str) -> str:
    """JSON that can stand inside a <script> element; these characters occur in JSON's strings only."""
    for character, escaped in _UNSAFE_IN_A_DATA_BLOCK:
        json_text = json_text.replace(character, escaped)
    return json_text


def _finalize(value: Any) -> Any:
    """Applied to every value a template prints: nothing invisible or reordering gets into the page unseen."""
    return visible(value) if type(value) is str else value


def _verbatim(value: str) -> Markup:
    """The value of an attribute to the letter, for the script to compare: what is hidden stands as its number."""
    escaped = str(escape(replace_surrogates(value)))
    return Markup(INVISIBLE.sub(lambda found: f"&#x{ord(found.group()):X};", escaped))  # noqa: S704 - escaped


@cache
def environment() -> jinja2.Environment:
    """The templates, compiled once a process, with escaping on.

    A name that is not there prints nothing: a run of an older version gets a report with a gap, not none.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled_templates(),
    )
    made.filters["verbatim"] = _verbatim
    return made


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Compiled templates between commands; a disk that is full keeps no report from being written."""

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled_templates() -> jinja2.BytecodeCache | None:
    """In the user's cache: they save a third of the time of a small report."""
    folder = cache_folder("templates")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return _CompiledTemplates(str(folder))


STYLES = ("style.css", "comparison.css")
EXPLORER = tuple(f"script/{name}.js" for name in ("base", "text", "samples", "detail", "explorer"))
"""In this order; together they are one function."""

_END_COMMENT = re.compile(r"(?<=[;{,]) // [^\"'`\n]*$", re.MULTILINE)


@cache
def asset(name: str) -> str:
    """A file next to the templates, as text with plain line ends."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def explorer_script() -> str:
    """The script of reports: its files as one function, without comments and indentation, since every report has it."""
    text = _END_COMMENT.sub("", "".join(map(asset, EXPLORER)))
    lines = (line.strip() for line in text.splitlines())
    body = "\n".join(line for line in lines if line and not line.startswith("//"))
    return f'"use strict";(() => {{\n{body}\n}})();'


def policy(style: str, script: str, *, allow_same_origin: bool = False) -> str:
    """The Content-Security-Policy that allows this style, this script, pictures inside the page, and nothing else.

    `allow_same_origin`: besides, requests to where the page came from, and its own (empty) icon.
    """
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    asked = "form-action 'self'; connect-src 'self'" if allow_same_origin else "form-action 'none'"
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        f"img-src data:; base-uri 'none'; {asked}"
    )


def assemble_page(
    template: str,
    context: Mapping[str, Any],
    *,
    styles: Sequence[str] = STYLES,
    script: str | None = None,
    data: str = "",
    allow_same_origin: bool = False,
) -> str:
    """The page: `template` rendered with `context`; `styles` and `script` are file names, `data` is JSON text.

    Without a `script` of its own a page has that of reports.
    """
    css = "".join(map(asset, styles))
    javascript = asset(script) if script else explorer_script()
    page = (
        environment()
        .get_template(template)
        .render(
            **context,
            policy=policy(css, javascript, allow_same_origin=allow_same_origin),
            style=Markup(css),  # noqa: S704 - our own file
            script=Markup(javascript),  # noqa: S704 - our own file
            data=Markup(data_block(data)),  # noqa: S704 - escaped for where it stands
        )
    )
    return replace_surrogates(page)
