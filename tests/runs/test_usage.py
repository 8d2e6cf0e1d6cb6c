"""What replies took: the same whether counted while they come or read back, and quantiles that are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known
from mock_server import (
    MODEL,
    PROBE,
    Answer,
    Asked,
    MockServer,
    completion,
    delta,
    document,
    events,
    failing,
    ordinary,
    truncated_json,
)
from msgspec import structs, to_builtins
from run_helpers import config, lines_of, numbered, summary_of, write_qa

from evalsuite.errors import ConfigError, RunIncomplete
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.evaluation.rescore import rescore
from evalsuite.report.usage_table import throughput_series, usage_table
from evalsuite.runs.schema import ReplyEntry, SampleLine, TokenUsage
from evalsuite.runs.throughput import MAX_POINTS, Throughput
from evalsuite.runs.usage import GROWTH, DatasetUsage, Distribution, UsageTotals

TOLERANCE = GROWTH - 1
SECONDS = st.floats(1e-4, 1e5)


# ---------------------------------------------------------------- spreads and series


@given(st.lists(SECONDS, min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_a_quantile_is_within_a_bucket_of_the_number_at_its_rank(values: list[float], share: float) -> None:
    spread = Distribution()
    for value in values:
        spread.add(value)
    rank = max(1, -(-len(values) * share // 1))
    exact = sorted(values)[int(rank) - 1]
    assert spread.quantile(share) == pytest.approx(exact, rel=TOLERANCE)
    summary = spread.summary()
    assert summary
    assert summary.mean == pytest.approx(sum(values) / len(values), abs=1e-6)


@given(st.lists(SECONDS, max_size=50), st.lists(SECONDS, max_size=50))
def test_merged_spreads_are_the_spread_of_both(first: list[float], second: list[float]) -> None:
    apart, together = (Distribution(), Distribution()), Distribution()
    for values, spread in zip((first, second), apart, strict=True):
        for value in values:
            spread.add(value)
            together.add(value)
    apart[0].merge(apart[1])
    assert apart[0].buckets == together.buckets
    assert apart[0].total == pytest.approx(together.total)


def test_no_time_at_all_is_a_time_too() -> None:
    spread = Distribution()
    spread.add(0.0)
    assert spread.quantile(0.5) == pytest.approx(1e-6, rel=TOLERANCE)


@given(
    st.lists(
        st.tuples(st.floats(0.001, 5000), st.integers(0, 1000), st.integers(0, 10**6), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_a_series_is_short_and_loses_nothing(notes: list[tuple[float, int, int, bool]]) -> None:
    throughput, now, samples, tokens = Throughput(), 17.0, 0, 0
    throughput.note(now, 0, 0)
    for seconds, more, more_tokens, pauses in notes:
        now, samples, tokens = now + seconds, samples + more, tokens + more_tokens
        throughput.note(now, samples, tokens)
        if pauses:
            throughput.pause()
            now += 1000.0
            throughput.note(now, samples, tokens)
    assert len(throughput.samples) == len(throughput.tokens) <= MAX_POINTS
    assert sum(throughput.samples) == pytest.approx(samples)
    assert sum(throughput.tokens) == pytest.approx(tokens)
    summary = throughput.summary()
    assert summary
    assert summary.seconds == pytest.approx(sum(seconds for seconds, *_ in notes), rel=1e-6, abs=1e-3)


def test_a_steady_run_is_a_flat_series_and_a_stall_a_hole() -> None:
    throughput = Throughput()
    for tick in range(41):
        throughput.note(tick * 0.5, min(tick, 20) * 5 + max(0, tick - 30) * 5, 0)
    summary = throughput.summary()
    assert summary
    assert list(summary.samples_per_s) == [10.0] * 20 + [0.0] * 10 + [10.0] * 10
    assert Throughput().summary() is None


# ---------------------------------------------------------------- whole runs


def broken_first(asked: Asked) -> Answer:
    """Each question's first answer is of no use; two of them say what it cost."""
    if asked.prompt == PROBE or asked.nth > 1:
        return ordinary(asked)
    without_choices = completion("thrown away") | {"choices": []}
    return {
        "question 0": document(without_choices),
        "question 1": Answer(json.dumps(without_choices).encode()[:-1]),
        "question 2": truncated_json(),
        "question 3": failing(500),
    }.get(asked.prompt, ordinary(asked))


def test_tokens_of_replies_that_were_thrown_away_are_counted_apart(
    server: MockServer, tmp_path: Path
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(6))
    server.behave = broken_first
    run = evaluate(config(server, tmp_path / "out", data, price="1,10"))
    totals = run.summary.totals
    assert (totals.requests, totals.retries) == (10, 4)
    assert (totals.prompt_tokens, totals.completion_tokens) == (42, 18)
    assert (totals.wasted_prompt_tokens, totals.wasted_completion_tokens) == (14, 6)
    assert totals.cost == pytest.approx((42 + 14 + 10 * (18 + 6)) / 1e6)
    wasted = {line["gold"]: line["wasted"] for line in lines_of(run.path) if "wasted" in line}
    each = {"prompt_tokens": 7, "completion_tokens": 3}
    assert wasted == {"question 0": each, "question 1": each}
    (account,) = run.summary.accounts
    assert account.wasted_completion_tokens == 6
    for again in (evaluate(config(server, tmp_path / "out", data, price="1,10")), rescore(run.path)):
        found = structs.replace(again.summary.totals, reused=0)
        assert (found, again.summary.accounts) == (totals, run.summary.accounts)


def test_pieces_of_a_stream_that_broke_off_are_wasted(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(1))

    def behave(asked: Asked) -> Answer:
        if asked.prompt == PROBE or asked.nth > 1:
            return ordinary(asked)
        return events(*(delta(content="word ") for _ in range(5)), done=False)

    server.behave = behave
    run = evaluate(config(server, tmp_path / "out", data, stream=True))
    assert run.summary.totals.wasted_completion_tokens == 5


def test_what_a_failed_sample_wasted_is_not_forgotten(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(2))
    nothing = document(completion("x") | {"choices": []})
    server.behave = lambda asked: nothing if asked.prompt == "question 0" else ordinary(asked)
    with pytest.raises(RunIncomplete):
        evaluate(config(server, tmp_path / "out", data, timeout=1.0))
    totals = summary_of(tmp_path / "out" / "run")["totals"]
    assert totals["wasted_prompt_tokens"] == 7 * (totals["requests"] - 1) > 0


def test_a_stream_tells_the_first_token_and_each_after_it(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(5))
    run = evaluate(config(server, tmp_path / "out", data, stream=True))
    (account,) = run.summary.accounts
    for name in ("latency_s", "ttft_s", "token_s"):
        assert getattr(account, name).median >= 0
    assert known(account.ttft_s).mean <= known(account.latency_s).mean
    plain = evaluate(config(server, tmp_path / "out", data, name="plain"))
    (account,) = plain.summary.accounts
    assert known(account.latency_s).median > 0
    assert (account.ttft_s, account.token_s) == (None, None)


def test_a_server_that_tells_no_tokens_has_no_cost(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(3))

    def silent(asked: Asked) -> Answer:
        found = completion(asked.prompt)
        del found["usage"]
        return document(found)

    server.behave = silent
    run = evaluate(config(server, tmp_path / "out", data, price="1,1"))
    totals = run.summary.totals
    assert (totals.cost, totals.without_usage, totals.replies) == (None, 3, 3)
    assert "did not report tokens for 3 of 3 replies" in (run.path / "report.html").read_text()


def test_every_variant_and_dataset_has_its_account_and_csv_row(server: MockServer, tmp_path: Path) -> None:
    first, second = (write_qa(tmp_path / f"{name}.jsonl", numbered(n)) for name, n in (("a", 2), ("b", 3)))
    run = evaluate(config(server, tmp_path / "out", first, second, price="0,1000000"))
    found = {entry.dataset: (entry.requests, entry.cost) for entry in run.summary.accounts}
    assert found == {"a": (2, 6.0), "b": (3, 9.0)}
    header, *rows = (line.split(",") for line in (run.path / "summary.csv").read_text().splitlines())
    wholes = [row for row in rows if row[header.index("subset")] == "all"]
    costs = {(row[header.index("dataset")], row[header.index("cost")]) for row in wholes}
    assert costs == {("a", "6.0"), ("b", "9.0")}
    table = usage_table(to_builtins(run.summary))
    assert table
    assert [row[:2] for row in table.rows] == [(MODEL, "a"), (MODEL, "b"), ("all", "")]
    assert [row[table.heads.index("requests")] for row in table.rows] == ["2", "3", "5"]


def test_a_run_has_a_series_that_a_later_start_without_requests_keeps(
    server: MockServer, tmp_path: Path
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(8))
    given = config(server, tmp_path / "out", data)
    run = evaluate(given)
    series = throughput_series(to_builtins(run.summary))
    assert series
    assert series[2] == "tokens"
    throughput = run.summary.totals.throughput
    assert sum(known(throughput).samples_per_s) > 0
    assert evaluate(given).summary.totals.throughput == throughput


def test_what_a_file_held_was_not_paid() -> None:
    account = DatasetUsage()
    account.add_line(
        SampleLine(
            key="k",
            variant="v",
            dataset="d",
            subset="all",
            id="0",
            index=0,
            reply=ReplyEntry(text="x"),
            outcome="scored",
            scores={},
            gold=None,
            usage=TokenUsage(prompt_tokens=3),
        )
    )
    assert account.is_empty
    assert not list(UsageTotals({("v", "d"): account}).summaries(None))


@pytest.mark.parametrize("price", ["1", "1,", "a,b", "-1,2", "1,2,3", "$1,$2", "1;2", "1e3,2"])
def test_a_price_that_is_none_is_refused(server: MockServer, tmp_path: Path, price: str) -> None:
    with pytest.raises(ConfigError, match=r"--price .*the prices of a million prompt tokens"):
        config(server, tmp_path, tmp_path, price=price)
