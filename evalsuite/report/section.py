"""A section of a page. Each section is one module with `section(source)` and one template in templates/sections/.

To add a section, write both and register the function in `sections.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Section(Struct, frozen=True):
    """What a page shows of one section."""

    anchor: str
    """The id of its HTML element. A link to it is `#anchor`."""
    title: str
    """Its name in the navigation; empty for a section without a link."""
    template: str
    """The file name in templates/sections/."""
    values: Mapping[str, Any]
    """The variables of the template: ready text, nothing left to compute."""
