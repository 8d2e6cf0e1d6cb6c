"""The types of GGUF files by name and by llama.cpp's number."""

from __future__ import annotations

import pytest

from evalsuite.conversion.llama_cpp import QUANTIZED
from evalsuite.conversion.scripts.quantize_gguf import FILE_TYPES


def test_gguf_file_types_match_llama_cpp() -> None:
    assert FILE_TYPES.keys() == QUANTIZED.keys()
    kinds = pytest.importorskip("gguf", reason="gguf is not installed (evalsuite[gguf])").LlamaFileType
    assert {name: int(kinds[f"MOSTLY_{name}"]) for name in FILE_TYPES} == dict(FILE_TYPES)
