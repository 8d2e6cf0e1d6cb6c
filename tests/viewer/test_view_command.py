"""The real `evalsuite view`: who is answered what, and how it ends."""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlencode

import pytest
from comparison_helpers import RIGHT, SILENT, WRONG, mcq_rows, scored, text_of
from mock_server import WAIT_SECONDS
from run_helpers import KEY, call, start

HOSTILE = "</script><img src=x onerror=alert(1)> \u202eevil \u200b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    scored(folder, "base", mcq_rows([RIGHT] * 8 + [WRONG] * 22))
    scored(folder, "sft", mcq_rows([RIGHT] * 22 + [SILENT] * 7 + [HOSTILE]))
    scored(folder, "qwen2:7b", mcq_rows([RIGHT] * 8 + [WRONG] * 22))
    killed = scored(folder, "killed", mcq_rows([RIGHT] * 5)).path
    for name in ("summary.csv", "summary.json", "report.html"):
        (killed / name).unlink()
    odd = scored(folder, "odd", mcq_rows([RIGHT] * 5)).path
    (odd / "summary.json").write_text('{"complete": true, "totals": {"samples": 5}}')
    scored(folder, "other", mcq_rows([RIGHT] * 3, question="Something else?"))
    return folder / "runs"


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator[tuple[Popen[str], int]]:
    running = start(["view", str(folder), "--port", "0"])
    assert running.stdout
    said = running.stdout.readline()
    yield running, int(said.partition("127.0.0.1:")[2].partition("/")[0])
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=WAIT_SECONDS)
    assert running.returncode == 0
    assert errors == "stopped\n"  # no traceback, no list of requests


@pytest.fixture
def port(process: tuple[Popen[str], int]) -> int:
    return process[1]


def ask(
    port: int, target: str, method: str = "GET", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    connection.request(method, target, headers=headers)
    answer = connection.getresponse()
    content = answer.read().decode("utf-8")
    connection.close()
    return answer.status, content, answer.headers


def compared(port: int, *sides: str, **more: str) -> tuple[int, str]:
    query = urlencode([*(("side", side) for side in sides), *more.items()])
    status, content, _ = ask(port, f"/compare?{query}")
    return status, content


def test_viewer_page_lists_runs_with_their_numbers(port: int, folder: Path) -> None:
    status, page, headers = ask(port, "/")
    assert status == 200
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert headers["Cache-Control"] == "no-store"
    for text in (
        "6 runs",
        "base",
        "sft",
        "qwen2:7b",
        "73.3 %",
        "interrupted",
        "Resume it with: evalsuite score",
        str(folder),
    ):
        assert text in page, text
    assert ask(port, "/rows")[1] in page


def test_viewer_serves_reports_and_files_of_the_folder(port: int, folder: Path) -> None:
    assert ask(port, "/report?run=base")[1] == (folder / "base" / "report.html").read_text(encoding="utf-8")
    status, content, headers = ask(port, "/file?run=base&name=summary.csv")
    assert (status, content) == (200, (folder / "base" / "summary.csv").read_text(encoding="utf-8"))
    assert headers["Content-Type"].startswith("text/csv")
    status, page, _ = ask(port, "/report?run=killed")
    assert status == 200
    assert "killed" in page
    assert not (folder / "killed" / "report.html").exists()  # read only


def test_viewer_comparison_equals_that_of_the_command(port: int, folder: Path, tmp_path: Path) -> None:
    status, page = compared(port, "sft:sft", "base:base", baseline="base:base")
    assert status == 200
    assert "sft is better than base on exam: accuracy +46.7 points" in text_of(page)
    file = tmp_path / "page.html"
    call(
        [
            "compare",
            f"{folder / 'base'}:base",
            f"{folder / 'sft'}:sft",
            "--baseline",
            f"{folder / 'base'}:base",
            "--html",
            str(file),
        ]
    )
    assert page == file.read_text(encoding="utf-8")
    assert "base is worse than sft" in compared(port, "base:base", "sft:sft", baseline="sft:sft")[1]
    status, page = compared(port, "base:base", "qwen2:7b:qwen2:7b")
    assert (status, "both score the same on all 30 rows" in text_of(page)) == (200, True)


@pytest.mark.parametrize(
    ("sides", "status", "said"),
    [
        (["base:base"], 400, "select two or more"),
        ([], 400, "select two or more"),
        (["base:base", "no:such"], 404, "There is no no:such"),
        (["base:base", "../base:base"], 404, "There is no ../base:base"),
        (["base:base", "killed:killed"], 400, "evalsuite report"),
        (["base:base", "other:other"], 400, "nothing to compare"),
        (["base:base", "odd:odd"], 404, "There is no odd:odd"),
        (["base:base", HOSTILE], 404, "&lt;/script&gt;"),
    ],
)
def test_viewer_comparison_that_is_impossible_says_why(
    port: int, sides: list[str], status: int, said: str
) -> None:
    found, page = compared(port, *sides)
    assert found == status
    assert said in page
    assert "<img" not in page


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/report?run=../../etc",
        "/report?run=..%2f..%2fetc",
        "/report?run=",
        "/report?run=base/../base",
        "/file?run=base&name=../sft/summary.csv",
        "/file?run=base&name=run.json",
        "/file?run=base&name=.lock",
        "/file?run=base&name=/etc/passwd",
        "/file?run=killed&name=summary.csv",
        "/etc/passwd",
        "//etc/passwd",
        "/report?run=%00",
    ],
)
def test_viewer_answers_only_for_runs(port: int, target: str) -> None:
    status, content, _ = ask(port, target)
    assert status == 404
    assert "root:" not in content


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil:{port}"]
)
def test_viewer_rejects_a_foreign_host_name(port: int, host: str) -> None:
    status, content, _ = ask(port, "/", Host=host.format(port=port))
    assert status == 421
    assert "base" not in content


def test_viewer_rejects_two_host_names_and_accepts_its_own(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n".encode())
        assert connection.recv(50).startswith(b"HTTP/1.1 421")
    assert ask(port, "/", Host=f"localhost:{port}")[0] == 200


def test_viewer_only_reads(port: int) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(port, "/", method)[0] == 501
    status, content, headers = ask(port, "/", "HEAD")
    assert (status, content) == (200, "")
    assert int(headers["Content-Length"]) > 0


def test_viewer_survives_malformed_requests(port: int) -> None:
    for sent in (
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(10)
    assert ask(port, "/rows?" + "&".join("a=b" for _ in range(500)))[0] == 400
    assert ask(port, "/")[0] == 200


def test_viewer_listens_on_this_machine_only(port: int) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [
        address
        for address in listening
        if address.endswith(f":{port:04X}") and address.startswith("0100007F")
    ]
    assert f"00000000:{port:04X}" not in listening


def test_view_with_a_taken_port_is_refused_and_skips_a_taken_default_port(folder: Path, port: int) -> None:
    done = call(["view", str(folder), "--port", str(port)])
    assert done.returncode == 2
    assert f"--port {port} is not available" in done.stderr


def test_view_of_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    done = call(["view", str(tmp_path / "no")])
    assert done.returncode == 2
    assert "is not a directory" in done.stderr


def test_view_ends_on_sigterm_as_on_ctrl_c(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    running = start(["view", str(folder), "--port", "0"])
    assert running.stdout
    port = int(running.stdout.readline().partition("127.0.0.1:")[2].partition("/")[0])
    assert KEY not in ask(port, "/")[1]
    running.terminate()
    _, errors = running.communicate(timeout=WAIT_SECONDS)
    assert (running.returncode, errors) == (0, "stopped\n")
