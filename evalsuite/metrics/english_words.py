"""Cuts English text as NLTK's `word_tokenize` does: sentences by Punkt, then Penn Treebank tokens.

Only the profiles of other harnesses need these words (`qa_profiles`); our own scores use the tokens of `text`. A period is a
word of its own only at the end of a sentence, so where Punkt ends sentences changes the words. NLTK is an optional dependency,
and Punkt's English model is a separate download: `missing_requirement` says which of the two to install.
"""

from __future__ import annotations

import functools
import importlib.util

MODEL = "punkt_tab"
INSTALL_NLTK = "pip install 'evalsuite[profiles]'"
INSTALL_MODEL = (
    f"run `python -m nltk.downloader {MODEL}`, or unpack NLTK's {MODEL}.zip into ~/nltk_data/tokenizers/ "
    "(or tokenizers/ of a folder that the environment variable NLTK_DATA names)"
)


def tokenize(text: str) -> list[str]:
    """Return the words of an English text.

    Raises `LookupError` if the model is not installed, `TimeoutError` for a text that takes NLTK's patterns seconds.
    """
    from nltk.tokenize import word_tokenize

    words: list[str] = word_tokenize(text)
    return words


def missing_requirement() -> str:
    """Return what to do before `tokenize` works, as a sentence; "" if it works."""
    if importlib.util.find_spec("nltk") is None:
        return f"the package nltk is not installed: {INSTALL_NLTK}, then {INSTALL_MODEL}"
    try:
        tokenize("")
    except (LookupError, OSError, ValueError):
        return f"NLTK's sentence model {MODEL} is not installed, or cannot be read: {INSTALL_MODEL}"
    return ""


@functools.cache
def version() -> str:
    """Return NLTK's version, on which the words depend; "none" if it is not installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of("nltk")
    except PackageNotFoundError:
        return "none"
