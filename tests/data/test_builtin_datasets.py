"""Datasets by name: the packaged examples, and a public set fetched once from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from run_helpers import only_plan

from evalsuite.data import builtin
from evalsuite.data.builtin import BUILTIN_DATASETS, BuiltinDataset, locate_dataset
from evalsuite.errors import ConfigError, InputError

CONTENT = b'{"question": "1 + 1?", "answer": "#### 2"}\n'


class Files(HTTPServer):
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests += 1  # type: ignore[attr-defined]
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/test.jsonl")
            self.end_headers()
            return
        self.send_response(200 if self.path == "/test.jsonl" else 404)
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Files(("127.0.0.1", 0), Handler) as files:
        thread = threading.Thread(target=files.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield files
        files.shutdown()
        thread.join()


@pytest.fixture
def offer(tmp_path: Any, monkeypatch: Any) -> Any:
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))

    def add(url: str, sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> BuiltinDataset:
        dataset = BuiltinDataset("tiny", "gsm8k", "a test", "test.jsonl", url, sha256)
        monkeypatch.setattr(builtin, "BUILTIN_DATASETS", (dataset,))
        return dataset

    return add


@pytest.mark.parametrize("page", ["/test.jsonl", "/moved"])
def test_fetched_once_then_used_again(server: Files, offer: Any, page: str) -> None:
    dataset = offer(server.url + page)
    path, kind = locate_dataset("tiny")
    assert (path.read_bytes(), kind) == (CONTENT, "gsm8k")
    assert path == dataset.path()
    before = server.requests
    assert locate_dataset("tiny") == (path, kind)
    assert server.requests == before
    assert [entry.name for entry in path.parent.iterdir()] == ["test.jsonl"]


def test_another_content_than_the_pinned_is_refused_and_not_kept(server: Files, offer: Any) -> None:
    dataset = offer(server.url + "/test.jsonl", "0" * 64)
    with pytest.raises(InputError, match="not the pinned file"):
        locate_dataset("tiny")
    assert list(dataset.path().parent.iterdir()) == []


def test_a_page_that_is_not_there(server: Files, offer: Any) -> None:
    dataset = offer(server.url + "/none")
    with pytest.raises(InputError) as caught:
        locate_dataset("tiny")
    assert "404" in str(caught.value)
    assert f"copy it to {dataset.path()}" in str(caught.value)
    assert "-d gsm8k:PATH" in str(caught.value)


def test_a_server_that_is_not_there(server: Files, offer: Any) -> None:
    offer(server.url + "/test.jsonl")
    unused = HTTPServer(("127.0.0.1", 0), Handler)
    unused.server_close()
    offer(f"http://127.0.0.1:{unused.server_address[1]}/test.jsonl")
    with pytest.raises(InputError, match=r"tiny: cannot fetch http://127\.0\.0\.1"):
        locate_dataset("tiny")


def test_a_file_or_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qa_en").mkdir()
    assert locate_dataset("qa_en")[1] == "qa"  # an empty folder is nobody's data
    (tmp_path / "qa_en" / "x_val.csv").touch()
    assert locate_dataset("qa_en") == (locate_dataset("./qa_en")[0], None)


@pytest.mark.parametrize(
    ("target", "hint"), [("mcq_eng", "Did you mean mcq_en?"), ("gsm8", "Did you mean gsm8k?"), ("zzzzzz", "")]
)
def test_unknown_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, hint: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        locate_dataset(target)
    assert f"{target}: no such file, folder or built-in dataset." in str(caught.value)
    assert hint in str(caught.value)
    assert ("Did you mean" in str(caught.value)) == bool(hint)


def test_a_misspelt_path_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "ceval_val.csv").touch()
    with pytest.raises(ConfigError, match=r"Did you mean .*ceval_val\.csv\?"):
        locate_dataset(str(tmp_path / "ceval_vla.csv"))


@pytest.mark.parametrize(
    "dataset", [entry for entry in BUILTIN_DATASETS if not entry.url], ids=lambda entry: entry.name
)
def test_the_packaged_examples_are_good_data_of_the_kind_they_say(dataset: Any) -> None:
    plan = only_plan(dataset.name)
    assert plan.task.kind == dataset.kind
    assert plan.name == dataset.name
    assert plan.rows >= 8
    assert only_plan(str(dataset.path())).task.kind == dataset.kind  # and told from the columns
