"""Which runs a folder holds, and how far they are: from their files alone, read again only when they changed."""

from __future__ import annotations

import json
from pathlib import Path

from comparison_helpers import RIGHT, WRONG, mcq_rows, scored

from evalsuite.runs.directory import find_writer_pid, lock_run_directory
from evalsuite.viewer.catalog import CatalogRun, RunCatalog
from evalsuite.viewer.pages import respond


def made(folder: Path, name: str, right: int = 3) -> Path:
    return scored(folder, name, mcq_rows([RIGHT] * right + [WRONG] * 2)).path


def listed(catalog: RunCatalog, name: str) -> CatalogRun:
    found = catalog.find(name)
    assert found, [run.name for run in catalog.runs()]
    return found


def test_catalog_complete_run_has_its_headline(tmp_path: Path) -> None:
    made(tmp_path, "base")
    run = listed(RunCatalog(tmp_path / "runs"), "base")
    assert (run.state, run.done, run.total, run.comparable, run.reported) == ("complete", 5, 5, True, True)
    (variant,) = run.variants
    assert variant.side == "base:base"
    (headline,) = variant.headlines
    assert (headline.dataset, headline.name) == ("exam", "accuracy")
    assert headline.metric
    assert headline.metric["value"] == 0.6


def test_catalog_locked_run_is_running_and_counts_new_lines(
    tmp_path: Path,
) -> None:
    path = made(tmp_path, "base")
    (path / "summary.json").unlink()
    journal = path / "samples.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]))
    catalog = RunCatalog(tmp_path / "runs")
    assert (listed(catalog, "base").state, listed(catalog, "base").done) == ("interrupted", 2)
    with lock_run_directory(path, fresh=False):
        run = listed(catalog, "base")
        assert (run.state, run.done, run.comparable) == ("running", 2, False)
        with journal.open("ab") as stream:
            stream.write(lines[2] + lines[3][:10])
        assert (listed(catalog, "base").done, listed(catalog, "base").reported) == (3, False)
    assert listed(catalog, "base").state == "interrupted"


def test_catalog_journal_replaced_or_cut_is_counted_again(tmp_path: Path) -> None:
    path = made(tmp_path, "base")
    (path / "summary.json").unlink()
    journal, catalog = path / "samples.jsonl", RunCatalog(tmp_path / "runs")
    whole = journal.read_bytes()
    assert listed(catalog, "base").done == 5
    journal.write_bytes(whole.splitlines(keepends=True)[0])
    assert listed(catalog, "base").done == 1
    (path / "other").write_bytes(whole)
    (path / "other").replace(journal)
    assert listed(catalog, "base").done == 5


def test_catalog_lock_of_a_reused_process_number_is_no_writer(tmp_path: Path) -> None:
    path = made(tmp_path, "base")
    (path / ".lock").write_text("1\n")  # a process that is alive, and holds no such file
    assert find_writer_pid(path) in (None, 1)  # 1 where it may not be looked into
    for text in ("", "x", "999999999"):
        (path / ".lock").write_text(text)
        assert find_writer_pid(path) is None


def test_catalog_broken_runs_are_listed_and_hide_no_others(tmp_path: Path) -> None:
    made(tmp_path, "good")
    for name, content in (("torn", b'{"a'), ("odd", b"[]"), ("empty", b"{}")):
        (made(tmp_path, name) / "run.json").write_bytes(content)
    (made(tmp_path, "half") / "summary.json").write_bytes(b'{"complete": true}')
    states = {run.name: run.state for run in RunCatalog(tmp_path / "runs").runs()}
    assert states.pop("good") == "complete"
    assert set(states.values()) == {"unreadable"}


def test_catalog_killed_extension_of_a_run_is_not_complete(tmp_path: Path) -> None:
    path = made(tmp_path, "base")
    info = json.loads((path / "run.json").read_bytes())
    info["datasets"][0]["samples"] = 9
    (path / "run.json").write_text(json.dumps(info))
    run = listed(RunCatalog(tmp_path / "runs"), "base")
    assert (run.state, run.done, run.total) == ("interrupted", 5, 9)


def test_catalog_searches_nested_folders_and_follows_no_links_out_of_the_folder(tmp_path: Path) -> None:
    below = scored(tmp_path / "runs" / "week 1", "base", mcq_rows([RIGHT] * 3)).path
    outside = made(tmp_path / "elsewhere", "secret")
    (tmp_path / "runs" / "link").symlink_to(outside)
    allowed_hosts = [run.name for run in RunCatalog(tmp_path / "runs").runs()]
    assert allowed_hosts == [below.relative_to(tmp_path / "runs").as_posix()]
    assert RunCatalog(below).runs()[0].name == "base"


def test_catalog_of_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    assert RunCatalog(tmp_path).runs() == []


def test_respond_to_a_page_that_fails_says_so_with_status_500(tmp_path: Path) -> None:
    class FailingCatalog(RunCatalog):
        def runs(self) -> list[CatalogRun]:
            raise ValueError("<b>no such column</b>")

    response = respond(FailingCatalog(tmp_path), "/compare?side=a:a&side=b:b")
    assert response.status == 500
    assert "cannot be made from the files" in response.content.decode()
    assert "&lt;b&gt;no such column" in response.content.decode()
