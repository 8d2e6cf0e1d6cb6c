"""Pieces that replies to multiple choice questions are made of, in every documented form."""

from __future__ import annotations

CAPITALS = {"A": "Rome", "B": "Bern", "C": "Paris", "D": "Oslo"}
TEN = dict(
    zip(
        "ABCDEFGHIJ",
        ("Rome", "Bern", "Paris", "Oslo", "Lima", "Cairo", "Delhi", "Accra", "Tunis", "Quito"),
        strict=True,
    )
)

WIDE = {label: chr(ord(label) + 0xFEE0) for label in TEN}
CIRCLED = {label: chr(0x24B6 + number) for number, label in enumerate(TEN)}
DECORATIONS = (
    "{}", "({})", "[{}]", "**{}**", "__{}__", "*{}*", "`{}`", '"{}"', "'{}'", "“{}”", "「{}」", "【{}】", "（{}）", "**({})**", "({}", "{})",
    "${}$", r"$\boxed{{{}}}$", r"\boxed{{{}}}", r"\boxed{{\text{{{}}}}}", r"\text{{{}}}", r"\mathrm{{{}}}", r"\({}\)", r"$\mathbf{{{}}}$",
    r"\boxed{{({})}}", "{}\u200b", "\u200b{}", "\ufeff{}", "\u2060({})\u200f", "<b>{}</b>", "<strong>{}</strong>",
)  # fmt: skip

BEFORE = {
    "en": (
        "The answer is {}", "the answer is {}", "Answer: {}", "ANSWER: {}", "answer:{}", "Answer - {}", "Answer – {}", "### Answer\n{}",
        "## Answer: {}", "**Answer**\n\n{}", "Answer\n{}", "**Answer:** {}", "**Answer**: {}", "Ans: {}", "Choice: {}", "My choice: {}",
        "The correct option is {}", "The correct answer is: {}", "The correct answer is option {}", "Final answer: {}", "Correct answer: {}",
        "The final answer is {}", "The best answer is {}", "So the answer must be {}", "The answer to the question is {}", "I choose {}",
        "Therefore, the answer should be {}", "The correct answer is therefore {}", "The right choice is {}", "<answer>{}</answer>",
        "<answer>\n{}\n</answer>", "\\boxed{{{}}}", "The answer is:\n\n{}", "Correct option: {}",
    ),
    "zh": (
        "答案：{}", "答案:{}", "答案是{}", "答案为{}", "正确答案是{}", "正确答案：{}", "正确的是{}", "故选{}", "故选：{}", "应选{}", "选{}", "选择{}", "因此选{}",
        "【答案】{}", "【答案】：{}", "正确选项是{}", "正确选项为{}", "本题答案为{}", "所以答案应为{}", "最终答案：{}", "我选择{}", "答案选{}", "答案是选项{}",
        "正確答案是{}", "故選{}", "應選{}", "選擇{}", "正確選項：{}", "綜上，答案為{}",
    ),
    "es": ("La respuesta es {}", "Respuesta: {}", "La respuesta correcta es {}", "La respuesta correcta es la {}", "La respuesta final es la opción {}",
           "La opción correcta es {}", "**Respuesta:** {}", "Respuesta correcta: {}"),
    "fr": ("La réponse est {}", "Réponse : {}", "La bonne réponse est {}", "La bonne réponse est la {}", "La réponse correcte est {}", "La bonne option est {}",
           "Réponse finale : {}", "La réponse correcte est l'option {}"),
    "de": ("Die Antwort ist {}", "Antwort: {}", "Die richtige Antwort ist {}", "Die richtige Antwort lautet {}", "Die korrekte Antwort ist Option {}",
           "Lösung: {}", "Richtig ist {}", "Die richtige Option ist {}"),
    "pt": ("A resposta é {}", "Resposta: {}", "A resposta correta é {}", "A resposta correta é a {}", "A resposta certa é a letra {}", "Alternativa correta: {}",
           "Gabarito: {}", "A alternativa correta é a {}"),
    "it": ("La risposta è {}", "Risposta: {}", "La risposta corretta è {}", "La risposta corretta è la {}", "La risposta giusta è l'opzione {}",
           "Risposta corretta: {}", "L'opzione corretta è {}"),
    "ru": ("Ответ: {}", "Правильный ответ: {}", "Правильный ответ — {}", "Ответ — {}", "Верный ответ: {}", "Правильный вариант: {}", "Правильный ответ это {}"),
    "ar": ("الإجابة هي {}", "الإجابة: {}", "الإجابة الصحيحة هي {}", "الجواب هو {}", "الجواب الصحيح: {}", "الخيار الصحيح هو {}"),
    "ja": ("答え：{}", "答えは{}です", "正解は{}", "正解：{}", "正解は{}です。", "正しい答えは{}", "解答：{}", "回答：{}", "正しい選択肢は{}です"),
    "ko": ("정답: {}", "정답은 {}입니다", "답: {}", "답은 {}입니다.", "정답은 {}", "올바른 답은 {}입니다"),
    "vi": ("Đáp án: {}", "Đáp án là {}", "Đáp án đúng là {}", "Câu trả lời là {}", "Câu trả lời đúng là {}", "Chọn {}", "Phương án đúng là {}"),
    "th": ("คำตอบคือ {}", "คำตอบ: {}", "คำตอบที่ถูกต้องคือ {}", "ตอบ {}", "คำตอบที่ถูกต้องคือข้อ {}"),
}  # fmt: skip
"""Markers before the label, in which a reply may go on after the label."""

AFTER = {
    "en": ("{} is the answer", "{} is the correct answer", "Option {} is correct", "option {} is the correct answer", "So {} is the right answer",
           "{} is the best answer", "Therefore, option {} is correct", "{} is the correct option", "{} is correct"),
    "zh": ("{}选项正确", "选项{}正确", "{}是正确答案", "{}为正确答案", "{}是正确的", "{}项正确", "選項{}正確"),
    "es": ("{} es la respuesta correcta", "La opción {} es correcta", "{} es la respuesta"),
    "fr": ("{} est la bonne réponse", "{} est la réponse", "L'option {} est correcte"),
    "de": ("{} ist die richtige Antwort", "{} ist die Antwort", "Option {} ist richtig"),
    "pt": ("{} é a resposta correta", "A opção {} é correta", "{} é a resposta"),
    "it": ("{} è la risposta corretta", "L'opzione {} è corretta", "{} è la risposta"),
    "ru": ("{} — правильный ответ", "{} является правильным ответом", "Вариант {} верный"),
    "ar": ("{} هي الإجابة الصحيحة", "{} هو الجواب", "الخيار {} صحيح"),
    "ja": ("{}が正解です", "{}が正解", "{}が正しい答えです", "選択肢{}が正しい"),
    "ko": ("{}가 정답입니다", "{}이 정답이다", "{}가 답입니다"),
    "vi": ("{} là đáp án đúng", "{} là đáp án", "Phương án {} đúng"),
    "th": ("{} คือคำตอบ", "{} เป็นคำตอบที่ถูกต้อง", "ข้อ {} ถูกต้อง"),
}  # fmt: skip
"""Markers after the label."""

EXPLANATIONS = (
    "", ".", "。", "\n", ".\n\nExplanation: Rome is in Italy, Bern in Switzerland.", " because it lies on the Seine.", ", because A and B are not in France.",
    ". A dog would know.", ". I think so.", "\n\nA and B are cities too.", ". B12 is a vitamin.", ". H₂O and CO2 are molecules; C6H12O6 is sugar.",
    ". Statements I, II and III hold.", "\n\n(I) and (II) are true.", ", not A.", ", not B", ". C-H bonds break, Na+ does not.", ". E. coli grows.",
    "\nExplanation: A is wrong, B is wrong.", "\n\nA. Rome is in Italy.\nB. Bern is in Switzerland.\nD. Oslo is in Norway.", "，因为A不对。", "。因为B是错的", "，不是A",
    "\n解析：A选项错误，B选项错误。", "\n\n解析：选项A描述的是意大利。", "。A、B都不对。", ". The others (A, B, D) are wrong.", " - it is in France", " — it is in France",
    " (it is in France)", ", porque está en Francia.", ", car elle est en France.", ", weil sie in Frankreich liegt.", ", porque fica na França.",
    ", perché è in Francia.", ", потому что это Франция.", "。フランスにあるからです。", ". 프랑스에 있습니다.", ", vì nó ở Pháp.", " เพราะอยู่ในฝรั่งเศส",
    ". Who chose B made a mistake.", ". A common mistake is to think of D as near.", "\n\nNote: vitamin A and vitamin D are fat-soluble.",
    ". The DNA of E and F differs.", ". It has 5 °C in winter.", ". x = A + B does not matter.", ". A plan B would be to ask.", ". \n\n---\n*Plan A* failed.",
)  # fmt: skip
"""What may follow an answer: it names other letters, but no other answer."""
