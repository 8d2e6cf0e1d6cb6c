"""What a probe found out about an endpoint, as one value that never changes afterwards. See `probe`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalsuite.endpoint.wire import TokenLimit


@dataclass(frozen=True, slots=True)
class EndpointCapabilities:
    """How a server must be asked and what is known of its model. The defaults hold before it is probed."""

    verified: bool = False
    """Whether a probe request has succeeded: from then on a refusal concerns one sample, not the endpoint."""
    token_limit_field: TokenLimit = "max_tokens"  # noqa: S105 (a field name)
    """The request field that limits a reply's tokens; OpenAI's reasoning models only accept the newer name."""
    accepts_temperature: bool = True
    """Whether requests may carry a temperature; some judges only accept their own."""
    model_details: Mapping[str, Any] = field(default_factory=dict)
    """What `/models` says of the model that tells one checkpoint from another."""
    cache_per_slot: bool = False
    """Whether simultaneous requests do not share a prefix cache (llama.cpp has one cache per slot)."""
