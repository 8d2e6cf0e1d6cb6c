"""--repeats: every row asked several times, counted by row, resumed by try, compared by row."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from known import known
from mock_server import MODEL, Asked, MockServer, failing, reply
from run_helpers import call, lines_of, summary_of

import evalsuite
from evalsuite.config import RunConfig, build_config
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.evaluation.rescore import rescore
from evalsuite.metrics.repeats import pass_at_k, pass_hat_k
from evalsuite.metrics.stats import mean_interval, score_interval

ROWS, TRIES, SEED = 6, 4, 100


def right_tries(row: int) -> int:
    """How many tries of a row are answered right: 0, 1, 2, 3, 4, 0."""
    return row % (TRIES + 1)


def behave(asked: Asked) -> Any:
    """Row and seed decide."""
    if "row" not in asked.prompt:
        return reply("hello")
    row, seed = int(asked.prompt.rpartition("row ")[2].split()[0]), asked.body.get("seed", SEED)
    return reply(f"#### {7 if seed - SEED < right_tries(row) else 8}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is row {row} ?", "answer": "it is #### 7"} for row in range(ROWS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def settings(server: MockServer, data: Path, repeats: int = TRIES, **options: Any) -> RunConfig:
    given = {
        "base_url": server.url,
        "model": MODEL,
        "datasets": [f"gsm8k:{data}"],
        "out": data.parent / "out",
    }
    given |= {"name": "run", "shots": 0, "temperature": 0.7, "seed": SEED, "repeats": repeats}
    return build_config(given | options)


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = summary_of(run)["variants"][MODEL]["datasets"]["sums"]["subsets"]["all"][
        "metrics"
    ]
    return found


def test_every_row_is_asked_so_often_each_time_with_a_seed_of_its_own(data: Path) -> None:
    with MockServer(behave) as server:
        run = evaluate(settings(server, data))
    lines = lines_of(run.path)
    assert len(lines) == ROWS * TRIES == len({line["key"] for line in lines})
    tries = sorted((line["index"], line.get("repeat", 0)) for line in lines)
    assert tries == [(row, repeat) for row in range(ROWS) for repeat in range(TRIES)]
    assert run.info.datasets[0].repeats == TRIES
    assert run.summary.totals.samples == ROWS * TRIES


def test_accuracy_is_clustered_by_row_and_pass_k_is_the_mean_of_the_rows(data: Path) -> None:
    with MockServer(behave) as server:
        found = metrics(evaluate(settings(server, data)).path)
    rights = [right_tries(row) for row in range(ROWS)]
    tries = [float(repeat < right) for right in rights for repeat in range(TRIES)]
    clusters = [row for row in range(ROWS) for _ in range(TRIES)]
    expected = score_interval(tries, clusters)
    of_rows = mean_interval([right / TRIES for right in rights])  # equal clusters: as many rows' means
    accuracy = found["accuracy"]
    assert accuracy["n"] == ROWS * TRIES
    assert accuracy["value"] == pytest.approx(of_rows.value)
    assert accuracy["stderr"] == pytest.approx(of_rows.stderr)
    assert (accuracy["ci_low"], accuracy["ci_high"]) == pytest.approx((expected.low, expected.high))
    assert "|repeats:4|" in accuracy["signature"]
    for drawn in (2, 4):
        for name, chance in (("pass@", pass_at_k), ("pass^", pass_hat_k)):
            shown = found[f"{name}{drawn}"]
            mean = math.fsum(chance(TRIES, right, drawn) for right in rights) / ROWS
            assert shown["value"] == pytest.approx(mean), (name, drawn)
            assert shown["n"] == ROWS
            assert shown["detail"] is (drawn < TRIES)
    assert "pass@3" not in found


def test_a_cut_journal_and_more_repeats_ask_only_for_the_tries_that_are_missing(data: Path) -> None:
    with MockServer(behave) as server:
        run = evaluate(settings(server, data)).path
        whole = sorted(line["key"] for line in lines_of(run))
        journal = run / "samples.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:10]))
        server.forget()
        evaluate(settings(server, data))
        assert sum(count for prompt, count in server.asked.items() if "row" in prompt) == ROWS * TRIES - 10
        assert sorted(line["key"] for line in lines_of(run)) == whole
        server.forget()
        more = evaluate(settings(server, data, TRIES + 1))
        assert sum(count for prompt, count in server.asked.items() if "row" in prompt) == ROWS
        assert set(whole) < {line["key"] for line in lines_of(more.path)}
        server.forget()
        fewer = metrics(evaluate(settings(server, data, 1)).path)
    assert not any("row" in prompt for prompt in server.asked)
    assert fewer["accuracy"]["n"] == ROWS
    assert "pass@4" not in fewer


def test_judging_again_keeps_the_tries_apart(data: Path) -> None:
    with MockServer(behave) as server:
        run = evaluate(settings(server, data))
    again = rescore(run.path)
    assert known(again.summary.rescored).samples == ROWS * TRIES
    assert known(again.summary.rescored).metrics == ()


def test_comparing_averages_the_tries_of_a_row_first(data: Path) -> None:
    with MockServer(behave) as server:
        once = evaluate(settings(server, data, 1, name="once"))
        often = evaluate(settings(server, data, name="often"))
        again = evaluate(settings(server, data, name="again"))
    results = {
        (one["variant"], one["metric"]): one
        for one in evalsuite.compare(often, once, again).to_dict()["results"]
    }
    against_once = results["once", "accuracy"]
    assert against_once["n"] == ROWS
    mean = sum(right_tries(row) for row in range(ROWS)) / (ROWS * TRIES)
    assert against_once["baseline_value"] == pytest.approx(mean)
    assert against_once["variant_value"] == pytest.approx(4 / 6)  # the first try is right wherever any is
    assert against_once["test"] == "paired permutation"
    assert ("once", "pass@4") not in results
    assert results["again", "pass@4"]["variant_value"] == pytest.approx(4 / 6)
    assert results["again", "pass^2"]["n"] == ROWS


def test_another_seed_and_more_tries_are_the_same_question_asked_again(data: Path) -> None:
    with MockServer(behave) as server:
        runs = [
            evaluate(settings(server, data, repeats, seed=seed, name=f"seed {seed}"))
            for seed, repeats in ((SEED, TRIES), (SEED + 1, TRIES - 1))
        ]
        hotter = evaluate(settings(server, data, temperature=1.0, name="hotter"))
    document = evalsuite.compare(*runs, hotter).to_dict()
    assert [side["repeats_baseline"] for side in document["sides"]] == [False, True, False]
    told = [
        (one["what"], one["warns"]) for one in document["differences"] if one["variant"] == f"seed {SEED + 1}"
    ]
    assert told == [("seed", False), ("repeats", False)]
    noise = next(one["delta"] for one in document["results"] if one["metric"] == "accuracy")
    floor = next(one["noise_floor"] for one in document["results"] if one["variant"] == "hotter")
    assert floor == abs(noise) > 0


def test_a_try_that_fails_is_owed_or_counts_as_wrong_and_its_row_keeps_the_others(data: Path) -> None:
    def broken(asked: Asked) -> Any:
        if "row 4" in asked.prompt and asked.body["seed"] == SEED + 3:
            return failing(400)
        return behave(asked)

    with MockServer(broken) as server:
        skipped = evaluate(settings(server, data, name="skip", on_error="skip"))
        wrong = evaluate(settings(server, data, name="wrong", on_error="wrong"))
    found = metrics(skipped.path)
    assert found["accuracy"]["n"] == ROWS * TRIES - 1
    assert found["pass^4"]["n"] == ROWS - 1  # three tries cannot tell of four
    assert metrics(wrong.path)["pass^4"]["value"] == 0
    results = {one["metric"]: one for one in evalsuite.compare(wrong, skipped).to_dict()["results"]}
    assert results["accuracy"]["n"] == ROWS
    assert results["accuracy"]["delta"] == pytest.approx((1 - 3 / 4) / ROWS)
    assert (results["pass^4"]["n"], results["pass^4"]["n_one_sided"]) == (ROWS - 1, 1)


def test_the_command_warns_of_tries_at_temperature_0_and_shows_them(data: Path) -> None:
    with MockServer(behave) as server:
        words = ["run", "--base-url", server.url, "--model", MODEL, "-d", f"gsm8k:{data}", "--shots", "0"]
        words += ["--repeats", "3", "--name", "r", "--out", str(data.parent / "out")]
        shown = call([*words, "--dry-run"]).stdout
        done = call(words)
    assert "6 rows x 3" in shown
    assert done.returncode == 0
    assert "pass@3" in done.stdout
    assert "pass^3" in done.stdout
    assert "pass@2" not in done.stdout
    assert "asked at temperature 0 and differ only by noise of serving" in done.stdout


def test_what_is_measured_is_asked_once(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "exam.csv"
    path.write_text("question,A,B,answer\nWhich?,this,that,A\n", encoding="utf-8")
    given = {"base_url": "http://127.0.0.1:9/v1", "model": "m", "datasets": [f"mcq:{path}"], "repeats": 5}
    from evalsuite.runs.plan import plan_datasets

    (by_letter,) = plan_datasets(build_config(given | {"mcq_mode": "logprob"}))
    (in_words,) = plan_datasets(build_config(given))
    assert (by_letter.repeats, by_letter.rows) == (1, 1)
    assert (in_words.repeats, in_words.rows) == (5, 5)
