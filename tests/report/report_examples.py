"""Runs made up for the report's tests: every task kind, Chinese and English, and text that means harm."""

import random
from typing import Any

from msgspec import Raw

from evalsuite.endpoint.wire import dumps
from evalsuite.runs.schema import (
    ErrorEntry,
    FollowUpEntry,
    LabelLogprobsEntry,
    MeasurementEntry,
    ReplyEntry,
    SampleLine,
    TokenUsage,
)

HOSTILE = (
    '<img src=x onerror="document.title=1"></script><script>document.title="owned"</script><!-- <!--<script> '
    "\u202ereversed\u202c zero\u200bwidth \ufeff line\u2028separator ${x} {{ 7*7 }} \ud800 end"
)
QUESTIONS_ZH = (
    "下列物理量中，属于矢量的是哪一个？\nA. 质量\nB. 速度\nC. 温度\nD. 能量",
    "光合作用主要发生在植物细胞的哪个细胞器中？\nA. 线粒体\nB. 叶绿体\nC. 核糖体\nD. 高尔基体",
    "《史记》的作者是谁？\nA. 班固\nB. 司马光\nC. 司马迁\nD. 陈寿",
    "在标准大气压下，水的沸点是多少摄氏度？\nA. 90\nB. 95\nC. 100\nD. 105",
)
SUBJECTS = ("physics", "biology", "history", "法律", "chemistry", "logic", "geography")
TOOLS = (
    "You are AutoGPT, you can use many tools to do the following task.\nSpecifically, you have access to these APIs: "
    + (
        '{"name": "weather_for_city", "description": "Current weather, three day forecast and warnings of a city.", '
        '"parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}}}, '
    )
    * 14
)


def metric(
    value: Any,
    n: Any,
    *,
    width: Any = 0.1,
    unit: Any = "proportion",
    primary: Any = False,
    higher: Any = True,
    name: Any = "mcq",
    **counts: Any,
) -> Any:
    known = value is not None
    scale = 100 if unit == "bleu" else 1
    return {
        "value": value,
        "stderr": width / 2 if known else None,
        "ci_low": max(0.0, value - width) if known else None,
        "ci_high": min(scale if unit != "ratio" else 1e9, value + width) if known else None,
        "n": n,
        **{
            f"n_{outcome}": counts.get(outcome, 0)
            for outcome in ("unparsed", "truncated", "error", "skipped")
        },
        "primary": primary,
        "unit": unit,
        "higher_is_better": higher,
        "signature": f"{name}|default|v1|shots:5|lang:zh|seed:0|temperature:0",
    }


def subset(samples: Any, metrics: Any, **counts: Any) -> Any:
    return {
        "samples": samples,
        **{
            f"n_{outcome}": counts.get(outcome, 0)
            for outcome in ("unparsed", "truncated", "error", "skipped")
        },
        "metrics": metrics,
    }


def sample(
    index: Any, dataset: Any = "mcq_zh", subset: Any = "physics", variant: Any = "smollm2", **changes: Any
) -> Any:
    line = {
        "key": f"{variant}-{dataset}-{index:05d}",
        "variant": variant,
        "dataset": dataset,
        "subset": subset,
        "id": str(index),
        "index": index,
        "messages": [{"role": "user", "content": f"Question number {index}?"}],
        "reply": {"text": "The answer is C.", "reasoning": None, "tool_calls": None, "finish_reason": "stop"},
        "outcome": "scored",
        "extracted": ["C"],
        "stage": "marker",
        "gold": "C",
        "scores": {"accuracy": 1.0},
        "labels": [],
        "usage": {"prompt_tokens": 123, "completion_tokens": 9},
        "latency_s": 0.41,
        "ttft_s": None,
        "attempts": 1,
        "error": None,
    }
    return {**line, **changes}


def reply_entry(reply: Any) -> Any:
    known = {"text": "", "reasoning": None, "tool_calls": None, "finish_reason": None, **reply}
    if measured := known.get("measured"):
        known["measured"] = MeasurementEntry(**measured)
    return ReplyEntry(**known)


def typed(line: Any) -> Any:
    """The example as a journal line. Values are not checked, so they may be of any kind."""
    known = {
        "key": "",
        "subset": "",
        "index": 0,
        "variant": "",
        "dataset": "",
        "scores": {},
        "gold": None,
        **line,
    }
    known.setdefault("outcome", "error")
    for name in ("messages", "prompt", "tools"):
        if known.get(name) is None:
            known.pop(name, None)
        else:
            known[name] = Raw(dumps(known[name]))
    known["reply"] = reply_entry(known["reply"]) if known.get("reply") else None
    for name, kind in (("usage", TokenUsage), ("logprobs", LabelLogprobsEntry)):
        if known.get(name):
            known[name] = kind(**known[name])
    if error := known.get("error"):
        known["error"] = ErrorEntry(kind=error["class"], message=error["message"], status=error.get("status"))
    known["further"] = tuple(
        FollowUpEntry(**{"of": "judge", "key": "", **entry, "reply": reply_entry(entry["reply"])})
        for entry in known.get("further", ())
    )
    for name in ("labels", "categories"):
        known[name] = tuple(known.get(name) or ())
    return SampleLine(**known)


def failed(index: Any, **changes: Any) -> Any:
    error = {"class": "timeout", "message": "no answer within 120 s", "status": None}
    blank = {"text": "", "reasoning": None, "tool_calls": None, "finish_reason": None}
    return sample(
        index,
        outcome="error",
        error=error,
        reply=blank,
        extracted=None,
        stage="",
        scores={},
        usage=None,
        **changes,
    )


def mcq_samples(count: Any, variant: Any = "smollm2", seed: Any = 1) -> Any:
    rng = random.Random(seed)
    shots = [
        message
        for shot in range(5)
        for message in (
            {"role": "user", "content": f"示例 {shot + 1}：{QUESTIONS_ZH[shot % 4]}\n答案："},
            {"role": "assistant", "content": "ABCD"[shot % 4]},
        )
    ]
    for index in range(count):
        gold, said = rng.choice("ABCD"), rng.choice("ABCD")
        question = {"role": "user", "content": f"{QUESTIONS_ZH[index % 4]}\n（第 {index} 题）\n答案："}
        changes: dict[str, Any] = {
            "scores": {"accuracy": float(gold == said)},
            "labels": [] if gold == said else ["wrong"],
        }
        if index % 29 == 3:
            changes = {
                "outcome": "unparsed",
                "extracted": None,
                "stage": "",
                "scores": {"accuracy": 0.0},
                "labels": [],
            }
        if index % 53 == 7:
            changes = {
                "outcome": "truncated",
                "extracted": None,
                "stage": "",
                "scores": {"accuracy": 0.0},
                "labels": [],
            }
        yield sample(
            index,
            subset=SUBJECTS[index % len(SUBJECTS)],
            variant=variant,
            messages=[*shots, question],
            **{
                "gold": gold,
                "extracted": [said],
                "reply": {
                    "text": f"根据题意，本题考查基础概念。逐项分析可知选项 {said} 符合条件，因此答案是 {said}。"
                    * rng.choice((1, 1, 1, 2, 4)),
                    "reasoning": "先看题干，再排除明显错误的选项。" if index % 3 == 0 else None,
                    "tool_calls": None,
                    "finish_reason": "stop",
                },
                "usage": {"prompt_tokens": 612, "completion_tokens": max(1, int(rng.lognormvariate(3, 0.6)))},
                "latency_s": rng.lognormvariate(-1, 0.4),
                "stage": rng.choice(("marker", "marker", "marker", "boxed", "last_letter")),
                **changes,
            },
        )


def qa_samples(count: Any, variant: Any = "smollm2") -> Any:
    rng = random.Random(2)
    for index in range(count):
        value = rng.betavariate(2, 4)
        text = (
            HOSTILE
            if index == 0
            else f"Water boils at {90 + index} degrees because the vapour pressure rises with heat."
        )
        yield sample(
            index,
            dataset="qa_en",
            subset="qa_en",
            variant=variant,
            messages=None,
            prompt=f"Answer in one sentence.\n\nQ: Why does water boil at {90 + index} degrees?\nA:",
            reply={"text": text, "reasoning": None, "tool_calls": None, "finish_reason": "stop"},
            gold=[
                "Because its vapour pressure reaches the ambient pressure.",
                HOSTILE if index == 0 else "Heat, mostly",
            ],
            extracted=None,
            stage="",
            scores={"rouge_l": value, "bleu": float("nan"), "exact_match": 0.0},
            usage={"prompt_tokens": None, "completion_tokens": None},
            latency_s=rng.expovariate(2) if index else 30.0,
        )


def gsm8k_samples(count: Any, variant: Any = "smollm2") -> Any:
    rng = random.Random(3)
    for index in range(count):
        right = rng.random() < 0.6
        steps = "\n".join(
            f"Step {step}: she has {step * 12} apples and gives away {step}." for step in range(1, 9)
        )
        yield sample(
            index,
            dataset="gsm8k",
            subset="gsm8k",
            variant=variant,
            messages=[
                {"role": "system", "content": "Solve step by step. End with #### and the number."},
                {
                    "role": "user",
                    "content": f"Natalia sold {48 + index} clips in April and half as many in May. How many did she sell?",
                },
            ],
            reply={
                "text": f"{steps}\n#### {72 + index if right else 71}",
                "reasoning": "48 + 24 = 72" * 40 if index % 2 else None,
                "tool_calls": None,
                "finish_reason": "stop",
            },
            gold=72 + index,
            extracted=72 + index if right else 71,
            stage="hashes",
            scores={"accuracy": float(right)},
            labels=[] if right else ["arithmetic"],
            usage={"prompt_tokens": 96, "completion_tokens": rng.randrange(60, 480)},
            latency_s=rng.lognormvariate(0.8, 0.5),
        )


def toolbench_samples(count: Any, variant: Any = "smollm2") -> Any:
    rng = random.Random(4)
    taxonomy = ("hallucinated_tool", "missing_argument", "gave_up", "wrong_order", "malformed_json")
    for index in range(count):
        history = [
            {"role": "system", "content": TOOLS},
            {
                "role": "user",
                "content": f"I am planning a trip to Bonn on day {index}. Will I need an umbrella, and what should I pack?",
            },
            {
                "role": "assistant",
                "content": 'Thought: I should look up the weather first.\nAction: weather_for_city\nAction Input: {"city": "Bonn"}',
            },
            {
                "role": "tool",
                "content": '{"city": "Bonn", "forecast": [{"day": 1, "rain": 0.8}, {"day": 2, "rain": 0.1}]}',
            },
        ]
        value = rng.choice((0.0, 0.5, 1.0))
        calls = [
            {
                "type": "function",
                "function": {
                    "name": "Finish",
                    "arguments": '{"return_type": "give_answer", "final_answer": "Yes"}',
                },
            }
        ]
        yield sample(
            index,
            dataset="toolbench",
            subset=("in_domain", "out_of_domain")[index % 2],
            variant=variant,
            messages=history,
            reply={
                "text": "Thought: rain is likely on the first day." * 3,
                "reasoning": None,
                "tool_calls": calls,
                "finish_reason": "tool_calls",
            },
            gold={"action": "Finish", "arguments": {"return_type": "give_answer"}},
            extracted={
                "action": "Finish",
                "arguments": {"return_type": "give_answer", "final_answer": "Yes"},
            },
            stage="react",
            scores={
                "strict/plan_em": value,
                "strict/act_em": 1.0,
                "paper/plan_em": value,
                "strict/easy_f1": 0.5,
            },
            labels=[] if value == 1 else [rng.choice(taxonomy)],
            usage={"prompt_tokens": 2100, "completion_tokens": rng.randrange(20, 90)},
            latency_s=rng.lognormvariate(0, 0.3),
        )


def agent_step(index: Any, variant: Any = "smollm2", tool: Any = "forecasts") -> Any:
    """A step that calls a tool which is not offered."""
    return sample(
        index,
        dataset="toolbench",
        subset="toolbench",
        variant=variant,
        messages=[
            {"role": "system", "content": TOOLS},
            {"role": "user", "content": "Will I need an umbrella in Porto tomorrow?"},
            {
                "role": "assistant",
                "content": 'Thought: where\nAction: find_city\nAction Input: {"name": "Porto"}',
            },
            {"role": "user", "content": 'Observation: {"city": "Porto"}'},
        ],
        reply={"text": f'Thought: so\nAction: {tool}\nAction Input: {{"city": "Porto"}}'},
        gold='Thought: one day\nAction: forecast\nAction Input: {"city": "Porto", "days": 1}',
        extracted={
            "plan": "call",
            "action": tool,
            "input": '{"city": "Porto"}',
            "answer": None,
            "failures": {"hallucinated_tool": "forecast"} if tool == "forecasts" else {},
        },
        stage="react",
        scores={"strict/plan_em": 1.0, "strict/act_em": 0.0},
        labels=["hallucinated_tool"] if tool == "forecasts" else [],
        offered=["find_city", "forecast", "Finish"],
    )


def _mcq(value: Any, n: Any = 44) -> Any:
    counts = {"unparsed": 3, "truncated": 1}
    whole = {
        "accuracy": metric(value, n, primary=True, **counts),
        "lm_eval_strict/accuracy": metric(value - 0.05, n, **counts),
    }
    subjects = {
        subject: subset(
            7,
            {
                "accuracy": metric(
                    min(1.0, 0.08 + 0.13 * place), 7, width=0.3, primary=True, unparsed=place % 2
                )
            },
            unparsed=place % 2,
        )
        for place, subject in enumerate(SUBJECTS)
    }
    return {"kind": "mcq", "subsets": {"all": subset(n, whole, **counts), **subjects}}


def _toolbench(value: Any) -> Any:
    def metrics(shift: Any) -> Any:
        return {
            "paper/plan_em": metric(value + shift, 22, width=0.19, error=2),
            "strict/plan_em": metric(value + shift - 0.04, 22, width=0.18, primary=True, error=2),
            "strict/act_em": metric(0.9996, 24, width=0.05),
            "strict/easy_f1": metric(0.48, 24, width=0.12, unit="score"),
            "strict/argument_steps": metric(None, 0, unit="ratio"),
        }

    parts = {"in_domain": subset(12, metrics(0.1)), "out_of_domain": subset(12, metrics(-0.1), error=2)}
    return {"kind": "toolbench", "subsets": {"all": subset(24, metrics(0.0), error=2), **parts}}


def summary(variants: Any = ("smollm2",), complete: Any = True, owed: Any = 0) -> Any:
    of_variant = {}
    for place, variant in enumerate(variants):
        qa = {
            "rouge_l": metric(0.3312, 30, width=0.06, unit="score", primary=True, name="qa"),
            "bleu": metric(17.35, 30, width=4.0, unit="bleu", name="qa"),
            "exact_match": metric(0.0, 30, width=0.05, name="qa"),
            "perplexity": metric(7.1234 - place, 30, width=0.4, unit="ratio", higher=False, name="qa"),
        }
        gsm8k = {"accuracy": metric(0.58 + 0.1 * place, 52, width=0.13, primary=True, name="gsm8k")}
        of_variant[variant] = {
            "datasets": {
                "mcq_zh": _mcq(0.318 + 0.07 * place),
                "qa_en": {"kind": "qa", "subsets": {"all": subset(30, qa)}},
                "gsm8k": {"kind": "gsm8k", "subsets": {"all": subset(52, gsm8k)}},
                "toolbench": _toolbench(0.42 + 0.05 * place),
            }
        }
    return {
        "run": "smollm2-nightly",
        "complete": complete,
        "started": "2026-11-21T03:20:00Z",
        "finished": "2026-11-21T03:31:12Z" if complete else None,
        "variants": of_variant,
        "totals": {
            "samples": 150 * len(variants),
            "owed": owed,
            "reused": 0,
            "requests": 153,
            "retries": 3,
            "errors": 2,
            "prompt_tokens": 184213,
            "completion_tokens": 21877,
            "wall_s": 672.4,
            "requests_per_s": 0.2277,
            "completion_tokens_per_s": 32.5,
        },
        "errors": [{"class": "timeout", "message": "no answer within 120 s", "count": 2}],
        "warnings": ["qa_en: 1 reply holds a lone surrogate; it was replaced"],
    }


def run(variants: Any = ("smollm2",)) -> Any:
    return {
        "format": 1,
        "evalsuite": "0.1.0",
        "command": "evalsuite run --ckpt smollm2 -d mcq:datasets_custom/mcq_zh -d qa:datasets_custom/qa_en.csv -d gsm8k -d toolbench:tools.json",
        "config": {"ckpt": ["smollm2"], "limit": None, "generation": {"temperature": 0.0, "seed": 0}},
        "variants": [
            {
                "name": name,
                "source": name,
                "form": "gguf",
                "backend": "llamacpp",
                "model": name,
                "fingerprint": "ab12cd34ef56" * 5,
                "engine": {"name": "llama.cpp", "version": "b11549"},
            }
            for name in variants
        ],
        "datasets": [
            {
                "name": name,
                "kind": kind,
                "spec": f"{kind}:datasets_custom/{name}",
                "samples": rows,
                "shots": shots,
                "lang": lang,
                "files": [
                    {
                        "path": f"datasets_custom/{name}/test.csv",
                        "sha256": "9f86d081884c7d65" * 4,
                        "rows": rows,
                    }
                ],
            }
            for name, kind, rows, shots, lang in (
                ("mcq_zh", "mcq", 44, 5, "zh"),
                ("qa_en", "qa", 30, 0, "en"),
                ("gsm8k", "gsm8k", 52, 4, "en"),
                ("toolbench", "toolbench", 24, 0, "en"),
            )
        ],
        "versions": {
            "python": "3.11.7",
            "platform": "Linux-6.1-x86_64",
            "packages": {"xllamacpp": "2026.10.11549", "jinja2": "3.1.6"},
        },
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True},
    }


def samples(variants: Any = ("smollm2",)) -> Any:
    for variant in variants:
        yield from mcq_samples(44, variant)
        yield from qa_samples(30, variant)
        yield from gsm8k_samples(52, variant)
        yield from toolbench_samples(22, variant)
        yield from (
            failed(index, dataset="toolbench", subset="out_of_domain", variant=variant) for index in (22, 23)
        )


def flipping_samples(variants: Any) -> Any:
    """Twelve questions to two variants: three right on both sides and three wrong, seven of which one side is not."""
    right, wrong = {"scores": {"accuracy": 1.0}}, {"scores": {"accuracy": 0.0}}
    cut = {"outcome": "truncated", "extracted": None, "stage": "", **wrong}
    missed, other = (wrong | {"labels": [label]} for label in ("off_by_one", "wrong_unit"))
    rows: list[tuple[Any, ...]] = [
        ("won", "The answer is seven, I think.", "The answer is eight, I think.", wrong, right),
        ("lost", "The answer is eight.", "The answer is seven.", right, missed),
        ("zh", "根据题意，本题的答案应当是速度。", "根据题意，本题的答案应当是质量。", right, other),
        ("unlike", "一二三四五六七八九十", "Nothing of it is here, not a word.", right, wrong),
        ("cut", "The answer is seven.", "The answer is", right, cut),
        ("more", "The answer is seven.", "The answer is eight.", right, wrong),
        ("again", "The answer is seven.", "The answer is eight.", right, wrong),
        *((f"wrong{at}", "The answer is 3.", "The answer is 3.", wrong, wrong) for at in range(3)),
        *((f"right{at}", "The answer is 4.", "The answer is 4.", right, right) for at in range(2)),
    ]
    for side, variant in enumerate(variants):
        for place, row in enumerate(rows):
            reply = {"text": row[1 + side], "reasoning": None, "tool_calls": None, "finish_reason": "stop"}
            yield sample(place, variant=variant, id=row[0], reply=reply, **row[3 + side])


def summary_with_breakdowns() -> Any:
    """A dataset of agent steps with the tables its task makes."""
    found = summary()
    whole = found["variants"]["smollm2"]["datasets"]["toolbench"]["subsets"]["all"]

    def table(title: Any, columns: Any, lines: Any, averages: Any = ()) -> Any:
        return {
            "title": title, "note": "", "columns": columns, "averages": list(averages), "filter": None, "lines": lines,
            "n_lines": len(lines), "n_unlisted": 0,
        }  # fmt: skip

    names = ("strict/plan_em", "strict/act_em")
    depths = [
        {"key": [depth], "n": 6, "values": {name: {"value": value, "n": 6} for name in names}}
        for depth, value in (("0", 0.9), ("1", 0.7), ("16–31", 0.3))
    ]
    pairs = [
        {"key": ["the gold tool", "the gold tool"], "n": 6}, {"key": ["the gold tool", "another tool"], "n": 3},
        {"key": ["Finish", "Finish"], "n": 5},
    ]  # fmt: skip
    whole["breakdowns"] = {
        "choices": table("Steps", ["gold step", "reply's step"], pairs),
        "by_depth": table("By depth", ["turns before"], depths, names),
        "by_tools": table("By number of tools", ["tools offered"], depths, names),
    }
    return found


def summary_with_categories() -> Any:
    """Seven subjects in two categories."""
    found = summary()
    subsets = found["variants"]["smollm2"]["datasets"]["mcq_zh"]["subsets"]
    for category, subjects in (("science", SUBJECTS[:2]), ("other", SUBJECTS[2:])):
        metrics = {"accuracy": metric(0.3, 7, primary=True), "accuracy_macro": metric(0.35, 7)}
        part = subset(7 * len(subjects), metrics)
        subsets[f"category:{category}"] = {"category": category, "subjects": list(subjects), **part}
    return found


def samples_with_categories() -> Any:
    """The samples of it."""
    for line in mcq_samples(44):
        yield line | {"categories": ["science" if line["subset"] in SUBJECTS[:2] else "other"]}


def nothing() -> Any:
    return {
        "run": "empty",
        "complete": True,
        "started": "",
        "finished": "",
        "variants": {},
        "totals": {},
        "errors": [],
        "warnings": [],
    }
