"""OpenCompass's own OpenAI client, without the tokenizer that it would look for on a hub. Imported by OpenCompass."""

from __future__ import annotations

from opencompass.models import OpenAISDK


class EndpointModel(OpenAISDK):
    """A served model. Prompts are never cut here, so their length in tokens is not needed."""

    def _init_tokenizer(self) -> None:
        """None is loaded."""

    def get_token_len(self, prompt: str) -> int:
        """No length that would shorten anything."""
        return 0
