"""English words as NLTK's `word_tokenize` cuts them: sentences by Punkt, then Penn Treebank tokens.

Only needed where another harness counts these words (`qa_profiles`); our own scores have tokens of their own (`text`).
A period is a word by itself only at the end of a sentence, so what Punkt takes for the end of one changes the words.
NLTK is an optional dependency, and Punkt's model of English is data that it does not come with: `missing_requirement` says which
of the two has to be installed.
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

    Raises `LookupError` where the model is not installed, `TimeoutError` on a text that takes NLTK's patterns seconds.
    """
    from nltk.tokenize import word_tokenize

    words: list[str] = word_tokenize(text)
    return words


def missing_requirement() -> str:
    """Return what has to be done before `tokenize` works, in words; "" where it does."""
    if importlib.util.find_spec("nltk") is None:
        return f"the package nltk is not installed: {INSTALL_NLTK}, then {INSTALL_MODEL}"
    try:
        tokenize("")
    except (LookupError, OSError, ValueError):
        return f"NLTK's sentence model {MODEL} is not installed, or cannot be read: {INSTALL_MODEL}"
    return ""


@functools.cache
def version() -> str:
    """Return NLTK's version, which decides about words; "none" where it is not installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of("nltk")
    except PackageNotFoundError:
        return "none"
