"""Runs against each other: alignment, numbers, verdicts, warnings, refusals, and one source for every output."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from comparison_helpers import RIGHT, SILENT, WRONG, mcq_rows, qa_rows, replies, scored, text_of, write_rows
from known import known
from mock_server import Asked, MockServer, failing, reply
from run_helpers import config, lines_of, numbered, summary_of, write_qa

import evalsuite
from evalsuite.comparison.tables import HEADLINES
from evalsuite.config import build_score_config
from evalsuite.errors import ConfigError, GateFailed, InputError, RunIncomplete
from evalsuite.evaluation.score import score
from evalsuite.metrics.paired import mcnemar_p


def only(comparison: Any, metric: Any = "accuracy", subset: Any = "all") -> Any:
    (found,) = (
        one for one in comparison.to_dict()["results"] if (one["metric"], one["subset"]) == (metric, subset)
    )
    return found


@pytest.fixture
def better(tmp_path: Path) -> Any:
    """Forty rows: sixteen won, two lost."""
    before = [RIGHT] * 12 + [WRONG] * 28
    after = [RIGHT] * 10 + [WRONG] * 2 + [RIGHT] * 16 + [WRONG] * 12
    return scored(tmp_path, "base", mcq_rows(before)), scored(tmp_path, "sft", mcq_rows(after))


# --- verdicts ---


def test_better_and_worse_are_said_with_what_says_so(better: Any) -> None:
    base, sft = better
    found = evalsuite.compare(base, sft)
    (sentence,) = found.verdicts
    assert sentence == (
        "sft is better than base on exam: accuracy +35.0 points "
        f"(95 % interval {interval(found)}, p = 0.001, 16 won, 2 lost, n = 40)."
    )
    assert only(found)["p"] == pytest.approx(mcnemar_p(16, 2))
    (turned,) = evalsuite.compare(sft, base).verdicts
    assert turned.startswith("base is worse than sft on exam: accuracy −35.0 points")
    assert found.warnings == []
    assert str(found) == sentence


def interval(found: Any) -> Any:
    low, high = (only(found)[name] * 100 for name in ("ci_low", "ci_high"))
    return f"+{low:.1f} to +{high:.1f}"


def test_no_detectable_difference_says_how_small_a_one_could_have_been_seen(tmp_path: Path) -> None:
    base = scored(tmp_path, "base", mcq_rows(replies(10, 10)))
    other = scored(tmp_path, "other", mcq_rows(replies(9, 11)))
    (sentence,) = evalsuite.compare(base, other).verdicts
    assert sentence.startswith(
        "No detectable difference between other and base on exam: accuracy −5.0 points ("
    )
    assert sentence.endswith("0 won, 1 lost, n = 20); could have detected ≥ 30.0 points.")


def test_equal_scores_are_said_to_be_equal(better: Any) -> None:
    base, _ = better
    again = scored(base.path.parent.parent, "again", mcq_rows([RIGHT] * 12 + [SILENT] * 28))
    (sentence,) = evalsuite.compare(base, again).verdicts
    assert "both score the same on all 40 rows by accuracy" in sentence


def test_one_row_is_not_enough(tmp_path: Path) -> None:
    said = {"a": "the cat", "b": "the dog"}
    runs = [scored(tmp_path, name, qa_rows([text]), "qa") for name, text in said.items()]
    found = evalsuite.compare(*runs, metrics=["bleu"])
    assert found.verdicts == [
        "Too few rows to tell a difference between b and a on exam: 1 row in common with bleu."
    ]


def test_lower_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    rows = [{"id": str(n), "question": f"{n}?", "answer": "#### 3"} for n in range(20)]
    runs = [
        scored(
            tmp_path, name, [row | {"prediction": "well", "finish_reason": reason} for row in rows], "gsm8k"
        )
        for name, reason in (("whole", "stop"), ("cut", "length"))
    ]
    found = evalsuite.compare(*runs, metrics=["truncated_rate"])
    result = only(found, "truncated_rate")
    assert (result["verdict"], result["delta"], result["wins"], result["losses"]) == ("worse", 1.0, 0, 20)


# --- rows ---


def test_rows_are_paired_by_id_whatever_their_order(better: Any, tmp_path: Path) -> None:
    base, sft = better
    rows = [json.loads(line) for line in (tmp_path / "files/sft/exam.jsonl").read_text().splitlines()]
    turned = scored(tmp_path, "turned", rows[::-1])
    plain, other = (only(evalsuite.compare(base, run)) for run in (sft, turned))
    assert {**plain, "variant": "", "variant_signature": ""} == {
        **other,
        "variant": "",
        "variant_signature": "",
    }


def test_rows_without_a_partner_and_rows_that_changed_are_left_out_and_listed(tmp_path: Path) -> None:
    before = mcq_rows(replies(10, 10))
    after = [*mcq_rows(replies(20, 0))[2:], mcq_rows([RIGHT])[0] | {"id": "new"}]
    after[0] = after[0] | {"answer": "B", "prediction": RIGHT}
    after[1] = after[1] | {"question": "Another question altogether?"}
    found = evalsuite.compare(scored(tmp_path, "base", before), scored(tmp_path, "sft", after))
    (rows,) = found.to_dict()["rows"]
    assert rows["matched"] == only(found)["n"] == 16
    assert rows["changed"] == {
        "count": 2,
        "rows": [{"subset": "physics", "id": "q2"}, {"subset": "law", "id": "q3"}],
    }
    assert [row["id"] for row in rows["only_baseline"]["rows"]] == ["q0", "q1"]
    assert [row["id"] for row in rows["only_variant"]["rows"]] == ["new"]
    said = " ".join(found.warnings)
    assert "sft on exam: 2 rows that only base has, left out: physics:q0, law:q1." in said
    assert "2 rows have the same id but another question or gold answer" in said


def test_a_subset_that_is_the_file_may_be_called_differently(tmp_path: Path) -> None:
    paths = [
        write_rows(tmp_path / f"{name}.jsonl", qa_rows(["the cat sat on the mat"] * 3))
        for name in ("base", "sft")
    ]
    runs = [score(build_score_config({"datasets": [f"qa:{path}"], "out": tmp_path / "r"})) for path in paths]
    found = evalsuite.compare(*runs)
    assert only(found, "rouge_l")["dataset"] == "base / sft"
    assert only(found, "rouge_l")["n"] == 3


def test_samples_in_error_are_no_pairs_unless_they_count_as_wrong(tmp_path: Path) -> None:
    rows = mcq_rows(replies(20, 0))
    broken = [row | ({"prediction": None} if number < 8 else {}) for number, row in enumerate(rows)]
    base = scored(tmp_path, "base", rows)
    skipped = scored(tmp_path, "skipped", broken, on_error="skip")
    wrong = scored(tmp_path, "wrong", broken, on_error="wrong")
    left_out = evalsuite.compare(base, skipped)
    assert (only(left_out)["n"], only(left_out)["delta"], only(left_out)["n_one_sided"]) == (12, 0, 8)
    assert "in 8 pairs one side has no reply" in " ".join(left_out.warnings)
    assert "on_error fail → skip" in " ".join(left_out.warnings)
    counted = only(evalsuite.compare(base, wrong))
    assert (counted["n"], counted["delta"], counted["verdict"]) == (20, -0.4, "worse")


def test_subjects_and_categories_have_deltas_of_their_own(tmp_path: Path) -> None:
    rows = [
        row | {"category": "hard" if number < 8 else "easy"}
        for number, row in enumerate(mcq_rows(replies(12, 8)))
    ]
    other = [row | {"prediction": RIGHT} for row in rows]
    found = evalsuite.compare(scored(tmp_path, "base", rows), scored(tmp_path, "sft", other))
    subsets = {
        one["subset"]: one["delta"] for one in found.to_dict()["results"] if one["metric"] == "accuracy"
    }
    assert subsets == pytest.approx(
        {"all": 0.4, "category:hard": 0, "category:easy": 8 / 12, "law": 0.4, "physics": 0.4}
    )
    assert [one["dataset"] for one in found.to_dict()["verdicts"]] == ["exam"]


def tool_rows(calls: Any, dialogue_steps: Any = None) -> Any:
    """ToolBench records whose gold step is a call of `search`, each with its reply."""
    tools: list[dict[str, Any]] = [
        {"name": name, "description": "", "parameters": {}} for name in ("search", "Finish")
    ]
    return [
        {
            "id": str(number),
            "messages": [{"role": "user", "content": f"find {number}"}],
            "tools": tools,
            "target": CALL.format("search"),
            "predictions": call,
            **({"dialogue": f"d{number // dialogue_steps}"} if dialogue_steps else {}),
        }
        for number, call in enumerate(calls)
    ]


CALL = 'Thought: t\nAction: {}\nAction Input: {{"q": 1}}'
FINISH = 'Thought: t\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "x"}'


def test_steps_of_a_dialogue_count_as_one_cluster(tmp_path: Path) -> None:
    before, after = [FINISH] * 20 + [CALL.format("search")] * 20, [FINISH] * 10 + [CALL.format("search")] * 30
    found = {}
    for steps in (5, None):
        runs = [
            scored(tmp_path / str(steps), name, tool_rows(calls, steps), "toolbench")
            for name, calls in (("a", before), ("b", after))
        ]
        found[steps] = only(evalsuite.compare(*runs), "strict/plan_em")
    assert (found[5]["delta"], found[None]["delta"]) == (0.25, 0.25)
    assert (found[5]["test"], found[None]["test"]) == ("paired permutation", "exact McNemar")
    assert found[5]["p"] == pytest.approx(2 / 4)  # two dialogues changed, both for the better
    assert found[5]["stderr"] > 1.9 * found[None]["stderr"]
    assert found[None]["verdict"] == "better"


def test_a_rescored_run_keeps_its_clusters(tmp_path: Path) -> None:
    run = scored(tmp_path, "a", tool_rows([FINISH] * 4, 2), "toolbench")
    clusters = [line["cluster"] for line in lines_of(run.path)]
    assert clusters == ["d0", "d0", "d1", "d1"]
    score(build_score_config({"datasets": [str(run.path)], "name": "b", "out": tmp_path / "runs"}))
    assert [line["cluster"] for line in lines_of(tmp_path / "runs" / "b")] == clusters


# --- what differs, what is the same twice ---


def test_a_run_with_other_settings_is_compared_with_a_warning(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(12))
    first = evalsuite.evaluate(config(server, tmp_path / "one", data))
    second = evalsuite.evaluate(
        config(server, tmp_path / "two", data, temperature=0.7, max_tokens=9, name="warm")
    )
    found = evalsuite.compare(first, second)
    (warning,) = found.warnings
    assert "warm against run on qa: the generation settings are not the same" in warning
    assert "temperature 0.0 → 0.7; max_tokens 512 → 9" in warning
    assert {one["what"] for one in found.to_dict()["differences"] if one["warns"]} == {
        "temperature",
        "max_tokens",
    }


def test_another_file_of_the_same_rows_is_compared_with_a_warning(server: MockServer, tmp_path: Path) -> None:
    runs = []
    for name, rows in (("one", 10), ("two", 12)):
        (tmp_path / name).mkdir()
        data = write_qa(tmp_path / name / "qa.jsonl", numbered(rows))
        runs.append(evalsuite.evaluate(config(server, tmp_path / "out", data, name=name)))
    found = evalsuite.compare(*runs)
    assert found.to_dict()["rows"][0]["matched"] == 10
    assert "the data files are not the same (qa.jsonl" in found.warnings[0]
    assert "2 rows that only it has" in " ".join(found.warnings)


def test_a_variant_run_twice_is_the_noise_floor(tmp_path: Path) -> None:
    calls: dict[str, int] = {}

    def moody(asked: Asked) -> Any:
        calls[asked.prompt] = calls.get(asked.prompt, 0) + 1
        return reply(
            asked.prompt if calls[asked.prompt] == 1 or "1" not in asked.prompt else "nothing of the kind"
        )

    data = write_qa(tmp_path / "qa.jsonl", numbered(12))
    with MockServer(moody) as server:
        runs = [evalsuite.evaluate(config(server, tmp_path / "out", data, name=name)) for name in ("a", "b")]
        other = evalsuite.evaluate(config(server, tmp_path / "out", data, name="c", temperature=1))
    found = evalsuite.compare(*runs, other)
    assert [side["repeats_baseline"] for side in found.to_dict()["sides"]] == [False, True, False]
    assert "b repeats a (same model, same requests): 3 of 12 replies differ." in " ".join(found.warnings)
    floors = {
        one["variant"]: one["noise_floor"]
        for one in found.to_dict()["results"]
        if (one["metric"], one["subset"]) == ("rouge_l", "all")
    }
    assert floors["b"] is None
    assert floors["c"] == pytest.approx(0.25)
    assert "Two runs of the baseline differ by 25.00 points." in found.verdicts[1]
    judged = [one for one in found.to_dict()["results"] if one["verdict"]]
    assert all(one["p_adjusted"] == one["p"] for one in judged)  # one question was asked, not two


def test_several_questions_share_the_risk(tmp_path: Path) -> None:
    base = scored(tmp_path, "base", mcq_rows(replies(10, 20)))
    others = [scored(tmp_path, name, mcq_rows(replies(16, 14))) for name in ("x", "y")]
    alone = only(evalsuite.compare(base, others[0]))
    assert (alone["p_adjusted"], alone["verdict"]) == (pytest.approx(0.03125), "better")
    together = evalsuite.compare(base, *others).to_dict()["results"]
    judged = [one for one in together if one["verdict"]]
    assert [one["p_adjusted"] for one in judged] == pytest.approx([0.0625, 0.0625])
    assert {one["verdict"] for one in judged} == {"no detectable difference"}


# --- refusals ---


def test_a_variant_that_does_not_exist_is_refused_with_the_nearest(better: Any) -> None:
    base, sft = better
    with pytest.raises(InputError, match=r"no variant 'bsae'. Did you mean base"):
        evalsuite.compare(f"{base.path}:bsae", sft)
    with pytest.raises(
        InputError, match=r"--baseline stf: no compared variant has this name. Did you mean sft"
    ):
        evalsuite.compare(base, sft, baseline="stf")
    with pytest.raises(InputError, match=r"--metric acuracy: .* Did you mean accuracy"):
        evalsuite.compare(base, sft, metrics=["acuracy"])
    with pytest.raises(InputError, match=r"--fail-on-regression acuracy: .* Did you mean accuracy"):
        evalsuite.compare(base, sft, fail_on_regression=["acuracy"])


def test_a_run_that_does_not_exist_is_refused_with_the_nearest(better: Any) -> None:
    base, sft = better
    with pytest.raises(InputError, match=r"bas: not the directory of a finished run. Did you mean .*/base\?"):
        evalsuite.compare(base.path.with_name("bas"), sft)
    with pytest.raises(InputError, match="Runs are in the folder of --out"):
        evalsuite.compare("nowhere/at/all", sft)


def test_one_variant_and_the_same_one_twice_are_refused(better: Any) -> None:
    base, _ = better
    with pytest.raises(InputError, match="needs two variants"):
        evalsuite.compare(base)
    with pytest.raises(InputError, match="named 2 times"):
        evalsuite.compare(base, base.path)


def test_runs_without_a_common_row_are_refused_with_the_reason(tmp_path: Path) -> None:
    base = scored(tmp_path, "base", mcq_rows(replies(3, 3)))
    others = scored(tmp_path, "others", [row | {"id": f"x{row['id']}"} for row in mcq_rows(replies(3, 3))])
    with pytest.raises(InputError, match="they have no ids in common"):
        evalsuite.compare(base, others)
    changed = scored(tmp_path, "changed", mcq_rows(replies(3, 3), question="Something else?"))
    with pytest.raises(InputError, match="6 rows have the same id but another question or gold answer"):
        evalsuite.compare(base, changed)
    with pytest.raises(InputError, match=r"base has exam \(mcq\); qa has exam \(qa\).*same data"):
        evalsuite.compare(base, scored(tmp_path, "qa", qa_rows(["a", "b"]), "qa"))


def test_a_journal_cut_short_is_refused_and_says_what_helps(better: Any) -> None:
    base, sft = better
    journal = sft.path / "samples.jsonl"
    content = journal.read_bytes()
    journal.write_bytes(content[:-30])
    with pytest.raises(
        InputError, match=r"cut short: it has 39 of the 40 samples of 'exam'.*evalsuite score"
    ):
        evalsuite.compare(base, sft)
    journal.write_bytes(content.replace(b'"scores":{"accuracy":0.0}', b'"scores":{"accuracy":NaN}', 1))
    with pytest.raises(InputError, match="39 of the 40"):
        evalsuite.compare(base, sft)


def test_a_line_that_a_crash_left_twice_counts_once(better: Any) -> None:
    base, sft = better
    journal = sft.path / "samples.jsonl"
    journal.write_bytes(journal.read_bytes() + journal.read_bytes().splitlines(keepends=True)[0])
    assert only(evalsuite.compare(base, sft))["n"] == 40


def test_an_incomplete_run_is_compared_as_far_as_it_is_and_said_to_be(tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(12))
    with MockServer(lambda asked: failing(422) if "7" in asked.prompt else reply(asked.prompt)) as server:
        with pytest.raises(RunIncomplete):
            evalsuite.evaluate(config(server, tmp_path / "out", data, name="part"))
        server.behave = lambda asked: reply(asked.prompt)
        whole = evalsuite.evaluate(config(server, tmp_path / "out", data, name="whole"))
    found = evalsuite.compare(whole, tmp_path / "out" / "part")
    assert only(found, "rouge_l")["n"] == 11
    assert "the run part is incomplete: only finished samples are compared." in " ".join(found.warnings)


# --- gates ---


def test_a_gate_fails_on_what_is_worse_by_more_than_its_margin(better: Any) -> None:
    base, sft = better
    for gates, fails in (
        ([], False),
        ([""], True),
        (["accuracy"], True),
        (["accuracy:34%"], True),
        (["accuracy:0.36"], False),
    ):
        found = evalsuite.compare(sft, base, fail_on_regression=gates)
        if fails:
            with pytest.raises(
                GateFailed, match="--fail-on-regression: base is worse than sft on exam"
            ) as caught:
                found.check()
            assert caught.value.exit_code == 100
        else:
            found.check()
    evalsuite.compare(base, sft, fail_on_regression=[""]).check()


def test_a_gate_that_cannot_be_read_is_refused(better: Any) -> None:
    for text in ("accuracy:much", "accuracy=1", "accuracy:-1"):
        with pytest.raises(ConfigError, match="write METRIC or METRIC:MARGIN"):
            evalsuite.compare(*better, fail_on_regression=[text])


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("accuracy:2", "accuracy lies between 0 and 1, so nothing could fail; write 0.02 or 2%"),
        (":100%", "accuracy lies between 0 and 1, so nothing could fail"),
    ],
)
def test_a_margin_that_nothing_can_exceed_is_refused(better: Any, gate: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        evalsuite.compare(*better, fail_on_regression=[gate])


def test_a_margin_of_what_is_no_share_is_in_its_own_unit(tmp_path: Path) -> None:
    said = {"a": "the cat sat on the mat", "b": "the dog"}
    runs = [scored(tmp_path, name, qa_rows([text] * 8), "qa") for name, text in said.items()]
    with pytest.raises(ConfigError, match="bleu is not a share; write the margin in its own unit, without %"):
        evalsuite.compare(*runs, fail_on_regression=["bleu:1%"])
    evalsuite.compare(*runs, fail_on_regression=["bleu:1"])


def test_a_gated_metric_is_judged_beside_the_primary_ones(better: Any) -> None:
    found = evalsuite.compare(*better, fail_on_regression=["accuracy_macro"])
    assert [one["metric"] for one in found.to_dict()["verdicts"]] == ["accuracy", "accuracy_macro"]
    assert found.command().endswith("--fail-on-regression accuracy_macro")


# --- corpora ---


def test_bleu_is_compared_from_the_statistics_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gold = "the cat sat on the mat today"
    base = scored(tmp_path, "base", qa_rows(["the cat sat on a rug"] * 30), "qa")
    sft = scored(tmp_path, "sft", qa_rows([gold] * 30), "qa")
    monkeypatch.setattr("evalsuite.metrics.bleu.bleu_statistics", None)  # nothing is tokenised again
    found = only(evalsuite.compare(base, sft), "bleu")
    values = [known(run.metric("bleu")) for run in (base, sft)]
    assert (found["baseline_value"], found["variant_value"]) == pytest.approx(values)
    assert found["delta"] == pytest.approx(values[1] - values[0])
    assert (found["test"], found["wins"]) == ("approximate randomisation", None)
    assert found["p"] < 0.01


# --- one source ---


def test_all_outputs_say_the_same(better: Any, tmp_path: Path) -> None:
    base, sft = better
    found = evalsuite.compare(base, sft, metrics=["accuracy", "accuracy_macro"])
    document = json.loads(json.dumps(found.to_dict()))
    rows = list(csv.DictReader(io.StringIO(found.csv().decode())))
    assert len(rows) == len(document["results"])
    for row, result in zip(rows, document["results"], strict=True):
        for name in ("delta", "ci_low", "ci_high", "p", "baseline_value", "variant_value", "detectable"):
            assert float(row[name]) == result[name]
        assert (row["baseline"], row["variant"], row["verdict"]) == ("base", "sft", result["verdict"] or "")
    page, notebook = text_of(found.html()), html.unescape(found._repr_html_())
    markdown = html.unescape(found.markdown()).replace("\\", "")
    cases = ET.fromstring(found.junit()).findall(".//testcase")
    for sentence, case in zip(found.verdicts, cases, strict=True):
        assert sentence in page
        assert sentence in markdown
        assert sentence in notebook
        assert case.findtext("system-out") == sentence
    assert f"| {' | '.join(HEADLINES)} |" in markdown
    frame = found.frame()
    assert frame["delta"].tolist() == [result["delta"] for result in document["results"]]


def test_junit_fails_what_is_worse_or_what_fails_a_gate(better: Any) -> None:
    base, sft = better
    (failure,) = ET.fromstring(evalsuite.compare(sft, base).junit()).iter("failure")
    assert known(failure.get("message")).startswith("base is worse than sft")
    gated = evalsuite.compare(sft, base, fail_on_regression=["accuracy:50%"])
    assert known(ET.fromstring(gated.junit()).find("testsuite")).get("failures") == "0"


def test_texts_that_mean_harm_are_shown_and_do_nothing(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script> \u202eevil\u200b | *x* \x07"
    rows = [
        row | {"id": f"{evil}{row['id']}"}
        for row in mcq_rows([f"{evil} Answer: A"] * 4 + [evil * 40_000] * 4)
    ]
    other = [row | {"prediction": "Answer: A"} for row in rows] + [mcq_rows([RIGHT])[0]]
    found = evalsuite.compare(scored(tmp_path, "base", rows), scored(tmp_path, "sft", other))
    page = found.html()
    assert page.count("<script") == page.count("</script>") == 2
    assert "⟨U+202E⟩evil⟨U+200B⟩" in page
    assert "characters left out here" in page
    assert len(page) < 200_000
    ET.fromstring(found.junit())
    assert "<script" not in found.markdown()


# --- within a run ---


def test_a_run_of_several_variants_compares_them_itself(tmp_path: Path) -> None:
    paths = [
        write_rows(tmp_path / name / "exam.jsonl", mcq_rows(said))
        for name, said in (("one", replies(10, 20)), ("two", replies(25, 5)))
    ]
    run = score(
        build_score_config(
            {"datasets": [f"mcq:{path}" for path in named(paths)], "out": tmp_path / "r", "baseline": "two"}
        )
    )
    comparison = summary_of(run.path)["comparison"]
    assert comparison["baseline"] == "two"
    (verdict,) = comparison["verdicts"]
    assert verdict["sentence"].startswith("one is worse than two on two / one: accuracy −50.0 points")
    assert verdict["sentence"] in text_of((run.path / "report.html").read_text(encoding="utf-8"))
    assert verdict["sentence"] in html.unescape(run._repr_html_())
    direct = evalsuite.compare(run, baseline="two").to_dict()
    assert direct["results"] == comparison["results"]


def named(paths: Any) -> Any:
    """The same files under the name of their folder, which tells whose predictions they are."""
    return [path.rename(path.with_name(f"{path.parent.name}.jsonl")) for path in paths]


def test_a_baseline_that_is_no_variant_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "one.jsonl", mcq_rows(replies(1, 1)))
    with pytest.raises(ConfigError, match="--baseline tow: the run has no such variant; there are: one"):
        score(build_score_config({"datasets": [f"mcq:{path}"], "out": tmp_path / "r", "baseline": "tow"}))
    assert not (tmp_path / "r").exists()


def test_variants_that_share_no_data_leave_the_run_without_a_comparison(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one.jsonl", mcq_rows(replies(2, 2)))
    two = write_rows(tmp_path / "two.jsonl", qa_rows(["a"]))
    run = score(build_score_config({"datasets": [f"mcq:{one}", f"qa:{two}"], "out": tmp_path / "r"}))
    assert run.summary.comparison is None


# --- frames ---


def test_frames_hold_the_summary_and_the_samples(better: Any) -> None:
    base, _ = better
    summary = base.summary_frame()
    row = summary[(summary["metric"] == "accuracy") & (summary["subset"] == "all")].iloc[0]
    assert (row["run"], row["variant"], row["value"], row["n"]) == ("base", "base", 0.3, 40)
    with (base.path / "summary.csv").open(encoding="utf-8") as stream:
        assert len(summary) == len(list(csv.DictReader(stream)))
    samples = base.samples_frame()
    assert samples["score.accuracy"].sum() == 12
    assert samples.iloc[0]["reply"] == RIGHT


def test_frames_without_pandas_say_what_to_install(better: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(InputError, match=r"pip install 'evalsuite\[frames\]'"):
        better[0].summary_frame()


# --- SWIFT's table ---


def test_swifts_table_stands_with_deltas_and_intervals(tmp_path: Path) -> None:
    runs = [
        scored(tmp_path, name, tool_rows([CALL.format(tool)] * 12), "toolbench")
        for name, tool in (("base", "invented"), ("sft", "search"))
    ]
    table = evalsuite.compare(*runs).markdown(style="swift")
    assert "| model | Plan.EM | Act.EM | HalluRate↓ | Avg.F1 | R-L |" in table
    assert "| base | 100.00 | 0.00 | 100.00 | 0.00 | — |" in table
    (line,) = (line for line in table.splitlines() if line.startswith("| sft"))
    assert re.match(
        r"\| sft \| 100.00 \(\+0.00; .*\) \| 100.00 \(\+100.00; .*\) \| 0.00 \(−100.00; .*\) \| 100.00 ", line
    )


@pytest.mark.parametrize("kind", ["mcq", "qa"])
def test_rows_too_few_to_show_anything_say_so_and_no_interval_is_wider_than_a_difference_can_be(
    tmp_path: Path, kind: str
) -> None:
    rows, said = (
        (mcq_rows, (RIGHT, WRONG)) if kind == "mcq" else (qa_rows, ("the cat sat on the mat today", "no"))
    )
    before = scored(tmp_path, "base", rows([said[0], said[1], said[1]]), kind=kind)
    after = scored(tmp_path, "sft", rows([said[1], said[0], said[1]]), kind=kind)
    found = evalsuite.compare(before, after)
    assert found.verdicts[0].endswith("; so few rows could not have shown any difference.")
    judged = next(result for result in found.to_dict()["results"] if result["verdict"])
    assert judged["detectable"] > 1
    assert -1 <= judged["ci_low"] < judged["ci_high"] <= 1
    assert "| none |" in found.markdown()
    assert ">none<" in found.html()


@pytest.mark.parametrize("damage", [b'"accuracy":"x"', b'"accuracy":[1]', b'"accuracy":{}'])
def test_a_line_that_is_no_journals_is_refused_without_a_traceback(better: Any, damage: bytes) -> None:
    journal = better[1].path / "samples.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"accuracy":1.0', damage, 1))
    with pytest.raises(InputError, match=r"samples\.jsonl:1: not a line as evalsuite writes them"):
        evalsuite.compare(*better)


@pytest.mark.parametrize("damage", [b'"accuracy":NaN', b'"accuracy":1e999'])
def test_numbers_that_json_does_not_know_make_a_line_count_as_missing(better: Any, damage: bytes) -> None:
    journal = better[1].path / "samples.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"accuracy":1.0', damage, 1))
    with pytest.raises(InputError, match="the journal is cut short: it has"):
        evalsuite.compare(*better)


def test_a_variant_with_a_colon_in_its_name_is_found(better: Any, tmp_path: Path) -> None:
    colons = scored(tmp_path, "qwen2:7b", mcq_rows(replies(8, 22)))
    found = evalsuite.compare(f"{better[0].path}:base", f"{colons.path}:qwen2:7b")
    assert found.to_dict()["sides"][1]["label"] == "qwen2:7b"


def test_what_each_side_took_stands_beside_its_score(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(8))
    priced = {"price": "1,2"}
    runs = [
        evalsuite.evaluate(config(server, tmp_path / name, data, name=name, seed=seed, **priced))
        for name, seed in (("a", 1), ("b", 2))
    ]
    page = text_of(evalsuite.compare(*runs).html())
    quality = page[page.index("Next to the first metric") : page.index("Values of both sides")]
    for head in ("seconds a reply", "reply tokens", "prompt tokens", "cost"):
        assert head in quality
    files = [scored(tmp_path, name, mcq_rows(replies(5, 5))) for name in ("c", "d")]
    assert "Next to the first metric" not in evalsuite.compare(*files).html()


def test_a_dataset_without_a_row_in_common_is_said_and_not_drawn(tmp_path: Path) -> None:
    runs = []
    for name, rows in (("base", mcq_rows(replies(6, 6))), ("sft", mcq_rows(replies(10, 2)))):
        other = [row | {"id": f"{name}{row['id']}"} for row in rows]
        paths = [
            write_rows(tmp_path / name / f"{file}.jsonl", of)
            for file, of in (("exam", rows), ("rest", other))
        ]
        config_of = {"datasets": [f"mcq:{path}" for path in paths], "name": name, "out": tmp_path / "runs"}
        runs.append(score(build_score_config(config_of)))
    found = evalsuite.compare(*runs)
    assert (
        found.verdicts[1]
        == "Too few rows to tell a difference between sft and base on rest: no row in common with accuracy."
    )
    page = text_of(found.html())
    assert "1 too few rows" not in page  # two verdicts need no tally
    assert "rest accuracy" not in " ".join(page[page.index("Variant minus") :].split())
