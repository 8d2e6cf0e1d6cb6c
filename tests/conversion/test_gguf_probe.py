"""What llama.cpp says of a GGUF file's next tokens."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from evalsuite.conversion import gguf_probe
from evalsuite.conversion.scripts.reading import CANDIDATES
from evalsuite.conversion.worker import Worker
from evalsuite.errors import CheckpointError
from evalsuite.models.weights import fetch_weights


@pytest.mark.model
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_read_gguf_gguf_file_is_read_where_half_a_character_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        weights = fetch_weights("smollm2")
    except CheckpointError as error:
        pytest.skip(f"the weights cannot be fetched: {error}")
    monkeypatch.setattr(gguf_probe, "TEXTS", ("龘" * 12, "The capital of France is"))
    found = gguf_probe.read_gguf(weights, Worker(tmp_path / "log"))
    assert [len(following) for following in found.following] == [CANDIDATES] * 2
    assert all(max(following.values()) > -2 for following in found.following)
