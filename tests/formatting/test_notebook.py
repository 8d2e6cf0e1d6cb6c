"""What notebooks show: sentences and a table, escaped."""

import doctest

from evalsuite.formatting import notebook
from evalsuite.formatting.notebook import notebook_html


def test_notebook_docstring_examples_hold() -> None:
    assert doctest.testmod(notebook).failed == 0


def test_notebook_html_escapes_and_shows_hidden_characters() -> None:
    html = notebook_html(["<b>"], ["\u202e"], [["&"]])
    assert "<b>" not in html
    assert "⟨U+202E⟩" in html
    assert "<td>&amp;</td>" in html
