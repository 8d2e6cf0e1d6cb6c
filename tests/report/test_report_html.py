import base64
import hashlib
import json
import random
import re
import subprocess
import sys
import zlib
from typing import Any

import pytest
import report_examples as examples
from known import known
from page_data import data_of, samples_of

from evalsuite.formatting.texts import Cut, cut, dump, message_text, replace_surrogates, value_text, visible
from evalsuite.report import sample_store as packing
from evalsuite.report.page import data_block
from evalsuite.report.run_page import render_run
from evalsuite.report.sample_store import SampleStore
from evalsuite.report.samples import sample_entry
from evalsuite.report.worst_rows import worst_rows

TWO = ("smollm2", "smollm2-sft")


def page(samples: Any = None, summary: Any = None, run: Any = None, **options: Any) -> Any:
    lines = list(examples.samples() if samples is None else samples)
    return page_of_stream(lambda: lines, summary, run, **options)


def page_of_stream(read: Any, summary: Any = None, run: Any = None, **options: Any) -> Any:
    return render_run(
        examples.run() if run is None else run,
        examples.summary() if summary is None else summary,
        lambda: map(examples.typed, read()),
        **options,
    )


def words(html: Any) -> Any:
    """What a reader sees of the server's part, tags gone and spaces collapsed."""
    shown = re.sub(r"<(script|style|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", shown))


# ---- what the page says ---------------------------------------------------------------------------------


def test_report_headline_is_one_sentence_with_values_and_intervals() -> None:
    assert (
        "smollm2 answered 148 of 150 samples: accuracy 31.8 % (21.8 to 41.8) on mcq_zh, rouge_l 33.12 (27.12 to 39.12) "
        "on qa_en, accuracy 58.0 % (45.0 to 71.0) on gsm8k, and 1 more dataset below." in words(page())
    )


def test_report_of_a_complete_run_has_no_banner() -> None:
    assert "This run is incomplete" not in page()


def test_report_of_an_incomplete_run_says_how_many_samples_are_missing_and_how_to_resume() -> None:
    html = page(summary=examples.summary(complete=False, owed=37))
    banner = words(html[html.index('role="alert"') : html.index('class="verdict"')])
    assert "This run is incomplete: 37 samples are missing." in banner
    assert "The same command resumes" in banner
    assert examples.run()["command"] in banner
    assert "answered 148 of 150 samples so far" in words(html)


def test_metric_table_value_that_does_not_apply_is_an_em_dash_without_chart() -> None:
    html = page()
    row = known(
        re.search(r"<tr[^>]*>\s*<th scope=\"row\"><bdi>strict/argument_steps</bdi>.*?</tr>", html, re.DOTALL)
    ).group()
    assert row.count("—") == 2
    assert "<svg" not in row


def test_metric_table_counts_above_zero_link_to_their_samples() -> None:
    html = page()
    assert 'href="#samples?variant=smollm2&amp;dataset=mcq_zh&amp;outcome=unparsed">3</a>' in html
    assert '<span class="zero">0</span>' in html


def test_metric_table_has_a_skipped_column_only_if_a_metric_skipped_samples() -> None:
    skipping = examples.summary()
    skipping["variants"]["smollm2"]["datasets"]["gsm8k"]["subsets"]["all"]["metrics"]["accuracy"][
        "n_skipped"
    ] = 7
    assert ">skipped<" not in page()
    assert ">skipped<" in page(summary=skipping)
    assert '<span class="quiet">7</span>' in page(summary=skipping)


def test_report_headline_counts_a_failed_and_missing_sample_once() -> None:
    summary = examples.summary(complete=False, owed=9)
    datasets = summary["variants"]["smollm2"]["datasets"]
    datasets["toolbench"]["owed"] = 9  # 2 of them failed and are among the 24, 7 were never asked
    assert "smollm2 answered 148 of 157 samples so far" in words(page(summary=summary))


def test_report_banner_shows_the_problem_that_ended_the_run() -> None:
    summary = {
        **examples.summary(complete=False, owed=3),
        "problem": "The server <died>.\nSee server-base.log",
    }
    assert "The server &lt;died&gt;.\nSee server-base.log" in page(summary=summary)


def test_metric_table_lists_primary_metrics_first() -> None:
    html = page()
    assert html.index(">strict/plan_em<") < html.index(">paper/plan_em<")


def test_subset_table_lists_best_subset_first_with_the_whole_as_reference() -> None:
    html = page()
    part = html[html.index('id="subsets"') : html.index('id="behaviour"')]
    assert re.findall(r"<bdi>(geography|physics|法律)</bdi></a>", part) == 2 * [
        "geography",
        "法律",
        "physics",
    ]
    assert part.count('class="reference"') == 9  # drawn once, in the small multiples


def test_metric_table_of_several_variants_groups_them_and_points_to_compare() -> None:
    html = page(samples=examples.samples(TWO), summary=examples.summary(TWO), run=examples.run(TWO))
    assert "evalsuite compare" in html
    assert html.count('<p class="verdict">') == 2


def test_reply_lengths_without_token_counts_are_in_characters() -> None:
    html = page()
    assert "Reply length in tokens" in html
    assert "Reply length in characters" in html


def test_report_shows_what_reproduces_the_run() -> None:
    text = words(page())
    for needed in (
        examples.run()["command"],
        "ab12cd34ef56" * 5,
        "9f86d081884c7d65" * 4,
        "2026.10.11549",
        "with uncommitted changes",
        "mcq|default|v1|shots:5",
    ):
        assert needed in text


def test_report_numbers_need_no_script() -> None:
    html = page()
    server_rendered = html[: html.index('<script type="application/json"')]
    assert "31.8 %" in server_rendered
    assert "<svg" in server_rendered
    assert "needs JavaScript" in server_rendered


@pytest.mark.parametrize("run", [{}, {"format": 1}, examples.run()])
def test_report_of_an_empty_run_says_so(run: dict[str, Any]) -> None:
    html = page(samples=[], summary=examples.nothing(), run=run)
    assert "Nothing was scored in this run." in html
    assert 'id="explorer"' not in html


def test_report_of_one_sample_uses_the_singular() -> None:
    one = {
        **examples.summary(),
        "variants": {
            "m": {
                "datasets": {
                    "d": {
                        "kind": "mcq",
                        "subsets": {
                            "all": examples.subset(1, {"accuracy": examples.metric(1.0, 1, primary=True)})
                        },
                    }
                }
            }
        },
    }
    assert "m answered the one sample: accuracy 100.0 %" in words(
        page(samples=[examples.sample(0)], summary=one)
    )


# ---- hostile text ---------------------------------------------------------------------------------------


def test_report_hostile_text_from_any_source_stays_data() -> None:
    summary = examples.summary()
    summary["run"] = summary["warnings"][0] = examples.HOSTILE
    summary["errors"][0]["message"] = examples.HOSTILE
    summary["variants"] = {examples.HOSTILE: summary["variants"]["smollm2"]}
    lines = [
        examples.sample(
            0,
            id=examples.HOSTILE,
            subset=examples.HOSTILE,
            labels=[examples.HOSTILE],
            stage=examples.HOSTILE,
            gold=examples.HOSTILE,
            variant=examples.HOSTILE,
        )
    ]
    run = {**examples.run(), "command": examples.HOSTILE, "config": {examples.HOSTILE: examples.HOSTILE}}
    html = page(samples=lines, summary=summary, run=run)
    assert html.count("<script") == html.count("</script>") == 2
    assert "<!--" not in html
    assert "<img" not in html
    assert not re.search("[\u202a-\u202e\u200b\ufeff\u2028]", html[: html.index('id="data"')])
    assert "⟨U+202E⟩" in html
    html.encode("utf-8")


def test_data_block_survives_text_that_could_end_it() -> None:
    text = "</script><!--\u2028\u2029<script>"
    block = data_block(dump({"text": text}))
    assert not re.search("[<>\u2028\u2029]", block)
    assert json.loads(block) == {"text": text}


def test_report_scores_that_are_not_numbers_are_em_dashes() -> None:
    lines = [examples.sample(0, scores={"accuracy": float("nan")})]
    (shown,) = samples_of(page(samples=lines))
    assert (shown["score"], shown["answer"], shown["scores"]) == (None, "none", {"accuracy": None})


def test_report_huge_reply_is_cut_in_the_middle_and_says_how_much() -> None:
    text = "begin " + "x" * 1_000_000 + " #### 42"
    reply = {"text": text, "reasoning": None, "tool_calls": None, "finish_reason": "length"}
    head, tail, omitted = samples_of(page(samples=[examples.sample(0, reply=reply)]))[0]["reply"]
    assert head.startswith("begin")
    assert tail.endswith("#### 42")
    assert len(head) + len(tail) + omitted == len(text)
    assert "Texts of more than 20,000 characters are cut" in page(samples=[examples.sample(0)])


def test_report_with_surrogates_huge_integers_and_deep_nesting_can_be_written() -> None:
    bottomless: list[Any] = []
    for _ in range(400):
        bottomless = [bottomless]
    lines = [
        examples.sample(
            0,
            gold={"\ud800": "\udfff", 1: 2**90},
            extracted=bottomless,
            reply={"text": "a\ud83d\ude00b\ud800"},
        )
    ]
    html = page(samples=lines)
    html.encode("utf-8")
    (shown,) = samples_of(html)
    assert shown["reply"] == "a😀b\ufffd"
    assert str(2**90) in shown["gold"]


# ---- content policy and offline -------------------------------------------------------------------------


def test_content_policy_allows_exactly_one_style_and_one_script() -> None:
    html = page()
    policy = (
        known(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html))
        .group(1)
        .replace("&#39;", "'")
    )
    bodies = (
        re.search(r"<style>(.*?)</style>", html, re.DOTALL),
        re.search(r"<script>(.*?)</script>", html, re.DOTALL),
    )
    hashes = [
        base64.b64encode(hashlib.sha256(known(body).group(1).encode()).digest()).decode() for body in bodies
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert html.count("<style") == 1
    assert html.count("<script>") == 1


def test_report_has_no_inline_style_and_no_inline_handler() -> None:
    html = page(samples=examples.samples(TWO), summary=examples.summary(TWO, complete=False, owed=1))
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\s(style|on[a-z]+)\s*=", markup)


def test_report_refers_to_nothing_outside_itself() -> None:
    html = page()
    assert not re.search(
        r"(src|href|action)\s*=\s*[\"']?(?!#)[^\"'>\s]",
        re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL),
    )
    assert not re.search(r"@import|url\(", html)
    assert not re.search(r"<(link|img|iframe|object|embed|base)\b", html)


def test_explorer_script_is_small() -> None:
    html = page()
    assert len(known(re.search(r"<script>(.*?)</script>", html, re.DOTALL)).group(1).encode()) <= 20 * 1024


# ---- which samples --------------------------------------------------------------------------------------


def test_report_with_room_has_all_samples() -> None:
    html = page()
    assert len(samples_of(html)) == 150
    assert "All 150 samples of the run." in html


def test_report_of_ten_thousand_samples_has_all_within_its_size() -> None:
    lines = list(examples.mcq_samples(10_000))
    html = page(samples=lines)
    journal = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    assert len(html.encode()) <= 300_000 + 1.2 * len(zlib.compress(journal))
    assert [one["id"] for one in samples_of(html)] == [line["id"] for line in lines]


def test_report_without_room_says_how_many_samples_it_leaves_out() -> None:
    html = page(samples=examples.mcq_samples(700), max_samples=100)
    shown = len(samples_of(html))
    assert 95 <= shown <= 100
    assert f"Showing {shown} of 700 samples." in html
    assert "The others are in samples.jsonl." in html


def test_sample_selection_takes_unscored_samples_first() -> None:
    lines = list(examples.mcq_samples(700))
    is_unscored = sum(line["outcome"] != "scored" for line in lines)
    html = page(samples=lines, max_samples=120)
    assert sum(one["outcome"] != "scored" for one in samples_of(html)) == is_unscored
    assert f"all {is_unscored} that ended unparsed, truncated or in an error" in html


def test_sample_selection_of_unscored_samples_leaves_room_for_others() -> None:
    lines = [examples.failed(index) for index in range(500)] + [
        examples.sample(index) for index in range(500, 900)
    ]
    html = page(samples=lines, max_samples=100)
    shown = samples_of(html)
    is_unscored = sum(one["outcome"] == "error" for one in shown)
    assert 75 <= is_unscored <= 90  # three quarters, and what an even draw finds of them
    assert len(shown) - is_unscored >= 10
    assert "75 of 500 that ended" in html


def test_sample_selection_is_the_same_for_every_variant_and_rendering() -> None:
    lines = [examples.sample(index, variant=variant) for variant in TWO for index in range(400)]
    shown = samples_of(page(samples=lines, max_samples=100))
    ids = [{one["id"] for one in shown if one["variant"] == variant} for variant in TWO]
    assert ids[0] == ids[1]
    assert shown == samples_of(page(samples=lines, max_samples=100))


def test_sample_selection_draw_is_not_the_first_rows() -> None:
    shown = samples_of(page(samples=[examples.sample(index) for index in range(5000)], max_samples=100))
    halves = [sum(int(one["id"]) < 2500 for one in shown), sum(int(one["id"]) >= 2500 for one in shown)]
    assert min(halves) > 15


def test_selected_samples_keep_their_own_texts_and_messages() -> None:
    lines = list(examples.mcq_samples(2000))
    for shown in samples_of(page(samples=lines, max_samples=300)):
        line = lines[int(shown["id"])]
        assert shown["reply"] == line["reply"]["text"]
        assert shown["messages"] == [[one["role"], one["content"]] for one in line["messages"]]
        assert shown["scores"] == line["scores"]


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_sample_store_keeps_any_limit(limit: int) -> None:
    lines = [
        *(examples.failed(index) for index in range(9)),
        *(examples.sample(index) for index in range(9, 20)),
    ]
    html = page(samples=lines, max_samples=limit)
    assert ('id="data"' not in html) or 0 < len(samples_of(html)) <= limit


def test_sample_store_beyond_its_characters_holds_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_CHARACTERS", 400_000)
    pack, lines = SampleStore({}), []
    noise = random.Random(1)
    for index in range(300):
        lines.append(examples.sample(index, reply={"text": noise.randbytes(4000).hex()}))
        pack.add(examples.typed(lines[-1]))
    fit = pack.fit(lambda: map(examples.typed, lines))
    assert 50 < len(fit) < 100
    assert 300_000 < len(fit.data()) <= 500_000


def test_sample_store_with_longer_bad_samples_holds_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_CHARACTERS", 400_000)
    noise = random.Random(1)
    lines = [examples.sample(index, reply={"text": noise.randbytes(500).hex()}) for index in range(900)]
    long = [noise.randbytes(9000).hex() for _ in range(100)]
    lines += [
        examples.sample(900 + at, reply={"text": text}, outcome="truncated") for at, text in enumerate(long)
    ]
    pack = SampleStore({})
    for line in lines:
        pack.add(examples.typed(line))
    fit = pack.fit(lambda: map(examples.typed, lines))
    assert len(fit.data()) <= 500_000
    assert fit.distinct_values("outcome") == ["scored", "truncated"]
    assert fit.seen == 1000
    assert len(fit) > 30


@pytest.mark.parametrize("limit", [None, 100])
def test_render_run_never_holds_a_stream_of_samples(limit: int | None) -> Any:
    class Watched(dict[str, Any]):
        alive = 0

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            Watched.alive += 1

        def __del__(self) -> None:
            Watched.alive -= 1

    most = 0

    def stream() -> Any:
        nonlocal most
        for index in range(3000):
            most = max(most, Watched.alive)
            yield Watched(examples.sample(index))

    page_of_stream(stream, max_samples=limit)
    assert most <= 3


def test_sample_store_shared_message_is_stored_once_per_chunk() -> None:
    html = page(samples=examples.mcq_samples(44))
    (chunk,) = map(packing.inflate, data_of(html)["chunks"])
    assert len(chunk["messages"]) == 44 + 9  # five examples, one letter twice
    assert all(len(one["messages"]) == 11 for one in samples_of(html))


def test_sample_body_has_the_judges_reply_and_measured_texts_have_no_length() -> None:
    verdict = {"of": "judge", "key": "k", "reply": {"text": '{"score": 8}'}}
    judged = examples.sample(0, dataset="essays", further=[verdict, verdict], usage=None)
    measured = {"text": "", "measured": {"tokens": ["a"], "logprobs": [None]}}
    text = examples.sample(1, dataset="texts", reply=measured, further=[{"reply": measured}], usage=None)
    html = page(samples=[judged, text])
    first, second = samples_of(html)
    assert first["verdict"] == '{"score": 8}\n\n{"score": 8}'
    assert "measured" not in first
    assert second["measured"]
    assert "verdict" not in second
    assert html.count("Reply length in characters") == 1  # of the essays alone


def test_sample_entry_of_a_lower_is_better_metric_has_a_negated_score() -> None:
    lower = examples.metric(20.0, 2, unit="ratio", primary=True, higher=False) | {"name": "perplexity"}
    lines = [examples.sample(0, scores={"perplexity": value}) for value in (30.0, 10.0)]
    assert [sample_entry(examples.typed(line), lower).score for line in lines] == [-30.0, -10.0]


def test_sample_ids_of_repeats_differ_in_any_order() -> None:
    lines = [examples.sample(0, repeat=2), examples.sample(0), examples.sample(0, repeat=1)]
    assert [one["id"] for one in samples_of(page(samples=lines))] == ["0 #3", "0", "0 #2"]


def test_sample_body_of_an_agent_has_its_step_and_the_gold_one() -> None:
    line = examples.agent_step(0)
    (shown,) = samples_of(page(samples=[line]))
    assert shown["call"] == {
        "steps": [
            ["call", "forecast", '{"city": "Porto", "days": 1}'],
            ["call", "forecasts", '{"city": "Porto"}'],
        ],
        "failures": {"hallucinated_tool": "forecast"},
        "offered": ["find_city", "forecast", "Finish"],
    }


@pytest.mark.parametrize(
    ("outcome", "score", "answer"),
    [
        ("scored", 1.0, "right"),
        ("scored", 0.4, "partial"),
        ("scored", 0.0, "wrong"),
        ("unparsed", 0.0, "none"),
        ("error", None, "none"),
    ],
)
def test_classify_answer_of_unscored_samples_is_never_wrong(
    outcome: str, score: float | None, answer: str
) -> None:
    lines = [examples.sample(0, outcome=outcome, scores={"accuracy": score})]
    assert samples_of(page(samples=lines))[0]["answer"] == answer


# ---- texts ----------------------------------------------------------------------------------------------


def test_cut_of_a_cut_text_still_counts_omitted_characters() -> None:
    whole = "abcdefghijklmnopqrstuvwxyz"
    for first, second in ((20, 8), (8, 8), (8, 3), (4, 0)):
        again = cut(cut(whole, first), second)
        assert isinstance(again, Cut)
        assert len(again.head) + len(again.tail) == min(first, second)
        assert len(again.head) + len(again.tail) + again.omitted == len(whole)
        assert whole.startswith(again.head)
        assert whole.endswith(again.tail)
    assert cut(whole, 26) == whole


def test_value_text_reads_as_a_person_writes_values() -> None:
    assert [value_text(value) for value in (None, "C", ["B", "C"], 72, 0.5, True)] == [
        "",
        "C",
        "B, C",
        "72",
        "0.5",
        "true",
    ]
    assert value_text(["One sentence.", "Another, longer"]) == "One sentence.\nAnother, longer"
    assert json.loads(value_text({"a": [1]})) == {"a": [1]}


def test_message_text_of_parts_and_tool_calls_is_readable() -> None:
    message = {
        "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "data:…"}},
            3,
        ],
        "tool_calls": [{"function": {"name": "find", "arguments": '{"a": 1}'}}],
    }
    assert message_text(message) == 'Look:\n[picture]\n[part]\nfind({"a": 1})'


def test_visible_keeps_joiners_that_scripts_and_emoji_need() -> None:
    assert visible("👩‍🔬 می‌خواهم\nline") == "👩‍🔬 می‌خواهم\nline"
    assert visible("a\x00b") == "a⟨U+0000⟩b"
    assert replace_surrogates("plain 中文") == "plain 中文"


# ---- cost -----------------------------------------------------------------------------------------------


def test_run_page_import_loads_nothing_heavy() -> None:
    code = "import sys, evalsuite.report.run_page; print(*(m for m in ('jinja2','orjson','numpy','msgspec','pandas') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_render_run_of_one_variant_loads_no_comparison_code() -> None:
    code = "import sys; from evalsuite.report.run_page import render_run; render_run({}, {}, list); print('evalsuite.comparison.findings' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_sample_facts_have_the_probability_of_each_option() -> None:
    logprobs = {"labels": {"A": -2.0, "B": -0.1625, "C": None}, "floor": -7.0}
    (shown,) = samples_of(page([examples.sample(0, logprobs=logprobs)]))
    facts = {name: value.replace("\u00a0", " ") for name, value in shown["facts"]}
    assert facts["options"] == "B 85.0 % · A 13.5 % · C below 0.1 %"
    (plain,) = samples_of(page([examples.sample(0)]))
    assert "options" not in dict(plain["facts"])


# ---- samples that read without a script -----------------------------------------------------------------


def packed(lines: Any, metric: Any = None) -> Any:
    found = metric or {"name": "accuracy", "unit": "proportion", "higher_is_better": True}
    lines = list(lines)
    pack = SampleStore({(line["variant"], line["dataset"]): {found["name"]: found} for line in lines})
    for line in lines:
        pack.add(examples.typed(line))
    return pack


def scored_sample(index: Any, score: Any, **changes: Any) -> Any:
    return examples.sample(index, scores={"accuracy": score}, **changes)


def ids(found: Any) -> Any:
    return [row.place.rpartition(" ")[2] for one in found for row in one.rows]


def test_worst_rows_are_the_worst_samples_and_never_right_ones() -> None:
    scores = [1.0, 0.5, 0.0, 1.0]
    lines = [scored_sample(index, score) for index, score in enumerate(scores)]
    assert ids(worst_rows(packed([examples.failed(9), *lines]))) == ["2", "1", "9"]
    assert worst_rows(packed([lines[0]])) == []
    assert worst_rows(packed([])) == []


def test_worst_rows_put_changed_rows_before_rows_wrong_on_both_sides() -> None:
    base = [scored_sample(index, score) for index, score in enumerate([0.0, 1.0, 0.2, 1.0])]
    other = [scored_sample(at, score, variant="sft") for at, score in enumerate([0.0, 0.0, 0.5, 1.0])]
    (found,) = worst_rows(packed([*base, *other]), "smollm2")
    assert ids([found]) == ["1", "2", "0"]
    assert found.which == "2 rows that changed most, of 4 rows"
    assert [side.score for side in found.rows[0].sides] == ["100.0 %", "0.0 %"]


def test_worst_rows_of_a_lower_is_better_metric_are_the_highest() -> None:
    metric = {"name": "accuracy", "unit": "ratio", "higher_is_better": False}
    found = worst_rows(packed([scored_sample(at, score) for at, score in enumerate([3.0, 9.0, 1.0])], metric))
    assert ids(found) == ["1", "0", "2"]


def test_worst_rows_give_each_dataset_a_share_and_are_few() -> None:
    lines = [scored_sample(at, 0.0, dataset=f"d{at % 3}") for at in range(300)]
    found = worst_rows(packed(lines))
    assert [len(one.rows) for one in found] == [6, 6, 6]
    many = worst_rows(packed([scored_sample(at, 0.0, dataset=f"d{at}") for at in range(50)]))
    assert [len(one.rows) for one in many] == [1] * 50


@pytest.mark.parametrize(
    "text", ["中文" * 600_000, examples.HOSTILE * 5_000, "\u202e" * 1_000_000, "<" * 1_000_000]
)
def test_report_with_megabyte_replies_stays_within_its_size(text: str) -> None:
    lines = [
        scored_sample(
            at,
            0.0,
            reply={"text": text},
            gold=text,
            messages=[{"role": "user", "content": f"{at} {text}"}],
        )
        for at in range(24)
    ]
    html = page(samples=lines)
    assert html.count('<details class="flip">') >= 1
    data = len(
        known(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL))[1]
    )
    assert len(html.encode()) - data <= 300_000


def test_worst_rows_show_tool_calls_failures_and_empty_replies() -> None:
    calls = [{"function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}]
    lines = [
        scored_sample(0, 0.0, reply={"text": "I look it up.", "tool_calls": calls}),
        scored_sample(1, 0.0, reply={"text": ""}),
        examples.failed(2),
    ]
    (found,) = worst_rows(packed(lines))
    said = [row.sides[0].text for row in found.rows]
    assert said == ['I look it up.\nweather({"city": "Bonn"})', "", "timeout: no answer within 120 s"]
