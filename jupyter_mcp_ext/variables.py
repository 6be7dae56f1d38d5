"""What a kernel's variables are, without a trace in its namespace or history."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from anyio import fail_after

from .connection import KernelConnection
from .control import is_busy, subshell_of
from .errors import InvalidRequest, Unavailable

ANSWER_SECONDS = 10.0
"""How long a kernel may take to describe its variables."""

_RUN = """(lambda scope: (
    __import__("builtins").exec({code!r}, scope),
    type("Text", (str,), {{"__repr__": str.__str__}})(
        __import__("json").dumps(scope[{function!r}](
            __import__("builtins").globals(), {argument!r}
        ))
    ),
)[1])({{"__name__": "jupyter_mcp_ext"}})"""
"""An expression, so that the kernel keeps nothing of it. Its value is shown as the JSON it is."""


class Variables:
    """Asks kernels about their variables, also while they are busy if they have sub-shells."""

    async def list(self, connection: KernelConnection, pattern: str) -> dict[str, Any]:
        """`variables`, of which each has `name`, `type`, `extent`, `size` (bytes) and `text`, and
        how many more were `omitted`. `pattern` is one of file names, such as `df*`.

        Raises:
            Unavailable: the kernel's language is not known here, or it does not answer.
            NoSubshells: it is busy and can only be asked when it is not.
        """
        return await self._ask(connection, "describe_all", pattern)

    async def inspect(self, connection: KernelConnection, name: str) -> dict[str, Any]:
        """As one of `list`, and texts as `details`. In Python, `name` may have dots.

        Of a kernel of another language, `details` have what it says to an inspect request.

        Raises:
            InvalidRequest: there is no such variable.
            Unavailable, NoSubshells: as `list`.
        """
        if _language(connection) != "python":
            return await self._inspect_by_protocol(connection, name)
        if not all(part.isidentifier() for part in name.split(".")):
            raise InvalidRequest(f"{name!r} is no name.", "Name a variable, or module.function.")
        return await self._ask(connection, "describe_one", name)

    async def _inspect_by_protocol(self, connection: KernelConnection, name: str) -> dict[str, Any]:
        content = {"code": name, "cursor_pos": len(name), "detail_level": 0}
        try:
            reply = await connection.request(
                "inspect_request", content, ANSWER_SECONDS, channel="shell"
            )
        except TimeoutError:
            raise _unanswered() from None
        if not reply.get("found"):
            raise InvalidRequest(
                f"This kernel knows nothing of {name!r}.", "Look at it with execute_code."
            )
        data = reply.get("data")
        text = str(data.get("text/plain", "")) if isinstance(data, dict) else ""
        facts = {"name": name, "type": "", "extent": "", "size": 0, "text": ""}
        return facts | {"details": [text]}

    async def _ask(
        self, connection: KernelConnection, function: str, argument: str
    ) -> dict[str, Any]:
        language = _language(connection)
        if language != "python":
            raise Unavailable(
                f"Variables of a {language or 'nameless'} kernel are not known here.",
                "Ask for them with execute_code.",
            )
        expression = _RUN.format(code=_snippet(), function=function, argument=argument)
        subshell = await subshell_of(connection) if await is_busy(connection) else ""
        try:
            with fail_after(ANSWER_SECONDS):
                result = await connection.evaluate(expression, subshell=subshell)
        except TimeoutError:
            raise _unanswered() from None
        return _parse(result, argument)


def _language(connection: KernelConnection) -> str:
    return re.sub(r"[^\w+#. -]", "", connection.readiness.language)[:40]


def _unanswered() -> Unavailable:
    return Unavailable(
        f"The kernel did not describe its variables within {ANSWER_SECONDS:g} s.",
        "It may be busy: try again later.",
    )


@cache
def _snippet() -> str:
    return (files("jupyter_mcp_ext") / "snippets/python.py").read_text(encoding="utf-8")


def _parse(result: dict[str, Any], argument: str) -> dict[str, Any]:
    if result.get("status") != "ok":
        if result.get("ename") in ("KeyError", "AttributeError"):
            raise InvalidRequest(
                f"There is no {argument!r} in this kernel.", "Call list_variables."
            )
        # What a kernel says must not look like words of ours.
        reason = re.sub(r"\W", "", str(result.get("ename", "")))[:60] or "it died"
        raise Unavailable(
            f"The kernel could not describe its variables: {reason}.",
            "Look at them with execute_code.",
        )
    try:
        return dict(json.loads(result["data"]["text/plain"]))
    except (KeyError, TypeError, ValueError):
        raise Unavailable(
            "The kernel's description of its variables cannot be read.",
            "Look at them with execute_code.",
        ) from None
