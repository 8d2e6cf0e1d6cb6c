"""summary.csv as spreadsheets open it."""

from __future__ import annotations

from evalsuite.runs.summary_csv import COLUMNS, to_csv


def test_csv_for_excel_begins_with_a_mark_and_runs_no_text_as_a_formula() -> None:
    texts = {"run": "=cmd()", "variant": "@sum", "dataset": "-1+1", "subset": "+x", "metric": "a=b"}
    row = dict.fromkeys(COLUMNS) | texts | {"value": -0.5}
    plain = to_csv([row], [], [])
    assert plain.decode("utf-8").splitlines()[1].startswith("=cmd(),@sum,-1+1,+x,a=b,-0.5,")
    excel = to_csv([row], [], [], "excel")
    assert excel.startswith(b"\xef\xbb\xbf")
    assert excel.decode("utf-8-sig").splitlines()[1].startswith("'=cmd(),'@sum,'-1+1,'+x,a=b,-0.5,")
