"""The one boundary at which failures become answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from logging import Logger
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolResult,
    InputRequiredResult,
    TextContent,
)
from pydantic import ValidationError

from . import consent
from .answer_size import sendable
from .audit import Ending
from .callers import is_permitted
from .elicitation import INPUT_REQUIRED_VERSION, InputRequired
from .errors import InvalidRequest, MCPExtensionError, NotANotebook, NotFound, NotPermitted
from .failures import is_failure
from .text import encodable, printable
from .tools.running import resume
from .tools.toolset import READ, Tool, ToolContext

RESOURCE_NOT_FOUND = -32002
"""Until 2025-11-25; later revisions have INVALID_PARAMS for it."""

REFUSED = -32010
"""Ours: a resource that cannot be had by this login, or on this server."""

MAX_FAILURE_CHARS = 20_000
"""How much is told of what went wrong."""

MAX_PLACE_CHARS = 80
"""How much of the name of an argument."""

Handler = Callable[[Any, Any], Awaitable[Any]]


def guarded(handler: Handler, log: Logger) -> Handler:
    """The same, for those who may read contents; what goes wrong becomes an error of MCP."""

    async def handle(ctx: Any, params: Any) -> Any:
        try:
            if not await is_permitted(ctx, *READ):
                raise NotPermitted(ctx.method, *READ)
            return await handler(ctx, params)
        except MCPExtensionError as error:
            raise _protocol_error(error, ctx) from error
        except MCPError:
            raise
        except BaseException as error:
            # A bug of ours, which becomes an answer too.
            if not is_failure(error):
                raise
            raise MCPError(INTERNAL_ERROR, _told_of_bug(ctx.method, error, log)) from error

    return handle


def _protocol_error(error: MCPExtensionError, ctx: Any) -> MCPError:
    uri = (ctx.params or {}).get("uri")
    data = None if uri is None else {"uri": uri}
    if isinstance(error, NotFound | NotANotebook):
        is_newer = ctx.protocol_version >= INPUT_REQUIRED_VERSION
        code = INVALID_PARAMS if is_newer else RESOURCE_NOT_FOUND
    else:
        code = INVALID_PARAMS if isinstance(error, InvalidRequest) else REFUSED
    return MCPError(code, _short(str(error)), data)


async def answer(
    tool: Tool, context: ToolContext, arguments: dict[str, Any], log: Logger, ending: Ending
) -> CallToolResult | InputRequiredResult:
    """Call the tool; what goes wrong becomes a result that says so."""
    # A call that answers a run's question was made before: it must not be done twice. Consent is
    # asked for before anything is done.
    state = context.elicitation.state
    instead = resume if state and not state.startswith(consent.STATE) else None
    try:
        result = CallToolResult(content=[*sendable(await tool.call(context, arguments, instead))])
        ending.end("ok")
        return result
    except InputRequired as question:
        ending.end("asked")
        return question.result
    except BaseException as error:
        # Whatever it is, the model is told as much as helps it.
        if not is_failure(error):
            raise
        ending.end("error", error)
        told = TextContent(type="text", text=_short(_explained(tool.name, error, log)))
        return CallToolResult(content=[told], is_error=True)


def _short(text: str) -> str:
    """What went wrong, which may name what the caller sent, whatever its length."""
    more = len(text) - MAX_FAILURE_CHARS
    return encodable(f"{text[:MAX_FAILURE_CHARS]}… {more} more" if more > 0 else text)


def _explained(tool: str, error: BaseException, log: Logger) -> str:
    if isinstance(error, MCPExtensionError):
        return str(error)
    if isinstance(error, ValidationError):
        return f"{tool} cannot take these arguments. {_explain(error)}"
    return _told_of_bug(tool, error, log)


def _told_of_bug(what: str, error: BaseException, log: Logger) -> str:
    """The log has all of it; the client must not see our internals."""
    log.error("%s failed", what, exc_info=error)
    return f"{what} failed inside the Jupyter server; its log has the reason."


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)[:5]
    return "; ".join(f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems) + "."


def _place(names: Sequence[int | str]) -> str:
    # A name that is not known may be anything.
    return printable(".".join(map(str, names))[:MAX_PLACE_CHARS]) or "arguments"
