"""The names under which results of parts of a dataset are listed."""

from __future__ import annotations

WHOLE_DATASET = "all"
"""The subset of all rows."""
CATEGORY_PREFIX = "category:"
"""Begins the subset of a category; no subject is called so."""


def subset_name(subject: str) -> str:
    """Return the subject, changed if it is called like other results: those of all rows, or of a category."""
    if subject.startswith(CATEGORY_PREFIX):
        return f"subject {subject}"
    return f"{subject} (subject)" if subject == WHOLE_DATASET else subject
