"""NLTK's sentence model for a test: a folder that holds the real one, or a tiny one of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TINY_MODEL = {
    "abbrev_types.txt": "dr\nmr\n",
    "collocations.tab": "",
    "sent_starters.txt": "it\n",
    "ortho_context.tab": "",
}
"""Two abbreviations and what else the files hold at the least; made up here, no part of NLTK's data."""


@contextmanager
def using_model(folder: Path) -> Iterator[None]:
    """Have NLTK look for its data there and nowhere else, and forget what it has loaded."""
    import nltk.data
    import nltk.tokenize

    before = nltk.data.path[:]
    nltk.data.path[:] = [str(folder)]
    nltk.tokenize._get_punkt_tokenizer.cache_clear()
    try:
        yield
    finally:
        nltk.data.path[:] = before
        nltk.tokenize._get_punkt_tokenizer.cache_clear()


def write_tiny_model(folder: Path) -> Path:
    """The folder as NLTK_DATA names one, with the tiny model in it."""
    model = folder / "tokenizers" / "punkt_tab" / "english"
    model.mkdir(parents=True)
    for name, content in TINY_MODEL.items():
        (model / name).write_text(content, encoding="utf-8")
    return folder
