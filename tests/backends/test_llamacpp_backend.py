"""llama.cpp as it really is: the embedded server with the real SmolLM2 weights, and what can go wrong with it."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mock_server import WAIT_SECONDS
from page_data import samples_of
from run_helpers import (
    call,
    deployed,
    kill_server,
    lines_of,
    numbered,
    processes_with,
    program_in,
    start,
    summary_of,
    wait_gone,
    wait_until,
    write_qa,
)

from evalsuite.backends.base import Server
from evalsuite.backends.llamacpp import LlamaCppBackend, child_parameters
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import FixedConcurrency
from evalsuite.endpoint.logprob_probe import find_logprob_form
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import Generation, encode
from evalsuite.errors import CheckpointError, ConfigError, ServerError
from evalsuite.metrics.label_logprobs import LabelProbabilities, read
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.recognise import find_checkpoint
from evalsuite.models.weights import fetch_weights
from evalsuite.types import Prompt

SMALL = {"n_ctx": "512", "n_parallel": "2"}
SMALL_WORDS = [word for name, value in SMALL.items() for word in ("--backend-arg", f"{name}={value}")]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed (evalsuite[llamacpp])"
)


@pytest.fixture(scope="session")
def weights() -> Path:
    """The real weights, fetched once into the user's cache."""
    try:
        return fetch_weights("smollm2")
    except CheckpointError as error:
        pytest.skip(f"the weights cannot be fetched: {error}")


@pytest.fixture(scope="module")
def server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    checkpoint = find_checkpoint(f"little={weights}")
    log = tmp_path_factory.mktemp("llamacpp") / "server-little.log"
    with LlamaCppBackend().serve([checkpoint], SMALL, log) as running:
        yield running


def broken_checkpoint(folder: Path, content: bytes) -> Checkpoint:
    path = folder / "broken.gguf"
    path.write_bytes(content)
    return find_checkpoint(str(path))


# ---------------------------------------------------------------- without weights


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_ctx", "many"),
        ("n_ctx", "0"),
        ("n_parallel", "-1"),
        ("n_parallel", "0"),
        ("n_threads", "²"),
        ("port", "99999"),
        ("port", "80.5"),
    ],
)
def test_llamacpp_number_that_is_invalid_is_refused_before_anything_starts(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=f"--backend-arg {name}={value}: not a whole number"):
        child_parameters(broken_checkpoint(tmp_path, b"GGUF"), {name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("n_contexts", "5", "'n_contexts' is not a simple parameter"),
        ("model", "/etc/passwd", "'model' is not a simple parameter"),
        ("n_batch", "lots", "n_batch=lots: expected int"),
        ("n_batch", "9" * 40, "expected int"),
        ("warmup", "perhaps", "warmup=perhaps: expected bool"),
    ],
)
def test_llamacpp_wrong_parameter_of_llama_cpp_is_the_users_to_mend(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    checkpoint = broken_checkpoint(tmp_path, b"GGUF")
    backend = LlamaCppBackend().serve([checkpoint], {name: value}, tmp_path / "log")
    with pytest.raises(ConfigError, match="--backend-arg") as caught, backend:
        pass
    assert said in str(caught.value)


def test_llamacpp_taken_port_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        backend = LlamaCppBackend().serve(
            [broken_checkpoint(tmp_path, b"GGUF")], {"port": str(port)}, tmp_path / "log"
        )
        with pytest.raises(ServerError, match=f"port {port} of 127.0.0.1 is taken"), backend:
            pass


def test_llamacpp_corrupt_checkpoint_exits_with_4_and_the_servers_words(tmp_path: Path) -> None:
    broken_checkpoint(tmp_path, b"GGUF\x03\x00\x00\x00" + b"\xff" * 4000)
    data = write_qa(tmp_path / "qa.jsonl", numbered(2))
    words = [
        "run",
        "--ckpt",
        str(tmp_path / "broken.gguf"),
        "-d",
        f"qa:{data}",
        "--out",
        str(tmp_path / "out"),
        "--name",
        "run",
    ]
    done = call(words)
    assert done.returncode == 4
    assert "the model server ended by itself" in done.stderr
    assert "gguf" in done.stderr.partition("Its last lines")[2].lower()
    assert "Traceback" not in done.stderr.partition("Its last lines")[0]
    assert not processes_with(str(tmp_path))


def test_server_child_ignores_modules_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "xllamacpp", "threading"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    backend = LlamaCppBackend().serve(
        [broken_checkpoint(tmp_path, b"GGUF")], {"no_such": "1"}, tmp_path / "log"
    )
    with pytest.raises(ConfigError, match="no_such"), backend:
        pass


# ---------------------------------------------------------------- the real model


@pytest.mark.model
def test_llamacpp_serves_under_its_name_on_the_loopback_only(server: Server) -> None:
    assert server.served["little"].base_url.startswith("http://127.0.0.1:")
    listed = httpx.get(f"{server.served['little'].base_url}/models", timeout=WAIT_SECONDS).json()["data"]
    assert [model["id"] for model in listed] == ["little"]
    assert (
        server.served["little"].model,
        server.served["little"].slots,
        server.served["little"].engine["name"],
    ) == (
        "little",
        2,
        "llama.cpp",
    )
    server.check()


@pytest.mark.model
def test_llamacpp_openai_client_gets_a_reply(server: Server) -> None:
    import openai
    from openai.types.chat import ChatCompletionUserMessageParam

    with openai.OpenAI(
        base_url=server.served["little"].base_url, api_key="none", timeout=WAIT_SECONDS
    ) as client:
        question: ChatCompletionUserMessageParam = {
            "role": "user",
            "content": "The capital of Italy is Rome. What is the capital of Italy?",
        }
        answer = client.chat.completions.create(
            model="little", messages=[question], max_tokens=24, temperature=0
        )
        with client.chat.completions.create(
            model="little",
            messages=[question],
            max_tokens=24,
            temperature=0,
            stream=True,
        ) as stream:
            streamed = "".join(event.choices[0].delta.content or "" for event in stream if event.choices)
        flat = client.completions.create(
            model="little", prompt="One, two, three,", max_tokens=8, temperature=0
        )
    assert "Rom" in (answer.choices[0].message.content or "")
    assert "Rom" in streamed
    assert answer.usage
    assert answer.usage.completion_tokens > 0
    assert "four" in flat.choices[0].text


@pytest.mark.model
def test_llamacpp_main_job_end_to_end(weights: Path, tmp_path: Path) -> None:
    words = [
        "run",
        "--ckpt",
        "smollm2",
        "--backend-arg",
        "n_ctx=4096",
        "--out",
        str(tmp_path),
        "--name",
        "run",
    ]
    words += ["--limit", "1", "--shots", "0", "--max-tokens", "8"]
    done = call([*words, "-d", "mcq_en", "-d", "gsm8k_style", "-d", "toolbench_style", "-d", "qa_zh"])
    assert done.returncode == 0, done.stderr
    assert len(lines_of(tmp_path / "run")) == 4
    assert set(summary_of(tmp_path / "run")["variants"]["smollm2"]["datasets"]) == {
        "mcq_en", "gsm8k_style", "toolbench_style", "qa_zh",
    }  # fmt: skip
    for name in ("report.html", "summary.csv", "run.json", "server-smollm2.log"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    assert all(line["outcome"] != "error" for line in lines_of(tmp_path / "run"))


@pytest.mark.model
@pytest.mark.parametrize(
    ("spec", "more"),
    [("perplexity_en", []), ("preference_style", []), ("preference_style", ["--completions"])],
)
def test_llamacpp_texts_that_llama_cpp_cannot_measure_are_refused_by_name(
    weights: Path, tmp_path: Path, spec: str, more: list[str]
) -> None:
    words = ["run", "--ckpt", "smollm2", "--out", str(tmp_path), "--name", "run", "-d", spec, *more]
    done = call(words)
    assert done.returncode == 2, done.stderr
    assert "llama.cpp and transformers serve ignore them. Take --backend transformers" in done.stderr
    assert not (tmp_path / "run" / "samples.jsonl").exists()


@pytest.mark.model
def test_judge_small_model_judging_itself_is_recorded_and_counted(weights: Path, tmp_path: Path) -> None:
    words = ["run", "--ckpt", "smollm2", "--out", str(tmp_path), "--name", "run", "--max-tokens", "24"]
    words += ["-d", "judge_style", "--limit", "2", "--judge-model", "self", "--judge-max-tokens", "24"]
    done = call(words)
    assert done.returncode == 0, done.stderr
    lines = lines_of(tmp_path / "run")
    assert [len(line["further"]) for line in lines] == [1, 1]
    found = summary_of(tmp_path / "run")["variants"]["smollm2"]["datasets"]["judge_style"]["subsets"]["all"]
    read, counted = (found["metrics"][name] for name in ("judge_score", "unreadable_rate"))
    assert read["n"] + read["n_skipped"] == counted["n"] == 2
    assert counted["value"] == pytest.approx(read["n_skipped"] / 2)
    assert "the model judged its own replies" in done.stdout


@pytest.mark.model
def test_prefilled_turn_has_the_probabilities_of_the_flat_text(
    server: Server,
) -> None:
    question = "Which is wet?\nA. water\nB. fire\nC. earth"
    begun = Prompt(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": "Answer:"},
        ],
        continues=True,
    )
    flat = Prompt(
        text=f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\nAnswer:"
    )
    generation = Generation(1, top_logprobs=20)

    async def ask() -> tuple[str, list[LabelProbabilities]]:
        served = server.served["little"]
        async with Endpoint(
            served.base_url, served.model, RetryPolicy(WAIT_SECONDS), FixedConcurrency(1)
        ) as endpoint:
            form = await find_logprob_form(endpoint, generation, "marker", completions=False, continues=False)
            answers = [await endpoint.ask(encode(prompt, generation)) for prompt in (begun, flat)]
            return form, [read(answer.reply.alternatives or (), "ABC") for answer in answers]

    form, (of_turn, of_text) = asyncio.run(ask())
    assert form == "marker", "the trial tells what its backend says"
    assert server.served["little"].continues_turns
    for label in "ABC":
        assert of_turn.labels[label] == pytest.approx(of_text.labels[label], abs=0.05)
    assert sum(math.exp(value) for value in of_turn.labels.values() if value is not None) > 0.8


@pytest.mark.model
@pytest.mark.parametrize("flat", [[], ["--completions"]])
def test_llamacpp_letters_are_compared_by_probability(weights: Path, tmp_path: Path, flat: list[str]) -> None:
    words = ["run", "--ckpt", "smollm2", "--backend-arg", "n_ctx=2048", "--mcq-mode", "logprob", *flat]
    words += ["-d", "mcq_en", "--limit", "4", "--out", str(tmp_path), "--name", "run"]
    done = call(words)
    assert done.returncode == 0, done.stderr
    lines = lines_of(tmp_path / "run")
    assert len(lines) == 4
    for line in lines:
        labels = line["logprobs"]["labels"]
        known = {label: value for label, value in labels.items() if value is not None}
        assert line["stage"] == "logprob"
        assert line["extracted"] == [max(known, key=lambda label: known[label])]
        assert 0.3 < sum(math.exp(value) for value in known.values()) <= 1.001
        assert line["usage"]["completion_tokens"] == 1
    whole = summary_of(tmp_path / "run")["variants"]["smollm2"]["datasets"]["mcq_en"]["subsets"]["all"]
    assert "logprob:marker" in whole["metrics"]["accuracy"]["signature"]
    shown = samples_of((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert all("options" in dict(one["facts"]) for one in shown)


class Doomed:
    """A run on the real model that is under way, under a name no other process has."""

    def __init__(self, weights: Path, folder: Path) -> None:
        self.name = f"m{uuid.uuid4().hex[:8]}"
        self.run = folder / "run"
        data = write_qa(
            folder / "qa.jsonl", [(f"Tell me a long story about {n} cats.", "cats") for n in range(12)]
        )
        self.words = ["run", "--ckpt", f"{self.name}={weights}", *SMALL_WORDS, "-d", f"qa:{data}"]
        self.words += ["--out", str(folder), "--name", "run", "--max-tokens", "16"]

    def wait_under_way(self) -> list[int]:
        """Wait for some finished samples; the server's processes."""
        journal = self.run / "samples.jsonl"
        wait_until(
            lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 2,
            "two samples",
            3 * WAIT_SECONDS,
        )
        return self.servers()

    def finished(self) -> int:
        """Lines of the journal."""
        return (self.run / "samples.jsonl").read_bytes().count(b"\n")

    def servers(self) -> list[int]:
        """The supervisor and its server."""
        return [
            pid for pid in self.processes() if "llamacpp_child" in Path(f"/proc/{pid}/cmdline").read_text()
        ]

    def processes(self) -> list[int]:
        return processes_with(self.name)

    def finish(self, before: bytes) -> None:
        """Start again: what was finished stands untouched, the rest is asked."""
        finished = before.count(b"\n")
        done = call(self.words)
        assert done.returncode == 0, done.stderr
        assert f"{finished} of 12 samples are finished already" in done.stderr
        assert (self.run / "samples.jsonl").read_bytes().startswith(before[: before.rfind(b"\n") + 1])
        assert sorted(line["index"] for line in lines_of(self.run)) == list(range(12))
        assert not self.processes()


@pytest.mark.model
def test_server_that_dies_once_is_restarted_and_the_run_completes(weights: Path, tmp_path: Path) -> None:
    doomed = Doomed(weights, tmp_path)
    with start(doomed.words) as process:
        killed = doomed.wait_under_way()
        kill_server(killed)
        _, errors = process.communicate(timeout=4 * WAIT_SECONDS)
    assert process.returncode == 0, errors
    assert "the model server ended by itself (exit code 137)" in errors
    assert "It is started once more; what is finished is kept." in errors
    assert "Traceback" not in errors
    assert sorted(line["index"] for line in lines_of(doomed.run)) == list(range(12))
    summary = summary_of(doomed.run)
    assert (summary["complete"], summary["totals"]["owed"], summary["totals"]["errors"]) == (True, 0, 0)
    assert summary["variants"][doomed.name]["speed"]["samples"] == 12
    wait_gone(killed)
    assert not doomed.processes()


@pytest.mark.model
def test_llamacpp_server_that_dies_twice_exits_with_4_and_nothing_is_lost(
    weights: Path, tmp_path: Path
) -> None:
    doomed = Doomed(weights, tmp_path)
    with start(doomed.words) as process:
        first = doomed.wait_under_way()
        kill_server(first)
        wait_gone(first)
        before = doomed.finished()
        wait_until(lambda: doomed.finished() > before, "a sample of the second server", 3 * WAIT_SECONDS)
        second = doomed.servers()
        kill_server(second)
        _, errors = process.communicate(timeout=2 * WAIT_SECONDS)
    assert process.returncode == 4, errors
    assert errors.count("the model server ended by itself (exit code 137)") >= 2
    assert "It had been started once more already" in errors
    assert f"server-{doomed.name}.log" in errors
    assert "Traceback" not in errors
    wait_gone([*first, *second])
    assert summary_of(doomed.run)["complete"] is False
    doomed.finish((doomed.run / "samples.jsonl").read_bytes())


@pytest.mark.model
def test_llamacpp_interrupted_while_the_server_starts_it_leaves_none(weights: Path, tmp_path: Path) -> None:
    doomed = Doomed(weights, tmp_path)
    with start(doomed.words) as process:
        wait_until(lambda: (doomed.run / f"server-{doomed.name}.log").exists(), "the start of the server")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 3
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert not doomed.processes()


@pytest.mark.model
def test_llamacpp_killed_evalsuite_leaves_no_server_and_resumes(weights: Path, tmp_path: Path) -> None:
    doomed = Doomed(weights, tmp_path)
    with start(doomed.words) as process:
        servers = doomed.wait_under_way()
        assert len(servers) == 2
        process.send_signal(signal.SIGKILL)
    wait_gone(servers)
    assert not doomed.processes()
    doomed.finish((doomed.run / "samples.jsonl").read_bytes())


@pytest.mark.model
def test_deploy_answers_the_openai_client_and_ends_with_ctrl_c(weights: Path, tmp_path: Path) -> None:
    words = ["--ckpt", f"little={weights}", "--backend-arg", "n_parallel=1", "--backend-arg", "n_ctx=512"]
    process, lines = deployed([*words, "--backend", "llamacpp"], tmp_path)
    with process:
        program = program_in(lines).replace("messages=", "max_tokens=8, messages=")
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 0
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    address = lines[0].split()[1]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/models", trust_env=False)
    assert not list(tmp_path.glob("evalsuite-deploy-*"))
