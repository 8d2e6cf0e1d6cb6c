"""How fast free answers are scored: ratios on one core, both sides in turn over the same generated pairs.

    ROUGE-1/2/L, English             against rouge-score
    ROUGE-1/2/L, Chinese             against jieba's words scored by rouge-score; the values must be equal
    the default scores of `qa`       against EvalScope's general_qa, in an environment of its own
    a pair of 10,000 tokens          seconds

EvalScope's side runs in the environment given with --evalscope (a Python that can import it, with NLTK's `punkt_tab`
within reach), else its speed is taken from what was measured elsewhere, and the output says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

from evalsuite.metrics import bleu, rouge
from evalsuite.metrics.text import tokenize_pair
from evalsuite.tasks.qa import QaTask
from evalsuite.tasks.style import Language, Style
from evalsuite.types import Reply

Pair = tuple[str, str]

BLOCK = 250
"""Pairs that one side scores before the other has its turn, so that both meet the same machine."""
EVALSCOPE_ROWS_PER_S: dict[Language, float] = {"en": 148.0, "zh": 86.0}
"""Measured on another machine, on one core, over pairs of about 100 words."""
LANGUAGES: dict[Language, str] = {"en": "English", "zh": "Chinese"}
ROUGE_NAMES = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


# ---------------------------------------------------------------- pairs


def english_pairs(count: int, words: int, seed: int = 0) -> list[Pair]:
    """Invented words, as frequent as words of a language are, with commas and full stops."""
    generator = random.Random(seed)
    syllables = [
        first + rest for first in "bcdfghklmnprstvw" for rest in ("a", "e", "i", "o", "u", "an", "er")
    ]
    words_of_language = [
        "".join(generator.choices(syllables, k=generator.choice((1, 1, 2, 2, 2, 3, 3, 4))))
        for _ in range(8000)
    ]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words_of_language))))
    return _pairs(count, words, generator, words_of_language, weights, (", ", ". "), " ")


def chinese_pairs(count: int, words: int, seed: int = 0) -> list[Pair]:
    """Words of jieba's dictionary, as frequent as it says, with numbers, Latin names and punctuation."""
    import jieba

    dictionary = [line.split(" ") for line in jieba.get_dict_file().read().decode().splitlines()]
    generator = random.Random(seed)
    words_of_language = [line[0] for line in dictionary]
    weights = list(accumulate(int(line[1]) for line in dictionary))
    total = weights[-1]
    for word, share in (("2024", 0.01), ("3.5%", 0.005), ("LoRA", 0.005), ("GPT-4", 0.002), ("10-20", 0.001)):
        words_of_language.append(word)
        weights.append(weights[-1] + round(total * share))
    return _pairs(count, words, generator, words_of_language, weights, ("，", "。"), "")


def _pairs(
    count: int,
    length: int,
    generator: random.Random,
    words: Sequence[str],
    weights: Sequence[float],
    marks: tuple[str, str],
    space: str,
) -> list[Pair]:
    """A reference, and a prediction that leaves a sixth of it out and says a fifth of it otherwise."""

    def written(chosen: Sequence[str]) -> str:
        clauses = [space.join(chosen[start : start + 11]) for start in range(0, len(chosen), 11)]
        return "".join(clause + marks[number % 3 == 2] for number, clause in enumerate(clauses)).strip()

    found = []
    for _ in range(count):
        reference = generator.choices(words, cum_weights=weights, k=length)
        others = generator.choices(words, cum_weights=weights, k=length)
        prediction = [
            other if generator.random() < 0.2 else word
            for word, other in zip(reference, others, strict=True)
            if generator.random() > 1 / 6
        ]
        found.append((written(reference), written(prediction)))
    return found


# ---------------------------------------------------------------- the sides


def our_rouge(reference: str, prediction: str) -> dict[str, float]:
    """Tokens and all nine values."""
    return rouge.score(*tokenize_pair(reference, prediction)).values()


def rouge_score_english() -> Callable[[str, str], dict[str, float]]:
    """rouge-score as it is used."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE_NAMES))
    return lambda reference, prediction: _named(scorer.score(reference, prediction))


def rouge_score_over_jieba() -> Callable[[str, str], dict[str, float]]:
    """rouge-score on words that jieba cut, white space dropped."""
    import jieba
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import Tokenizer

    class Cut(Tokenizer):  # type: ignore[misc]
        """jieba's words."""

        def tokenize(self, text: str) -> list[str]:
            return [word for word in jieba.cut(text) if not word.isspace()]

    jieba.setLogLevel(60)
    jieba.initialize()
    scorer = RougeScorer(list(ROUGE_NAMES), tokenizer=Cut())
    return lambda reference, prediction: _named(scorer.score(reference, prediction))


def _named(scores: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for theirs, ours in ROUGE_NAMES.items():
        one = scores[theirs]
        found |= {ours: one.fmeasure, f"{ours}_precision": one.precision, f"{ours}_recall": one.recall}
    return found


def score_default(pairs: Sequence[Pair], lang: Language) -> None:
    """All default scores of `qa` for each pair, then the corpus scores."""
    task, style = QaTask(), Style(lang, 0, data_lang=lang)
    scores = [
        task.score(task.row_from_gold(reference, style), Reply(prediction), style)
        for reference, prediction in pairs
    ]
    bleu.bleu_from_statistics(bleu.add_statistics(score.statistics["bleu"] for score in scores))
    bleu.chrf_from_statistics(bleu.add_statistics(score.statistics["chrf"] for score in scores))


@contextmanager
def general_qa(python: str) -> Iterator[Callable[[Sequence[Pair]], float]]:
    """EvalScope's side as a process; yields what scores pairs and returns the seconds it took."""
    data = Path(python).absolute().parents[1] / "unpacked/llama_index/core/_static/nltk_cache"
    found = {"NLTK_DATA": str(data)} if data.is_dir() else {}
    command = [python, str(Path(__file__).with_name("general_qa.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | found
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        replies = process.stdout

        def seconds(pairs: Sequence[Pair]) -> float:
            assert process.stdin is not None
            process.stdin.write(json.dumps(pairs) + "\n")
            process.stdin.flush()
            return float(replies.readline())

        yield seconds
        process.stdin.close()


# ---------------------------------------------------------------- measuring


def seconds_of(score: Callable[[Sequence[Pair]], object], pairs: Sequence[Pair]) -> float:
    """How long one side takes for the pairs."""
    start = time.process_time()
    score(pairs)
    return time.process_time() - start


def in_turn(
    pairs: Sequence[Pair], ours: Callable[[Sequence[Pair]], float], theirs: Callable[[Sequence[Pair]], float]
) -> tuple[float, float]:
    """Seconds of each side over all pairs; what is loaded once is loaded before."""
    ours(pairs[:5])
    theirs(pairs[:5])
    totals = [0.0, 0.0]
    for start in range(0, len(pairs), BLOCK):
        block = pairs[start : start + BLOCK]
        totals[0] += ours(block)
        totals[1] += theirs(block)
    return totals[0], totals[1]


def compare_rouge(lang: Language, pairs: Sequence[Pair], target: float) -> None:
    """One line: speed of both sides, and how far the values are apart at most."""
    other = rouge_score_over_jieba() if lang == "zh" else rouge_score_english()
    ours, theirs = in_turn(
        pairs,
        lambda block: seconds_of(lambda some: [our_rouge(*pair) for pair in some], block),
        lambda block: seconds_of(lambda some: [other(*pair) for pair in some], block),
    )
    apart = max(
        abs(value - expected[name])
        for pair in pairs[:: max(1, len(pairs) // 500)]
        for expected in (other(*pair),)
        for name, value in our_rouge(*pair).items()
    )
    label = f"ROUGE-1/2/L, {LANGUAGES[lang]}"
    _print(label, len(pairs) / ours, "rouge-score", len(pairs) / theirs, target, f"values within {apart:.0e}")


def compare_default(lang: Language, pairs: Sequence[Pair], python: str | None, target: float) -> None:
    """One line: speed of the whole default scoring, and of EvalScope's."""
    label = f"default qa scores, {LANGUAGES[lang]}"

    def ours(block: Sequence[Pair]) -> float:
        return seconds_of(lambda some: score_default(some, lang), block)

    if python is None:
        taken = sum(ours(pairs[start : start + BLOCK]) for start in range(0, len(pairs), BLOCK))
        remark = "as measured elsewhere: give --evalscope to measure it here"
        _print(label, len(pairs) / taken, "general_qa", EVALSCOPE_ROWS_PER_S[lang], target, remark)
        return
    with general_qa(python) as theirs:
        taken, theirs_taken = in_turn(pairs, ours, theirs)
    _print(label, len(pairs) / taken, "general_qa", len(pairs) / theirs_taken, target, "")


def time_long_pairs(tokens: int, target: float) -> None:
    """Seconds of one long pair: ordinary ones, and where every token differs or none does."""
    pairs: dict[str, tuple[Language, Pair]] = {
        "English": ("en", english_pairs(1, tokens)[0]),
        "Chinese": ("zh", chinese_pairs(1, tokens)[0]),
        "all different": (
            "en",
            (" ".join(map(str, range(tokens))), " ".join(map(str, range(tokens, 0, -1)))),
        ),
        "all the same": ("en", ("so " * tokens, "so " * tokens)),
        "every character different": ("zh", ("".join(map(chr, range(0x4E00, 0x4E00 + tokens))),) * 2),
    }
    for name, (lang, pair) in pairs.items():
        taken = min(seconds_of(lambda some, lang=lang: score_default(some, lang), [pair]) for _ in range(3))  # type: ignore[misc]
        print(
            f"{tokens} tokens a side, {name:26} {taken:6.3f} s   at most {target:g}   {_verdict(taken <= target)}"
        )


def _print(label: str, ours: float, name: str, theirs: float, target: float, remark: str) -> None:
    ratio = ours / theirs
    reached = _verdict(ratio >= target)
    print(
        f"{label:28} {ours:8.0f}/s   {name:12} {theirs:6.0f}/s   {ratio:5.1f} ×   at least {target:g}   {reached}   {remark}",
        flush=True,
    )


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=100)
    oracle = Path(os.environ.get("EVALSUITE_ORACLES", ".venv-oracles")) / "evalscope" / "bin" / "python"
    parser.add_argument("--evalscope", metavar="PYTHON", default=str(oracle) if oracle.exists() else None)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pairs: dict[Language, list[Pair]] = {
        "en": english_pairs(options.pairs, options.words),
        "zh": chinese_pairs(options.pairs, options.words),
    }
    print(f"{options.pairs} pairs of about {options.words} words, one core, Python {sys.version.split()[0]}")
    compare_rouge("en", pairs["en"], target=20)
    compare_rouge("zh", pairs["zh"], target=5)
    for lang in LANGUAGES:
        compare_default(lang, pairs[lang], options.evalscope, target=8)
    time_long_pairs(10_000, target=0.1)


if __name__ == "__main__":
    main()
