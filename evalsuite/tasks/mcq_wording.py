"""The sentences around a multiple-choice question, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalsuite.tasks.style import Language


@dataclass(frozen=True, slots=True)
class McqWording:
    """The sentences of a prompt in one language."""

    header: str
    header_without_subject: str
    header_ceval: str
    multiple: str
    direct: str
    cot: str
    letter: str
    marker: str
    letters: str
    several: str
    reasoning: str


WORDINGS: Mapping[Language, McqWording] = {
    "zh": McqWording(
        header="以下是关于{subject}的选择题，请选出正确答案。",
        header_without_subject="以下是选择题，请选出正确答案。",
        header_ceval="以下是中国关于{subject}考试的单项选择题，请选出其中的正确答案。",
        multiple="正确选项可能有一个或多个，请全部选出。",
        direct="请直接按“{marker}{letters}”的格式作答，不要解释。",
        cot="请先一步一步思考，最后一行按“{marker}{letters}”的格式作答。",
        letter="请只回答正确选项的字母，不要解释。",
        marker="答案：",
        letters="X",
        several="XY",
        reasoning="让我们一步一步思考。",
    ),
    "en": McqWording(
        header="The following are multiple choice questions about {subject}. Choose the correct option.",
        header_without_subject="The following are multiple choice questions. Choose the correct option.",
        header_ceval="The following are multiple choice questions about {subject}. Choose the correct option.",
        multiple="One or more options may be correct; give all of them.",
        direct='Reply only in the form "{marker}{letters}", without an explanation.',
        cot='Think step by step, then end with a last line of the form "{marker}{letters}".',
        letter="Reply only with the letter of the correct option, without an explanation.",
        marker="Answer: ",
        letters="X",
        several="XY",
        reasoning="Let's think step by step.",
    ),
}
