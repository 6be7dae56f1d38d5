"""Who calls, as the request tells that brought the call."""

from __future__ import annotations

from hashlib import blake2b
from secrets import token_bytes
from typing import Any

from jupyter_server.utils import ensure_async

from .agent import Agent
from .text import printable

MAX_NAME_CHARS = 60
"""How much of a client's name is shown to others."""

_SECRET = token_bytes(16)
"""Of this process: what is known of agents ends with it."""


def agent_of(handler: Any, client: Any) -> Agent:
    """The agent of a request that Jupyter's `handler` let in; `client` is as it says itself."""
    headers, user = handler.request.headers, handler.current_user
    login = headers.get("Authorization") or handler.get_argument("token", "")
    name, title = (
        ("", "") if client is None else (client.client_info.name, client.client_info.title)
    )
    who = [login or str(user.username), handler.login, name]
    return Agent(
        id=_digest(headers.get("Mcp-Session-Id", ""), *who),
        name=printable((title or _in_words(name))[:MAX_NAME_CHARS]),
        user=printable(user.display_name) if handler.login else "",
        client=_digest(*who),
    )


def _digest(*words: str) -> str:
    # Others may see it, and must not be able to try tokens on it.
    return blake2b("\0".join(words).encode(), key=_SECRET, digest_size=8).hexdigest()


def _in_words(name: str) -> str:
    """`claude-code` as "Claude Code"; a name with its own capitals stays."""
    return name.replace("-", " ").title() if name.islower() else name


def jupyter_handler(ctx: Any) -> Any:
    """Jupyter's handler of the HTTP request."""
    return ctx.request.scope["state"]["jupyter_handler"]


async def is_permitted(ctx: Any, action: str, resource: str) -> bool:
    """What Jupyter's authorizer says of the login of this request."""
    handler = jupyter_handler(ctx)
    user = handler.current_user
    return bool(
        await ensure_async(handler.authorizer.is_authorized(handler, user, action, resource))
    )
