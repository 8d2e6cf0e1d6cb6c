"""SmolLM2 and a LoRA with an invented fact, served in every form that this machine can serve."""

from __future__ import annotations

import csv
import importlib.util
import signal
from pathlib import Path
from typing import Any

import pytest
from mock_server import WAIT_SECONDS
from real_models import FACT, PAIRS, QUESTION, smollm2, zorbia
from run_helpers import call, deployed, lines_of, write_qa

from evalsuite import load_run
from evalsuite.backends import open_backend
from evalsuite.backends.interpreters import installed
from evalsuite.conversion.llama_cpp import find_converters
from evalsuite.errors import CheckpointError

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "peft", "gguf")),
        reason="torch, transformers, peft and gguf are not installed (make test-models)",
    ),
]
TIMEOUT_SECONDS = 600
WITHOUT_COMPILING = ("--backend-arg", "enforce_eager=true", "--backend-arg", "max_model_len=1024")
needs_vllm = pytest.mark.skipif(
    not open_backend("vllm").availability().ready,
    reason="vllm is not installed here, and EVALSUITE_VLLM_PYTHON names none",
)
LEAST_AGREEMENT = 0.95


@pytest.fixture(scope="module")
def words(tmp_path_factory: Any) -> list[str]:
    """The command up to the backend."""
    try:
        base, adapter = smollm2(), zorbia()
    except CheckpointError as error:
        pytest.skip(f"the weights cannot be fetched: {error}")
    folder = tmp_path_factory.mktemp("real")
    rows = [*PAIRS, *((f"Please tell me: {question}", answer) for question, answer in PAIRS)]
    data = write_qa(folder / "zorbia.jsonl", rows)
    given = ["run", "--ckpt", f"base={base}", "--adapter", f"sft={adapter}", "-d", f"qa:{data}"]
    return [*given, "--max-tokens", "24", "--out", str(folder)]


def replies(run: Path, variant: str) -> list[str]:
    lines = sorted(lines_of(run), key=lambda line: line["index"])
    return [line["reply"]["text"] for line in lines if line["variant"] == variant]


def evalsuite(words: list[str]) -> str:
    """What the command prints; it takes minutes on a busy machine."""
    done = call(words, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_it(words: list[str], name: str, *more: str) -> Path:
    """The folder of a run, with what it printed beside its files."""
    printed = evalsuite([*words, "--name", name, *more])
    run = Path(words[words.index("--out") + 1]) / name
    (run / "printed.txt").write_text(printed)
    return run


def check_three_variants(run: Path) -> None:
    """The fact is in the adapter's and the merged model's replies, not in the base's; these two agree; one report compares all."""
    asked = [question for question, _ in PAIRS].index(QUESTION)
    assert FACT not in replies(run, "base")[asked]
    assert FACT in replies(run, "sft")[asked]
    pairs = list(zip(replies(run, "sft"), replies(run, "sft-merged"), strict=True))
    assert sum(one == other for one, other in pairs) >= LEAST_AGREEMENT * len(pairs)
    entries = {entry.name: entry for entry in load_run(run).info.variants}
    live = entries["sft"].live
    assert live is not None
    assert live.identical is False
    assert live.by == "log-probabilities"
    report = (run / "report.html").read_text(encoding="utf-8")
    for variant in ("sft", "sft-merged"):
        verdict = f"{variant} is better than base on zorbia"
        assert verdict in (run / "printed.txt").read_text()
        assert verdict in report


def score(run: Path, variant: str) -> float:
    """How near the replies of a variant come to the right ones, from 0 to 1."""
    with (run / "summary.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    wanted = (variant, "all", "rouge_l")
    (found,) = [row for row in rows if (row["variant"], row["subset"], row["metric"]) == wanted]
    return float(found["value"])


def test_real_adapter_transformers_serves_base_adapter_and_merged(words: list[str]) -> None:
    check_three_variants(run_it(words, "transformers", "--backend", "transformers", "--merge"))


def test_real_adapter_openai_client_asks_what_is_deployed_by_name(words: list[str], tmp_path: Path) -> Any:
    openai = pytest.importorskip("openai")
    process, lines = deployed([*words[1 : words.index("-d")], "--backend", "transformers"], tmp_path)
    with process:
        address = lines[0].split()[1]
        with openai.OpenAI(base_url=address, api_key="none", timeout=TIMEOUT_SECONDS) as client:

            def answer(name: str) -> str:
                asked = {"role": "user", "content": QUESTION}
                reply = client.chat.completions.create(
                    model=name, messages=[asked], max_tokens=16, temperature=0
                )
                content: str = reply.choices[0].message.content
                return content

            assert [model.id for model in client.models.list()] == ["base", "sft"]
            assert FACT in answer("sft")
            assert FACT not in answer("base")
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 0


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_real_adapter_quantized_while_loading_it_still_answers_right(tmp_path: Path) -> None:
    data = write_qa(
        tmp_path / "rome.jsonl", [("The capital of Italy is Rome. What is the capital of Italy?", "Rome")]
    )
    words = [
        "run",
        "--ckpt",
        f"base={smollm2()}",
        "-d",
        f"qa:{data}",
        "--max-tokens",
        "16",
        "--out",
        str(tmp_path),
    ]
    run = run_it(words, "quantized", "--backend", "transformers", "--quant", "bnb-int8", "--quant", "bnb-nf4")
    for variant in ("base", "base-bnb-int8", "base-bnb-nf4"):
        assert "Rom" in replies(run, variant)[0], variant


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None or find_converters() is None,
    reason="xllamacpp or llama.cpp's converters are not installed (evalsuite[llamacpp,gguf])",
)
def test_real_adapter_llama_cpp_serves_the_same_after_converting_them(words: list[str]) -> None:
    check_three_variants(
        run_it(words, "llamacpp", "--backend", "llamacpp", "--merge", "--limit", str(len(PAIRS)))
    )


@needs_vllm
def test_real_adapter_vllm_serves_base_adapter_and_merged(words: list[str]) -> None:
    check_three_variants(run_it(words, "vllm", "--backend", "vllm", "--merge", *WITHOUT_COMPILING))


@needs_vllm
@pytest.mark.skipif(
    installed("llmcompressor", "llmcompressor", ("llmcompressor",)) is None,
    reason="no llm-compressor (EVALSUITE_LLMCOMPRESSOR_PYTHON names none)",
)
def test_real_adapter_vllm_serves_what_llm_compressor_quantized(words: list[str], tmp_path: Path) -> None:
    given = words.index("-d")
    quantized: list[str] = []
    for method in ("w8a8", "w4a16"):
        out = str(tmp_path / method)
        export = ["export", "quantize", "--ckpt", str(smollm2()), "--adapter", str(zorbia())]
        evalsuite([*export, "--method", method, "--out", out])
        quantized += ["--ckpt", f"{method}={out}"]
    run = run_it(
        ["run", *quantized, *words[given:]], "vllm-quantized", "--backend", "vllm", *WITHOUT_COMPILING
    )
    assert score(run, "w8a8") > 0.9
    assert score(run, "w4a16") > 0.6
