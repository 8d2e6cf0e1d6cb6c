"""summary.csv as spreadsheets open it."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from evalsuite import load_run
from evalsuite.runs.summary_csv import summary_csv

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "run_format_1" / "scored"


def test_summary_csv_for_excel_begins_with_a_mark_and_runs_no_text_as_a_formula(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "scored")
    summary = load_run(tmp_path / "scored").summary
    (variant,) = summary.variants.values()
    (results,) = variant.datasets.values()
    variant = msgspec.structs.replace(variant, datasets={"-1+1": results})
    summary = msgspec.structs.replace(summary, run="=cmd()", variants={"@sum": variant})
    plain = summary_csv(summary)
    assert plain.decode("utf-8").splitlines()[1].startswith("=cmd(),@sum,-1+1,all,accuracy,0.66")
    excel = summary_csv(summary, "excel")
    assert excel.startswith(b"\xef\xbb\xbf")
    assert excel.decode("utf-8-sig").splitlines()[1].startswith("'=cmd(),'@sum,'-1+1,all,accuracy,0.66")
