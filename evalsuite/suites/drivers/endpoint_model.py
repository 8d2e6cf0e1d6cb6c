"""OpenCompass's own OpenAI client, without the tokenizer that it would download. OpenCompass imports it."""

from __future__ import annotations

from opencompass.models import OpenAISDK


class EndpointModel(OpenAISDK):
    """A served model. Prompts are never truncated here, so their length in tokens is not needed."""

    def _init_tokenizer(self) -> None:
        """Load no tokenizer."""

    def get_token_len(self, prompt: str) -> int:
        """Return 0, so that nothing is truncated."""
        return 0
