"""Real data that may lie in a folder `shared` beside the checkout; tests that use it are skipped without it."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
SHARED_DATA = SHARED / "data"
