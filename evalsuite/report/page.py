"""Makes one offline HTML file from templates, style, script and data.

The content policy of a page allows only its own style and script, by their hashes. So model text that slipped through
every escape could still neither run nor load anything. That is why templates use no inline `style` and no `on…`
attributes. Data is in a script block that no browser executes.
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
from evalsuite.formatting.numbers import format_count
from evalsuite.formatting.texts import INVISIBLE, replace_surrogates, value_text, visible
from evalsuite.report.section import Section

TEMPLATES = Path(__file__).parent / "templates"

_UNSAFE_IN_A_DATA_BLOCK = (
    ("<", "\\u003c"),  # so that the text contains neither </script> nor <!--
    (">", "\\u003e"),
    ("\u2028", "\\u2028"),
    ("\u2029", "\\u2029"),
)


def data_block(json_text: str) -> str:
    """Escape JSON for a <script> element. In JSON these characters occur in strings only."""
    for character, escaped in _UNSAFE_IN_A_DATA_BLOCK:
        json_text = json_text.replace(character, escaped)
    return json_text


def _finalize(value: Any) -> Any:
    """Applied to every value that a template prints, so that invisible and reordering characters are shown."""
    return visible(value) if type(value) is str else value


def _verbatim(value: str) -> Markup:
    """An attribute value without any change, for the script to compare. Invisible characters are written as numbers."""
    escaped = str(escape(replace_surrogates(value)))
    return Markup(INVISIBLE.sub(lambda found: f"&#x{ord(found.group()):X};", escaped))  # noqa: S704 - escaped


@cache
def environment() -> jinja2.Environment:
    """The templates, compiled once per process, with escaping on.

    An undefined name prints nothing, so that a run of an older version gets a report with a gap instead of an error.
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
    made.filters |= {"verbatim": _verbatim, "thousands": format_count, "value_text": value_text}
    return made


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates between commands. A full disk does not prevent a report."""

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled_templates() -> jinja2.BytecodeCache | None:
    """Compiled templates in the cache of the user. They save a third of the time of a small report."""
    folder = cache_folder("templates")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return _CompiledTemplates(str(folder))


STYLES = ("style.css", "comparison.css")
EXPLORER_FILES = tuple(f"script/{name}.js" for name in ("base", "text", "samples", "detail", "explorer"))
"""The files of the script, in this order. Together they are one function."""

_END_COMMENT = re.compile(r"(?<=[;{,]) // [^\"'`\n]*$", re.MULTILINE)


@cache
def asset(name: str) -> str:
    """Read a file next to the templates."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def explorer_script() -> str:
    """The script of reports as one function, without comments and indentation, since every report contains it."""
    text = _END_COMMENT.sub("", "".join(map(asset, EXPLORER_FILES)))
    lines = (line.strip() for line in text.splitlines())
    body = "\n".join(line for line in lines if line and not line.startswith("//"))
    return f'"use strict";(() => {{\n{body}\n}})();'


def content_policy(style: str, script: str, *, allow_same_origin: bool = False) -> str:
    """The Content-Security-Policy that allows this style, this script, embedded pictures, and nothing else.

    `allow_same_origin` also allows requests to the server of the page, and forms that it submits there.
    """
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    asked = "form-action 'self'; connect-src 'self'" if allow_same_origin else "form-action 'none'"
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        f"img-src data:; base-uri 'none'; {asked}"
    )


def assemble_sections(*, title: str, version: str, sections: Sequence[Section], data: str) -> str:
    """The page of a run or a comparison from its sections. `data` is the JSON text of its samples."""
    templates = environment()
    bodies = [
        Markup(templates.get_template(f"sections/{section.template}").render(section.values))  # noqa: S704 - escaped
        for section in sections
    ]
    context = {
        "title": title,
        "version": version,
        "sections": sections,
        "bodies": bodies,
        "has_data": bool(data),
    }
    return assemble_page("page.html.j2", context, data=data)


def assemble_page(
    template: str,
    context: Mapping[str, Any],
    *,
    styles: Sequence[str] = STYLES,
    script: str | None = None,
    data: str = "",
    allow_same_origin: bool = False,
) -> str:
    """Render a page. `styles` and `script` are file names (by default those of reports), `data` is JSON text."""
    css = "".join(map(asset, styles))
    javascript = asset(script) if script else explorer_script()
    page = (
        environment()
        .get_template(template)
        .render(
            **context,
            policy=content_policy(css, javascript, allow_same_origin=allow_same_origin),
            style=Markup(css),  # noqa: S704 - our own file
            script=Markup(javascript),  # noqa: S704 - our own file
            data=Markup(data_block(data)),  # noqa: S704 - escaped for a script element
        )
    )
    return replace_surrogates(page)
