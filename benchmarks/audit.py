"""How often each stage of reading a reply agrees with published golds and published readings.

    python benchmarks/audit.py FILE_OR_FOLDER ... [--every N] [--show STAGE]

Reads what you name, folders and zip files included, in these layouts; other files are named and left out:

    MMLU-Pro            lists of `question, options, answer, model_outputs` (or `generated_text`), `pred`
    GAOKAO-Bench        objects with `example`: lists of `standard_answer, model_output, model_answer`
    grade-school-math   JSON Lines of `ground_truth` and, by model, `solution` and `is_correct`
    evalsuite score     any file of predictions that `evalsuite score` takes

For each stage the table says how often it fired, how often it was right by the gold answer (a model's errors count as
wrong), and how often it agreed with the reading that was published beside the reply. A stage that agrees in less than
95 % of at least 20 replies is marked: it guesses, or the published reading does. docs/metrics.md says where to find files.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evalsuite.metrics import choices, numbers
from evalsuite.metrics.cleaning import clean_text

UNREAD = "(unparsed)"
LEAST_SHARE = 0.95
LEAST_ROWS = 20
"""Replies that a stage must have fired on before it is judged."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_GAOKAO_OPTION = re.compile(r"(?:^|\s)([A-G])[．.、]\s*(.*?)(?=\s+[A-G][．.、]|\n|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reading:
    """What evalsuite made of one reply, beside what was published about it."""

    stage: str
    right: bool
    agrees: bool | None
    """With the published reading or verdict; None where there is none."""
    reply: str


@dataclass(slots=True)
class Counts:
    """Sums over the replies of one stage."""

    fired: int = 0
    right: int = 0
    compared: int = 0
    agreed: int = 0

    def add(self, reading: Reading) -> None:
        """Count one reply."""
        self.fired += 1
        self.right += reading.right
        if reading.agrees is not None:
            self.compared += 1
            self.agreed += reading.agrees


# ---------------------------------------------------------------- layouts


def mmlu_pro(rows: Iterable[Mapping[str, Any]]) -> Iterator[Reading]:
    """Ten options, one right; `pred` is the letter that the benchmark's own script read, if any."""
    for row in rows:
        reply = row.get("model_outputs") or row.get("generated_text")
        if isinstance(reply, str):
            options = dict(zip(_LETTERS, map(str, row["options"]), strict=False))
            yield _read_letter(reply, options, row["answer"], row.get("pred"), multiple=False)


def gaokao(rows: Iterable[Mapping[str, Any]]) -> Iterator[Reading]:
    """Chinese examinations with options in the question's text; rows with several questions are left out."""
    rows = [row for row in rows if len(row.get("standard_answer", ())) == 1]
    multiple = any(len(row["standard_answer"][0]) > 1 for row in rows)
    for row in rows:
        written = dict(_GAOKAO_OPTION.findall(row["question"]))
        options = {label: written.get(label, "").strip() for label in "ABCD"}
        published = "".join(row.get("model_answer") or ())
        yield _read_letter(
            row["model_output"], options, row["standard_answer"][0], published or None, multiple=multiple
        )


def grade_school_math(rows: Iterable[Mapping[str, Any]]) -> Iterator[Reading]:
    """Word problems; each model's solution carries the verdict that was published for it."""
    for row in rows:
        gold = row["ground_truth"].rpartition("A:")[2].strip()
        for solution in row.values():
            if not isinstance(solution, dict):
                continue
            found = numbers.extract(clean_text(solution["solution"]).text or "")
            right = numbers.equal(found.value, gold)
            yield Reading(found.stage or UNREAD, right, right == solution["is_correct"], solution["solution"])


def _read_letter(
    reply: str, options: Mapping[str, str], gold: str, published: str | None, *, multiple: bool
) -> Reading:
    text = clean_text(reply).text
    found = choices.extract(text, options, multiple=multiple) if text else choices.Extraction(None, "")
    letters = "".join(found.labels or ())
    if not letters or published is None or not _is_stated(published, text or ""):
        agrees = None
    else:
        agrees = letters == "".join(sorted(published))
    return Reading(found.stage or UNREAD, letters == "".join(sorted(gold)), agrees, reply)


def _is_stated(published: str, text: str) -> bool:
    """Whether the cleaned reply holds the published letter the way an answer is written.

    Scripts that read no answer take the last capital letter, or draw one: that is no reading to compare with.
    """
    if len(published) > 1:
        return True
    stated = rf"(?:[Aa]nswer(?: is)?:?|答案[^A-Z]{{0,8}}|选项?)\s*[(*]*{published}(?![A-Za-z])"
    return re.search(rf"{stated}|\({published}\)|(?<![A-Za-z]){published}[.:、]", text) is not None


def _layout(document: Any) -> tuple[str, Iterator[Reading]] | None:
    """The layout of a parsed file, by its name, and its readings."""
    if isinstance(document, dict) and isinstance(document.get("example"), list):
        rows, needed = document["example"], {"standard_answer", "model_output", "question"}
        return ("gaokao", gaokao(rows)) if rows and needed <= rows[0].keys() else None
    documents = document if isinstance(document, list) else [document]  # JSON Lines of a single row
    rows = [row for row in documents if isinstance(row, dict)]
    if rows and {"options", "answer", "pred"} <= rows[0].keys():
        return "mmlu_pro", mmlu_pro(rows)
    if rows and "ground_truth" in rows[0]:
        return "grade_school_math", grade_school_math(rows)
    return None


def scored_file(path: Path) -> Iterator[Reading]:
    """Any file of predictions that `evalsuite score` takes; nothing is published beside its golds."""
    from evalsuite.config import build_score_config
    from evalsuite.runs.predictions import plan_predictions

    for plan in plan_predictions(build_score_config({"datasets": [str(path)]})):
        headline = next(metric for metric in plan.metrics if metric.primary)
        for sample, _ in plan.samples():
            reply = plan.existing_reply(sample)
            if reply is None:
                continue
            score = plan.task.score(sample.row, reply, plan.style)
            right = (score.values.get(headline.score) or 0.0) >= 1.0
            yield Reading(score.stage or UNREAD, right, None, reply.text)


# ---------------------------------------------------------------- files


def read_files(paths: Iterable[Path]) -> Iterator[tuple[str, str, Iterator[Reading]]]:
    """Name, layout and readings of every file that has one of the layouts."""
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in {".json", ".jsonl", ".zip"})
            yield from read_files(inside)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".json") and not name.startswith("__MACOSX"):
                        yield from _readings(path, name, archive.read(name).decode())
        else:
            yield from _readings(path, path.name, path.read_text(encoding="utf-8"))


def _readings(path: Path, name: str, text: str) -> Iterator[tuple[str, str, Iterator[Reading]]]:
    try:
        found = _layout(_parse(text))
    except (ValueError, KeyError, TypeError) as error:
        print(f"{name} is left out: {error}")
        return
    if found is not None:
        yield name, *found
    elif path.suffix in {".json", ".jsonl"} and '"prediction' in text:
        yield name, "evalsuite score", scored_file(path)
    else:
        print(f"{name} is left out: it has none of the layouts that `--help` lists")


def _parse(text: str) -> Any:
    """A JSON document, or the rows of JSON Lines."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in io.StringIO(text) if line.strip()]


# ---------------------------------------------------------------- table


def print_table(title: str, stages: Mapping[str, Counts]) -> bool:
    """Print one line a stage; return whether all of them agree with what was published."""
    print(f"\n{title}")
    print(
        f"  {'stage':<12} {'fired':>8} {'right':>8} {'share':>7}   {'compared':>8} {'agreed':>8} {'share':>7}"
    )
    good = True
    for stage, counts in sorted(stages.items(), key=lambda item: -item[1].fired):
        share = f"{counts.right / counts.fired:.1%}"
        line = f"  {stage:<12} {counts.fired:>8} {counts.right:>8} {share:>7}"
        if counts.compared:
            agreed = counts.agreed / counts.compared
            low = agreed < LEAST_SHARE and counts.compared >= LEAST_ROWS and stage != UNREAD
            good = good and not low
            line += (
                f"   {counts.compared:>8} {counts.agreed:>8} {agreed:>7.1%}{'  below 95 %' if low else ''}"
            )
        print(line)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, help="files, zip files or folders")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="read every N-th reply of a file only"
    )
    parser.add_argument("--show", metavar="STAGE", help="print the end of the replies that this stage read")
    arguments = parser.parse_args()
    layouts: dict[str, dict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
    for name, layout, readings in read_files(arguments.paths):
        for reading in islice(readings, 0, None, arguments.every):
            layouts[layout][reading.stage].add(reading)
            if reading.stage == arguments.show:
                print(f"{name}: right {reading.right}, agrees {reading.agrees}: …{reading.reply[-300:]!r}")
    results = [print_table(layout, stages) for layout, stages in layouts.items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
