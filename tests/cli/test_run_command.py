"""`evalsuite run` as a user starts it: the real command in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import socket
import subprocess
import sysconfig
import threading
from collections import Counter
from pathlib import Path

import pytest
from mock_server import (
    MODEL,
    PROBE,
    WAIT_SECONDS,
    Answer,
    Asked,
    MockServer,
    failing,
    hanging,
    html,
    ordinary,
    reply,
)
from run_helpers import (
    KEY,
    arguments,
    call,
    config,
    lines_of,
    numbered,
    start,
    summary_of,
    wait_until,
    write_qa,
)

from evalsuite import evaluate, load_run


def plain(done: subprocess.CompletedProcess[str]) -> None:
    """An error is one paragraph, never a traceback."""
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == 0 or "error" in done.stderr.lower()


# ---------------------------------------------------------------- exit 0


def test_run_complete_exits_with_0_and_again_without_a_request(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    words = arguments(server, tmp_path / "out", data)
    first = call(words)
    plain(first)
    assert first.returncode == 0
    assert "rouge_l" in first.stdout
    assert f"report: {tmp_path / 'out' / 'run' / 'report.html'}" in first.stdout
    assert "12/12 samples" in first.stderr
    server.stop()
    again = call(words)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "12 of 12 samples are finished already" in again.stderr
    assert server.total == 12


def test_run_json_prints_only_the_summary(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.behave = lambda asked: (
        failing(400, "zu lang – 太长") if asked.prompt == "question 1" else ordinary(asked)
    )
    done = call(arguments(server, tmp_path / "out", data, more=["--json"]))
    assert done.returncode == 3
    assert json.loads(done.stdout) == summary_of(tmp_path / "out" / "run")
    assert "1 of 12 samples failed" in done.stderr
    assert "太长" in done.stderr


def test_run_json_is_equal_from_words_yaml_and_python(server: MockServer, data: Path, tmp_path: Path) -> None:
    more = [
        "--limit",
        "3",
        "--temperature",
        "0.5",
        "--stop",
        "END",
        "--stop",
        "\n\n",
        "--timeout",
        "60",
        "--seed",
        "7",
    ]
    options = {"limit": 3, "temperature": 0.5, "stop": ["END", "\n\n"], "timeout": 60, "seed": 7}
    assert call(arguments(server, tmp_path / "cli", data, more=more)).returncode == 0
    yaml = tmp_path / "run.yaml"
    listed = {
        "base-url": server.url,
        "model": MODEL,
        "dataset": f"qa:{data}",
        "concurrency": 4,
        "name": "run",
        **options,
    }
    yaml.write_text(json.dumps(listed))
    assert call(["run", "--config", str(yaml), "--out", str(tmp_path / "yaml")]).returncode == 0
    evaluate(config(server, tmp_path / "python", data, **options))
    first, *others = [(tmp_path / way / "run" / "run.json").read_bytes() for way in ("cli", "yaml", "python")]
    assert others == [first, first]


def test_recorded_command_gives_the_same_run(server: MockServer, data: Path, tmp_path: Path) -> None:
    more = ["--limit", "2", "--stop", "it's", "--max-tokens", "9", "--on-error", "skip"]
    call(arguments(server, tmp_path / "out", data, more=more))
    info = (tmp_path / "out" / "run" / "run.json").read_bytes()
    words = shlex.split(json.loads(info)["command"])[1:]
    server.forget()
    assert call([*words, "--out", str(tmp_path / "out"), "--name", "run"]).returncode == 0
    assert server.total == 0
    assert (tmp_path / "out" / "run" / "run.json").read_bytes() == info


def test_dry_run_sends_and_writes_nothing(server: MockServer, data: Path, tmp_path: Path) -> None:
    done = call(arguments(server, tmp_path / "out", data, more=["--dry-run"]))
    assert done.returncode == 0
    assert "question 0" in done.stdout
    assert "Nothing was sent" in done.stdout
    assert (server.total, server.model_lists) == (0, 0)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- exit 2


def test_run_wrong_options_exit_with_2_and_send_nothing(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    bad = write_qa(tmp_path / "bad.jsonl", [("", "x"), ("q", "")])
    common = ["run", "--base-url", server.url, "--model", MODEL, "--out", str(tmp_path / "out")]
    for words, said in (
        (["run", "-d", str(data)], "no model"),
        (common, "no dataset"),
        ([*common, "-d", str(tmp_path / "absent.csv")], "no such file"),
        ([*common, "-d", str(bad)], f"{bad}:1: "),
        ([*common, "-d", str(data), "--concurrency", "many"], "--concurrency"),
        ([*common, "-d", str(data), "--on-error", "ignore"], "--on-error"),
        ([*common, "-d", str(data), "--fail-under", "accurate"], "--fail-under"),
        ([*common, "-d", str(data), "--config", str(tmp_path / "no.yaml")], "no.yaml"),
        ([*common, "-d", str(data), "--ckpt", "smollm2"], "--ckpt and --base-url"),
        (["run", "-d", str(data), "--ckpt", str(data)], "not a GGUF file"),
    ):
        done = call(words)
        plain(done)
        assert done.returncode == 2, words
        assert said in done.stderr, words
    assert (server.total, server.model_lists) == (0, 0)
    assert not (tmp_path / "out").exists()


def test_run_unusable_server_exits_with_2(server: MockServer, data: Path, tmp_path: Path) -> None:
    done = call([*arguments(server, tmp_path / "out", data), "--model", "other"])
    plain(done)
    assert done.returncode == 2
    assert f"It serves: {MODEL}" in done.stderr
    with MockServer(models_answer=html()) as site:
        done = call(arguments(site, tmp_path / "site", data))
    plain(done)
    assert done.returncode == 2
    assert "not an OpenAI endpoint" in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = call(["run", "-d", str(tmp_path / "absent.csv"), "--ckpt", "smollm2", "--debug"])
    assert done.returncode != 0
    assert "Traceback" in done.stderr


# ---------------------------------------------------------------- exit 3, 4, 100


def test_run_incomplete_exits_with_3_and_is_completed_by_the_same_command(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = lambda asked: (
        failing(413, "too long") if asked.prompt == "question 5" else ordinary(asked)
    )
    words = arguments(server, tmp_path / "out", data)
    done = call(words)
    plain(done)
    assert done.returncode == 3
    assert "HTTP 413: too long" in done.stderr
    assert "rouge_l" in done.stdout
    server.behave = ordinary
    server.forget()
    assert call(words).returncode == 0
    assert set(server.asked) == {PROBE, "question 5"}


def test_run_unreachable_server_exits_with_4(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.stop()
    done = call(arguments(server, tmp_path / "out", data))
    plain(done)
    assert done.returncode == 4
    assert f"cannot reach {server.url}" in done.stderr


def test_run_failed_gate_exits_with_100(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.behave = lambda _: reply("wrong")
    done = call(arguments(server, tmp_path / "out", data, more=["--fail-under", "rouge_l=0.5"]))
    plain(done)
    assert done.returncode == 100
    assert "rouge_l is 0, under 0.5" in done.stderr


# ---------------------------------------------------------------- killed, interrupted, twice, full


def hang_after(server: MockServer, count: int) -> None:
    """Answer so many questions, then say nothing any more."""

    def behave(asked: Asked) -> Answer:
        return ordinary(asked) if asked.prompt == PROBE or server.total <= count else hanging()

    server.behave = behave


def journal_grows_to(run: Path, count: int) -> None:
    journal = run / "samples.jsonl"
    wait_until(
        lambda: journal.exists() and journal.read_bytes().count(b"\n") >= count, f"{count} lines in {journal}"
    )


def test_run_killed_half_way_asks_only_missing_rows_again(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    hang_after(server, 5)
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    with start(words) as process:
        journal_grows_to(run, 5)
        server.wait_for(lambda: server.in_flight == 4)
        process.send_signal(signal.SIGKILL)
    finished = {line["gold"] for line in lines_of(run)}
    assert len(finished) == 5
    server.behave = ordinary
    server.forget()
    done = call(words)
    assert done.returncode == 0
    assert "5 of 12 samples are finished already" in done.stderr
    assert Counter(server.asked) == Counter([PROBE, *({query for query, _ in numbered(12)} - finished)])
    assert sorted(line["index"] for line in lines_of(run)) == list(range(12))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_interrupted_writes_results_and_exits_with_3(
    server: MockServer, data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    hang_after(server, 5)
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    with start(words) as process:
        journal_grows_to(run, 5)
        process.send_signal(number)
        output, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 3
    assert "Traceback" not in errors
    assert "interrupted. Run the same command again" in errors
    assert "rouge_l" in output
    summary = summary_of(run)
    assert (summary["complete"], summary["totals"]["owed"]) == (False, 7)
    assert "interrupted" in (run / "report.html").read_text()
    assert not load_run(run).complete
    server.behave = ordinary
    assert call(words).returncode == 0
    assert load_run(run).complete


def test_run_started_twice_is_refused_with_the_first_pid(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    hang_after(server, 0)
    words = arguments(server, tmp_path / "out", data)
    with start(words) as process:
        server.wait_for(lambda: server.in_flight == 4)
        done = call(words)
        plain(done)
        assert done.returncode == 3
        assert f"another evalsuite (pid {process.pid}) is writing this run" in done.stderr
        process.kill()


def test_run_on_a_full_disk_keeps_finished_rows(server: MockServer, tmp_path: Path) -> None:
    limit = 300_000
    data = write_qa(tmp_path / "qa.jsonl", numbered(30))
    server.behave = lambda asked: reply(asked.prompt + " word" * 5000)
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    done = call(words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    plain(done)
    assert done.returncode == 3
    assert "samples.jsonl: cannot write (no space left). Free some space" in done.stderr
    whole = (run / "samples.jsonl").read_bytes().rpartition(b"\n")[0].count(b"\n") + 1
    assert 0 < whole < 30
    server.forget()
    assert call(words).returncode == 0
    assert server.total == 30 - whole
    assert sorted(line["index"] for line in lines_of(run)) == list(range(30))


def test_run_unwritable_output_folder_is_refused_before_any_request(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    done = call(arguments(server, tmp_path / "out", data))
    plain(done)
    assert done.returncode == 2
    assert "--out" in done.stderr
    assert server.total == 0


def test_run_without_any_reply_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    with MockServer() as gone:
        words = arguments(gone, tmp_path / "out", data)
    done = call(words)
    assert done.returncode == 4
    assert done.stdout == ""
    assert not (tmp_path / "out" / "run").exists()


def test_report_shows_the_command_that_resumes_the_run(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    assert call(arguments(server, tmp_path / "out", data)).returncode == 0
    page = (tmp_path / "out" / "run" / "report.html").read_text(encoding="utf-8")
    assert f"--out {tmp_path / 'out'} --name run" in page


def test_debug_shows_the_traceback_and_keeps_the_exit_code(tmp_path: Path) -> None:
    done = call(["run", "--ckpt", "no-such.gguf", "-d", "mcq_en", "--out", str(tmp_path), "--debug"])
    assert done.returncode == 2
    assert "Traceback" in done.stderr


# ---------------------------------------------------------------- the key, the environment


def test_api_key_appears_in_no_file_and_no_output(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.key = KEY
    server.behave = lambda asked: failing(400, f"no {KEY}") if asked.prompt == "question 1" else reply(KEY)
    environment = os.environ | {"OPENAI_API_KEY": KEY}
    done = call([*arguments(server, tmp_path / "out", data), "--debug"], env=environment)
    assert done.returncode != 0
    assert server.total == 12
    assert "secret" not in done.stdout + done.stderr
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"secret" in path.read_bytes()]


def test_terminal_without_utf8_shows_the_results(server: MockServer, data: Path, tmp_path: Path) -> None:
    words = arguments(server, tmp_path / "out", data)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = call(words, env=environment)
    plain(done)
    assert done.returncode == 0
    assert "rouge_l" in done.stdout
    assert json.loads(call([*words, "--json"], env=environment).stdout) == summary_of(
        tmp_path / "out" / "run"
    )


def test_modules_in_the_working_folder_are_not_imported(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    command = Path(sysconfig.get_path("scripts"), "evalsuite")
    if not command.exists():
        pytest.skip("the evalsuite script is not installed in this environment")
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("json", "types", "random", "aiohttp"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    done = subprocess.run(
        [str(command), *arguments(server, tmp_path / "out", data)],
        cwd=folder,
        capture_output=True,
        timeout=4 * WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0


def test_run_on_a_port_of_another_protocol_names_the_problem(data: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def speak() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        done = call(
            ["run", "--base-url", url, "--model", "m", "-d", f"qa:{data}", "--out", str(tmp_path / "out")]
        )
        thread.join(WAIT_SECONDS)
    plain(done)
    assert done.returncode == 4
    assert f"cannot reach {url}/v1" in done.stderr


def test_dry_run_shows_judge_prompts_and_measured_texts(tmp_path: Path) -> None:
    words = [
        "run",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "--model",
        "m",
        "--judge-model",
        "self",
        "--dry-run",
    ]
    done = call([*words, "-d", "judge_pairs_style", "-d", "preference_style", "--out", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("then, of the judge:") == 2
    assert done.stdout.count("(the model's reply)") == 2
    assert done.stdout.count("[measured: logprobs]") == 3


def test_judge_dataset_without_judge_is_refused(tmp_path: Path) -> None:
    words = ["run", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "-d", "judge_style"]
    done = call([*words, "--out", str(tmp_path)])
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: -d judge_style: a judge has to read the replies, and none is named."
    )
