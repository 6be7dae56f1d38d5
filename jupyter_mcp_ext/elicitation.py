"""Ask the person at the MCP client, in the way of the client's protocol era."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import create_task_group
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)

INPUT_REQUIRED_VERSION = "2026-07-28"
"""From this revision on, a question ends the call, and its answer comes with the next one."""

FIELD = "text"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {FIELD: {"type": "string", "title": "Answer"}},
}

YES_OR_NO: dict[str, Any] = {"type": "object", "properties": {}}
"""Nothing to fill in: accepting it is the answer."""


class NotAsked(Exception):
    """The client could not put the question to anybody; not an error."""


class InputRequired(Exception):
    """Ends a call with a question; not an error."""

    def __init__(self, question: str, state: str, schema: dict[str, Any]) -> None:
        super().__init__(question)
        self.question = question
        self.state = state
        self.schema = schema

    @property
    def result(self) -> InputRequiredResult:
        """What asks the client to answer and to call again."""
        params = ElicitRequestFormParams(message=self.question, requested_schema=self.schema)
        request = ElicitRequest(params=params)
        return InputRequiredResult(input_requests={FIELD: request}, request_state=self.state)


class Elicitation:
    """Asks on behalf of one tool call; `context` is the SDK's of its request."""

    def __init__(self, context: Any, params: CallToolRequestParams) -> None:
        self._session = context.session
        self._request_id = context.request_id
        self._ends_call = context.protocol_version >= INPUT_REQUIRED_VERSION
        self._params = params

    @property
    def is_possible(self) -> bool:
        """Whether the client can show a form, and we can reach it."""
        capabilities = self._session.client_capabilities
        elicitation = capabilities and capabilities.elicitation
        if not elicitation or (elicitation.form is None and elicitation.url is not None):
            return False
        return self._ends_call or bool(self._session.can_send_request)

    @property
    def state(self) -> str:
        """The state of the question that this call answers, "" for a call that answers none."""
        return self._params.request_state or ""

    async def ask(
        self, question: str, state: str, settled: Callable[[], Awaitable[None]]
    ) -> str | None:
        """The answer; None if the person gives none or `settled` returns first.

        `state` names the question among all that are open.

        Raises:
            InputRequired: the answer can only come with another call.
            NotAsked: nobody has seen the question.
        """
        result = await self._result(question, state, settled, SCHEMA)
        return None if result is None else _text(result)

    async def confirm(
        self, question: str, state: str, settled: Callable[[], Awaitable[None]]
    ) -> bool:
        """As `ask`, for what the person can only accept or not."""
        result = await self._result(question, state, settled, YES_OR_NO)
        return result is not None and result.action == "accept"

    async def _result(
        self,
        question: str,
        state: str,
        settled: Callable[[], Awaitable[None]],
        schema: dict[str, Any],
    ) -> ElicitResult | None:
        if not self._ends_call:
            return await self._push(question, settled, schema)
        responses = self._params.input_responses
        if self.state != state or responses is None:
            raise InputRequired(question, state, schema)
        response = responses.get(FIELD)
        return response if isinstance(response, ElicitResult) else None

    async def _push(
        self, question: str, settled: Callable[[], Awaitable[None]], schema: dict[str, Any]
    ) -> ElicitResult | None:
        result: ElicitResult | None = None
        failure: MCPError | None = None
        async with create_task_group() as tasks:

            async def give_up() -> None:
                await settled()
                tasks.cancel_scope.cancel()

            tasks.start_soon(give_up)
            try:
                result = await self._session.elicit_form(question, schema, self._request_id)
            except MCPError as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise NotAsked from failure
        return result


def _text(result: ElicitResult) -> str | None:
    if result.action != "accept":
        return None
    return str((result.content or {}).get(FIELD) or "")
