"""Does a server give log-probabilities of tokens, and does it continue a prefilled assistant message?

Both are tried before any data is sent: servers silently ignore what they do not know.
"""

from __future__ import annotations

from dataclasses import replace

from evalsuite.endpoint.answer import RequestFailure
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.wire import Generation, encode
from evalsuite.errors import EndpointError, ServerError
from evalsuite.types import LogprobPrompt, Message, Prompt

WORD_TO_REPEAT: Message = {"role": "user", "content": "Repeat this word: XylophoneQuartz"}
WHOLE_TURN = Prompt(messages=[WORD_TO_REPEAT])
PREFILLED_TURN = Prompt(
    messages=[WORD_TO_REPEAT, {"role": "assistant", "content": "XylophoneQu"}], continues=True
)
REST_OF_WORD = "ar"
"""The rest of the word begins like this in any vocabulary. The smallest models can copy a word from the prompt, and no
reply of their own begins like this."""
MOST_PROBABLE = 3
FLAT_PROMPT = Prompt(text="Answer:")
SERVERS_WITH_LOGPROBS = (
    "vLLM, SGLang, LMDeploy, llama.cpp, Ollama and OpenAI's chat models give them, `transformers serve` does not. "
    "Serve the model with one of these, or let it answer in words: --mcq-mode generate."
)


async def find_logprob_form(
    endpoint: Endpoint, generation: Generation, wanted: LogprobPrompt, *, completions: bool, continues: bool
) -> LogprobPrompt:
    """The form of the prompt that the server supports: `wanted` if possible.

    `generation`: the settings of the requests to come. `continues`: the server is known to continue prefilled messages.
    Raises `EndpointError` if there are no log-probabilities, `ServerError` if that cannot be found out.
    """
    one_token = replace(generation, max_tokens=1)
    if wanted == "marker" and not (completions or continues):
        try:
            tokens = await _most_probable(endpoint, PREFILLED_TURN, one_token)
            return "marker" if any(token.startswith(REST_OF_WORD) for token in tokens) else "letter"
        except RequestFailure:  # perhaps only for the prefilled message
            wanted = "letter"
    try:
        await _most_probable(endpoint, FLAT_PROMPT if completions else WHOLE_TURN, one_token)
    except RequestFailure as failure:
        raise _refusal(endpoint, failure) from failure
    return wanted


async def _most_probable(endpoint: Endpoint, prompt: Prompt, generation: Generation) -> list[str]:
    """The texts of the most probable tokens after a prompt. Raises `RequestFailure`."""
    answer = await endpoint.ask(encode(prompt, generation))
    return [str(token) for token, _ in (answer.reply.alternatives or ())[:MOST_PROBABLE]]


def _refusal(endpoint: Endpoint, failure: RequestFailure) -> EndpointError | ServerError:
    said = failure.message.rstrip(".")
    if failure.failure in ("rejected", "no_logprobs"):
        return EndpointError(
            f"{endpoint.base_url}: --mcq-mode logprob reads the log-probabilities of tokens, "
            f"and the server gives none for '{endpoint.model}' ({said}). {SERVERS_WITH_LOGPROBS}"
        )
    return ServerError(
        f"{endpoint.base_url}: cannot tell whether the server gives log-probabilities ({said}). See the server's log."
    )
