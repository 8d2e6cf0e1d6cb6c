"""Adapters, quantized forms, trainers' folders, hub ids; and the variants that the options name together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_folders import adapter_folder, hf_folder, llama_pro, write_safetensors

from evalsuite.conversion.llama_cpp import as_gguf
from evalsuite.errors import CheckpointError, ConfigError
from evalsuite.models.recognise import find_checkpoint
from evalsuite.models.variants import find_variants, parse_adapter


@pytest.fixture
def base(tmp_path: Any) -> Any:
    return hf_folder(tmp_path / "base")


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises((CheckpointError, ConfigError)) as caught:
        find_variants(*arguments, **options)
    return str(caught.value)


class TestAdapters:
    def test_on_the_base_that_is_named(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora", base="/elsewhere/llama")
        plain, tuned = find_variants([f"base={base}"], [f"sft={adapter}"])
        assert (tuned.name, tuned.form, tuned.base_form, tuned.path) == ("sft", "lora", "original", base)
        assert (tuned.adapters[0].path, tuned.adapters[0].rank) == (adapter, 4)
        assert tuned.fingerprint != plain.fingerprint == tuned.base_fingerprint
        assert tuned.needed == ("original", "lora")

    @pytest.mark.parametrize(
        ("config", "rank"),
        [
            ({}, 4),
            ({"rank_pattern": {"q_proj": 32, "layers.0.v_proj": 2}}, 32),
            ({"rank_pattern": {"q_proj": 2}}, 4),
            ({"rank_pattern": {}}, 4),
            ({"rank_pattern": None}, 4),
        ],
    )
    def test_the_rank_is_the_highest_of_any_module(
        self, tmp_path: Path, base: Any, config: dict[str, Any], rank: int
    ) -> None:
        adapter = adapter_folder(tmp_path / "lora", **config)
        tuned = find_variants([str(base)], [f"sft={adapter}"])[1]
        assert (tuned.adapters[0].rank, tuned.details["rank"]) == (rank, str(rank))

    @pytest.mark.parametrize("config", [{"alpha_pattern": {"q_proj": 64}}, {"use_rslora": True}])
    def test_scales_that_a_gguf_lora_cannot_say(
        self, tmp_path: Path, base: Any, config: dict[str, Any]
    ) -> None:
        adapter = adapter_folder(tmp_path / "lora", **config)
        plain, tuned, merged = find_variants([str(base)], [f"sft={adapter}"], merge=True)
        assert as_gguf(merged).recipe == ("merge", "gguf")
        assert as_gguf(plain).form == "gguf"
        with pytest.raises(CheckpointError, match=r"alpha_pattern or rsLoRA(.|\n)*Take --merge"):
            as_gguf(tuned)

    def test_alone_it_finds_its_base_in_its_configuration(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora", base=str(base))
        (tuned,) = find_variants([f"sft={adapter}"], [])
        assert (tuned.name, tuned.form, tuned.path) == ("sft", "lora", base)

    @pytest.mark.parametrize("named", [None, "/not/here", "Qwen/Qwen9-8B"])
    def test_alone_and_its_base_is_not_here(
        self, tmp_path: Path, named: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        adapter = adapter_folder(tmp_path / "lora", base=named)
        assert f"Name it yourself: --ckpt base=PATH --adapter lora={adapter}" in refusal([str(adapter)], [])

    def test_another_hidden_size(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora", hidden=48, base="org/other")
        said = refusal([str(base)], [f"sft={adapter}"])
        assert "for model.layers.0.self_attn.q_proj it has 48 inputs" in said
        assert "It was trained on org/other. Give that base" in said

    def test_more_layers_than_the_base_has(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora", layers=5)
        assert "it changes layer 4" in refusal([str(base)], [f"sft={adapter}"])

    def test_other_names(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        write_safetensors(
            adapter / "adapter_model.safetensors",
            {"base_model.model.encoder.layers.0.query.lora_A.weight": (4, 32)},
        )
        assert "has no encoder.layers.0.query, which it changes" in refusal([str(base)], [f"sft={adapter}"])

    def test_names_with_the_prefix_of_another_version_of_transformers(
        self, tmp_path: Path, base: Any
    ) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        stem = "base_model.model.model.language_model.layers.0.self_attn.q_proj"
        write_safetensors(adapter / "adapter_model.safetensors", {f"{stem}.lora_A.default.weight": (4, 32)})
        assert find_variants([str(base)], [f"sft={adapter}"])[1].form == "lora"

    def test_without_weights(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        (adapter / "adapter_model.safetensors").unlink()
        assert "it has adapter_config.json but no weights" in refusal([str(base)], [f"sft={adapter}"])

    def test_cut_off(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        file = adapter / "adapter_model.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
        assert "adapter_model.safetensors is cut off" in refusal([str(base)], [f"sft={adapter}"])

    @pytest.mark.parametrize("method", ["PREFIX_TUNING", "PROMPT_TUNING"])
    def test_methods_of_virtual_tokens(self, tmp_path: Path, base: Any, method: str) -> None:
        adapter = adapter_folder(tmp_path / "lora", peft_type=method)
        assert "virtual tokens" in refusal([str(base)], [f"sft={adapter}"])

    def test_what_is_no_adapter(self, tmp_path: Path, base: Any) -> None:
        assert "no adapter" in refusal([str(base)], [f"sft={base}"])
        assert "no such folder" in refusal([str(base)], ["sft=nowhere"])
        adapter_folder(tmp_path / "out" / "final")
        assert "1 folders in it have one" in refusal([str(base)], [f"sft={tmp_path / 'out'}"])

    def test_stacked_in_order(self, tmp_path: Path, base: Any) -> None:
        first, second = adapter_folder(tmp_path / "a"), adapter_folder(tmp_path / "b", rank=8)
        one, other = find_variants([str(base)], [f"x={first}+{second}", f"y={second}+{first}"])[1:]
        assert one.form == "stacked"
        assert [adapter.path for adapter in one.adapters] == [first, second]
        assert one.fingerprint != other.fingerprint

    def test_a_plus_in_a_folder_s_name(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "a+b")
        assert find_variants([str(base)], [f"x={adapter}"])[1].form == "lora"


class TestTrainers:
    @pytest.mark.parametrize(
        ("file", "content", "trainer"),
        [
            ("args.json", '{"swift_version": "4.0", "tuner_type": "lora"}', "ms-swift"),
            ("finetuning_args.json", "{}", "LLaMA-Factory (PeftTrainer)"),
            ("trainer_log.jsonl", "", "LLaMA-Factory"),
            ("README.md", "---\ntags:\n- llama-factory\n- lora\n---\n", "LLaMA-Factory"),
            ("README.md", "---\ntags:\n- trl\n- sft\n---\n", "TRL"),
            ("README.md", "---\ntags:\n- axolotl\n- trl\n---\n", "Axolotl"),
            ("README.md", "---\ntags:\n- unsloth\n- trl\n---\n", "Unsloth"),
            ("training_args.bin", "", "transformers Trainer"),
        ],
    )
    def test_who_wrote_it(self, tmp_path: Path, base: Any, file: str, content: str, trainer: str) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        (adapter / file).write_text(content)
        assert find_variants([str(base)], [f"sft={adapter}"])[1].details["trained by"] == trainer

    def test_nobody_told(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        (adapter / "README.md").write_text("controls the literal patrol")
        assert "trained by" not in find_variants([str(base)], [f"sft={adapter}"])[1].details

    def test_a_value_head_is_told(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        (adapter / "value_head.safetensors").touch()
        assert (
            find_variants([str(base)], [f"rm={adapter}"])[1].details["value head"] == "value_head.safetensors"
        )

    @pytest.mark.parametrize("named", ["", "default"])
    def test_unmerged_llama_pro_of_ms_swift(self, tmp_path: Path, base: Any, named: str) -> None:
        folder = llama_pro(tmp_path / "pro")
        plain, pro = find_variants([f"base={base}"], [f"pro={folder / named}"])
        assert (pro.form, pro.recipe, pro.path) == ("original", ("llama-pro",), base)
        assert [adapter.path for adapter in pro.adapters] == [folder / "default"]
        assert (pro.details["new blocks"], pro.details["trained by"]) == ("2", "ms-swift")
        assert pro.fingerprint != plain.fingerprint == pro.base_fingerprint

    def test_find_checkpoint_unmerged_llama_pro_finds_its_base_in_args_json(
        self, tmp_path: Path, base: Any
    ) -> None:
        folder = llama_pro(tmp_path / "pro", model=str(base))
        found = find_checkpoint(str(folder))
        assert (found.name, found.recipe, found.path) == ("pro", ("llama-pro",), base)

    def test_unmerged_llama_pro_whose_base_is_not_known(self, tmp_path: Path) -> None:
        folder = llama_pro(tmp_path / "pro")
        with pytest.raises(
            CheckpointError, match=r"names no base. Name it yourself: --ckpt base=PATH --adapter pro="
        ):
            find_checkpoint(str(folder))

    def test_unmerged_llama_pro_of_a_deeper_base(self, tmp_path: Path, base: Any) -> None:
        folder = llama_pro(tmp_path / "pro", deepest=9)
        assert "it changes layer 9" in refusal([str(base)], [f"pro={folder}"])

    def test_unmerged_llama_pro_is_not_stacked(self, tmp_path: Path, base: Any) -> None:
        folder, lora = llama_pro(tmp_path / "pro"), adapter_folder(tmp_path / "lora")
        assert "are written into an original" in refusal([str(base)], [f"x={folder}+{lora}"])

    def test_merge_leaves_llama_pro_as_it_is(self, tmp_path: Path, base: Any) -> None:
        folder, lora = llama_pro(tmp_path / "pro"), adapter_folder(tmp_path / "lora")
        found = find_variants([str(base)], [f"pro={folder}", f"sft={lora}"], merge=True)
        assert [one.name for one in found] == ["base", "pro", "sft", "sft-merged"]

    def test_llama_pro_saved_whole_is_plain(self, tmp_path: Path) -> None:
        assert find_checkpoint(str(hf_folder(tmp_path / "pro", num_hidden_layers=2))).form == "original"


class TestQuantized:
    @pytest.mark.parametrize(
        ("config", "form", "said"),
        [
            ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bitsandbytes", "bitsandbytes 4 bits, nf4"),
            ({"load_in_8bit": True}, "bitsandbytes", "bitsandbytes 8 bits"),
            ({"quant_method": "gptq", "bits": 4}, "gptq", "gptq 4 bits"),
            ({"bits": 4, "desc_act": False}, "gptq", "gptq 4 bits"),
            ({"quant_method": "awq", "w_bit": 4}, "awq", "awq 4 bits"),
            ({"quant_method": "hqq"}, "hqq", "hqq"),
            ({"quant_method": "eetq"}, "eetq", "eetq"),
            ({"quant_method": "aqlm"}, "aqlm", "aqlm"),
            ({"quant_method": "fp8"}, "fp8", "fp8"),
            ({"quant_method": "fbgemm_fp8"}, "fp8", "fbgemm_fp8"),
            ({"quant_method": "torchao"}, "torchao", "torchao"),
            ({"config_groups": {}, "format": "int-quantized"}, "compressed-tensors", "compressed-tensors int-quantized"),
        ],
    )  # fmt: skip
    def test_the_method_is_the_form(
        self, tmp_path: Path, config: dict[str, Any], form: str, said: str
    ) -> None:
        found = find_checkpoint(str(hf_folder(tmp_path / "q", quantization_config=config)))
        assert (found.form, found.details["quantization"]) == (form, said)

    def test_a_method_nobody_knows(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="quantized by 'magic'"):
            find_checkpoint(str(hf_folder(tmp_path / "q", quantization_config={"quant_method": "magic"})))


class TestHub:
    def test_a_downloaded_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        repository = tmp_path / "models--org--name"
        snapshot = hf_folder(repository / "snapshots" / "abc")
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("abc")
        found = find_checkpoint("org/name")
        assert (found.name, found.path, found.source) == ("name", snapshot, "org/name")

    def test_a_download_of_modelscope(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
        hf_folder(tmp_path / "models" / "org" / "name-2___5")
        assert find_checkpoint("org/name-2.5").name == "name-2.5"

    def test_one_that_is_not_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
        with pytest.raises(CheckpointError, match="hf download org/name"):
            find_checkpoint("org/name")


class TestVariants:
    def test_their_order(self, tmp_path: Path, base: Any) -> None:
        second, adapter = hf_folder(tmp_path / "second"), adapter_folder(tmp_path / "lora")
        found = find_variants(
            [f"one={base}", f"two={second}"], [f"two:sft={adapter}"], merge=True, quants=["bnb-int8"]
        )
        assert [one.name for one in found] == [
            "one",
            "one-bnb-int8",
            "two",
            "sft",
            "sft-merged",
            "two-bnb-int8",
        ]
        assert [one.recipe for one in found if one.recipe] == [("merge",)]
        assert len({one.fingerprint for one in found if one.path == second}) == 4

    def test_the_base_must_be_said_where_there_are_two(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        said = refusal([f"one={base}", f"two={base}"], [f"sft={adapter}"])
        assert "on which checkpoint? There are 2 (one, two); say --adapter one:sft=" in said
        assert "there is no checkpoint 'three'" in refusal([f"one={base}"], [f"three:sft={adapter}"])

    def test_equal_names(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        assert "two checkpoints are called 'base'" in refusal([f"base={base}"], [f"base={adapter}"])

    def test_nothing_to_merge(self, base: Any) -> None:
        assert "there is no adapter to merge" in refusal([str(base)], [], merge=True)

    def test_a_quantized_base_is_not_merged_into(self, tmp_path: Path) -> None:
        base = hf_folder(tmp_path / "base", quantization_config={"quant_method": "awq"})
        adapter = adapter_folder(tmp_path / "lora")
        assert "which is of the form 'awq'" in refusal([str(base)], [f"sft={adapter}"], merge=True)
        assert find_variants([str(base)], [f"sft={adapter}"])[1].needed == ("awq", "lora")

    def test_a_method_of_quant_nobody_knows(self, base: Any) -> None:
        assert "bnb-nf4" in refusal([str(base)], [], quants=["int3"])

    def test_gguf_and_folders_do_not_mix(self, tmp_path: Path, base: Any) -> None:
        gguf = tmp_path / "m.gguf"
        gguf.write_bytes(b"GGUFxx")
        adapter = adapter_folder(tmp_path / "lora")
        assert "llama.cpp requires adapters as .gguf as well" in refusal([str(gguf)], [f"sft={adapter}"])
        assert "needs a base in a GGUF file" in refusal([str(base)], [f"sft={gguf}"])
        assert find_variants([str(gguf)], [f"sft={gguf}"])[1].form == "gguf-lora"

    @pytest.mark.parametrize(
        ("text", "base", "name", "source"),
        [
            ("sft=out/a", None, "sft", "out/a"),
            ("big:sft=out/a", "big", "sft", "out/a"),
            ("out/a", None, "a", "out/a"),
            ("out/a+out/b", None, "a+b", "out/a+out/b"),
            ("x=out/lr=1e-4", None, "x", "out/lr=1e-4"),
        ],
    )
    def test_the_option_taken_apart(self, text: str, base: str | None, name: str, source: str) -> None:
        found = parse_adapter(text)
        assert (found.base, found.name, found.source) == (base, name, source)

    def test_for_llama_cpp_every_form_that_can_be_is_converted(self, tmp_path: Path, base: Any) -> None:
        adapter = adapter_folder(tmp_path / "lora")
        found = [as_gguf(one) for one in find_variants([str(base)], [f"sft={adapter}"], merge=True)]
        assert [(one.form, one.recipe) for one in found] == [
            ("gguf", ("gguf",)),
            ("gguf-lora", ("gguf",)),
            ("gguf", ("merge", "gguf")),
        ]
        quantized = find_checkpoint(
            str(hf_folder(tmp_path / "q", quantization_config={"quant_method": "awq"}))
        )
        assert as_gguf(quantized) == quantized


def test_find_variants_broken_adapter_configuration(tmp_path: Path, base: Any) -> None:
    adapter = adapter_folder(tmp_path / "lora")
    (adapter / "adapter_config.json").write_text(json.dumps([1]))
    assert "adapter_config.json is not a JSON object" in refusal([str(base)], [f"sft={adapter}"])
