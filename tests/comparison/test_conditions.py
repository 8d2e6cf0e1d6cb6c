"""What counts as asking otherwise, and what only adds numbers about the same replies."""

from __future__ import annotations

from dataclasses import replace

from evalsuite.comparison.conditions import _prompt_settings
from evalsuite.tasks.style import Style


def test_prompt_settings_leave_out_profiles_and_categories() -> None:
    style = Style("en", 5)
    assert _prompt_settings(replace(style, profiles=("evalscope",), categories=True)) == _prompt_settings(
        style
    )
    for changed in (replace(style, cot=True), replace(style, lang="zh"), replace(style, shots=0)):
        assert _prompt_settings(changed) != _prompt_settings(style)
