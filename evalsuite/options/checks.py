"""Checks of single values. Each returns the value, completed where needed, or raises `ValueError` with the reason."""

import re

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"api_?key|password|secret|(^|_)(token|auth|authorization|bearer)$")
_PRICE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*,\s*(\d+(?:\.\d+)?|\.\d+)\s*")


def check_url(value: str) -> str:
    """Complete the address of an OpenAI endpoint (see `endpoint.base_url`)."""
    from evalsuite.endpoint.base_url import complete_url

    return complete_url(value)


def check_variable(value: str) -> str:
    """Accept the name of an environment variable."""
    if not _VARIABLE.fullmatch(value):
        raise ValueError("write the name of an environment variable, never the key itself")
    return value


def check_server_arguments(value: dict[str, str]) -> dict[str, str]:
    """Refuse keys, and the chat template that has an option of its own."""
    if any(_SECRET.search(key.lower().replace("-", "_")) for key in value):
        raise ValueError("a key is never an option's value; servers read it from the environment")
    if any(map(_is_chat_template, value, value.values())):
        raise ValueError("use --chat-template FILE for a chat template: every engine understands it")
    return value


def _is_chat_template(key: str, text: str) -> bool:
    """Whether a server argument names a Jinja template; LMDeploy takes a JSON file of its own format."""
    return key.lstrip("-").replace("-", "_") == "chat_template" and not text.endswith(".json")


def check_stop(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse the empty stop string."""
    if "" in value:
        raise ValueError("an empty stop string would end every reply at once")
    return value


def check_folder_name(value: str) -> str:
    """Accept the name of one folder, without a path."""
    if not value.strip() or value in (".", "..") or any(character in value for character in "/\\\0"):
        raise ValueError("a run's name is the name of one folder; use --out for the folder above it")
    return value


def check_price(value: str) -> str:
    """Accept two prices."""
    if parse_price(value) is None:
        raise ValueError(
            "write the prices of a million prompt tokens and a million reply tokens, such as 0.15,0.6 (in any currency)"
        )
    return value


def parse_price(text: str | None) -> tuple[float, float] | None:
    """Parse `--price IN,OUT`: the price of a million prompt tokens and of a million reply tokens. None if it is no price."""
    match = _PRICE.fullmatch(text) if text else None
    return (float(match[1]), float(match[2])) if match else None


def read_price(value: object) -> object:
    """Read prices given as a list of two numbers."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def check_reasoning_tags(value: tuple[str, ...]) -> tuple[str, ...]:
    """Accept pairs of an opening and a closing tag."""
    for pair in value:
        opening, comma, closing = (part.strip() for part in pair.partition(","))
        if not opening or not comma or not closing or "," in closing:
            raise ValueError(
                "write the opening and the closing tag with a comma between, such as '<reason>,</reason>'"
            )
    return value


def read_columns(value: object) -> object:
    """Read `question=Q,answer=A` as names by role; a mapping stays as it is. Raises `ValueError`."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(role.strip() and equals and column.strip() for role, equals, column in pairs):
        raise ValueError("write ROLE=COLUMN pairs with commas between, such as question=Q,answer=A")
    return {role.strip(): column.strip() for role, _, column in pairs}
