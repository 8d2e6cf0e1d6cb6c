"""Chat templates: which one a checkpoint brings, what `--chat-template` takes, and what names it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from model_folders import TEMPLATE, adapter_folder, hf_folder

from evalsuite.backends.base import ServedModel
from evalsuite.errors import ConfigError
from evalsuite.models.gguf_metadata import TEMPLATE_KEY, UnreadableGguf, read_texts
from evalsuite.models.recognise import find_checkpoint
from evalsuite.models.templates import find_template, read_template, template_hash
from evalsuite.models.variants import find_variants
from evalsuite.serving.variants import base_through_chat_warning


def gguf_text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf(path: Path, template: str | None, tokens: int = 3) -> Path:
    """A head without tensors; what is looked for stands behind what is not."""
    entries = [
        gguf_text("general.quantized") + struct.pack("<Ib", 7, 1),
        gguf_text("some.numbers") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2),
        gguf_text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, tokens) + gguf_text("tok") * tokens,
    ]
    if template is not None:
        entries.append(gguf_text(TEMPLATE_KEY) + struct.pack("<I", 8) + gguf_text(template))
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries))
    return path


@pytest.mark.parametrize("template", [TEMPLATE, "", "{{ messages }} 中文"])
def test_chat_template_template_of_a_gguf_file(tmp_path: Path, template: str) -> None:
    assert read_texts(gguf(tmp_path / "m.gguf", template), {TEMPLATE_KEY}) == {TEMPLATE_KEY: template}


def test_chat_template_gguf_file_without_a_template(tmp_path: Path) -> None:
    assert read_texts(gguf(tmp_path / "m.gguf", None), {TEMPLATE_KEY}) == {}


@given(cut=some.integers(0, 400), noise=some.binary(max_size=60))
def test_chat_template_damaged_head_is_not_readable_and_never_anything_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    path = gguf(tmp_path_factory.mktemp("gguf") / "m.gguf", TEMPLATE)
    raw = path.read_bytes()
    path.write_bytes(raw[:cut] + noise)
    try:
        found = read_texts(path, {TEMPLATE_KEY})
    except UnreadableGguf:
        return
    assert set(found) <= {TEMPLATE_KEY}


def test_chat_template_file_beside_the_tokenizer_wins_over_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "old"}))
    assert find_template(tmp_path) == "old"
    (tmp_path / "chat_template.jinja").write_text("new")
    assert find_template(tmp_path) == "new"


def test_chat_template_several_templates_are_known_by_their_names(tmp_path: Path) -> None:
    listed = [{"name": "default", "template": "a"}, {"name": "tools", "template": "b"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": listed}))
    assert find_template(tmp_path) == {"default": "a", "tools": "b"}
    assert len(template_hash(find_template(tmp_path))) == 12


@pytest.mark.parametrize("content", [None, "", "[1]", "{}", '{"chat_template": 3}', "not json"])
def test_chat_template_without_a_template_its_name_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer_config.json").write_text(content)
    assert template_hash(find_template(tmp_path)) == "none"


def test_chat_template_template_is_given_as_text_or_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text(TEMPLATE)
    assert read_template(TEMPLATE) == read_template(str(tmp_path / "t.jinja")) == TEMPLATE


@pytest.mark.parametrize(
    ("given_text", "said"),
    [
        ("no/such/file", "cannot be read .No such file"),
        ("", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("{% for message in messages %}", "not a valid Jinja template .line 1"),
        ("{{ message }}", "never uses `messages`"),
    ],
)
def test_chat_template_is_no_template_is_refused(given_text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_template(given_text)


def test_chat_template_marks_of_training_are_no_error() -> None:
    text = "{% for m in messages %}{% generation %}{{ m }}{% endgeneration %}{% continue %}{% endfor %}"
    assert read_template(text) == text


@pytest.mark.parametrize(
    ("name", "template", "said"),
    [
        ("Qwen3-8B-Base", "abc", "is a base model by its name"),
        ("gemma-3-4b-pt", "abc", "is a base model by its name"),
        ("chat", "none", "has no chat template, as base models have none"),
        ("chat", "none (llama.cpp takes ChatML)", r"has no chat template .llama.cpp takes ChatML., as"),
        ("Qwen3-8B", "abc", ""),
        ("base", "abc", ""),
        ("database-v2", "abc", ""),
    ],
)
def test_chat_template_base_model_that_is_asked_through_chat_is_reported(
    tmp_path: Path, name: str, template: str, said: str
) -> None:
    import re

    checkpoint = find_checkpoint(f"m={hf_folder(tmp_path / name)}")
    warning = base_through_chat_warning(
        checkpoint, ServedModel("http://h/v1", "m", {"chat_template": template})
    )
    assert bool(warning) == bool(said)
    assert re.search(said, warning)
    assert not warning or "--completions" in warning


def test_chat_template_adapter_on_a_base_model_has_learned_to_chat(tmp_path: Path) -> None:
    base = hf_folder(tmp_path / "Qwen3-8B-Base")
    variants = find_variants([f"b={base}"], [f"sft={adapter_folder(tmp_path / 'lora')}"], merge=True)
    served = ServedModel("http://h/v1", "m", {"chat_template": "abc"})
    assert [bool(base_through_chat_warning(one, served)) for one in variants] == [True, False, False]
