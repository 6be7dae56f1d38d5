"""What a tool is: a typed function with its words, annotations, rights."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from anyio import to_thread
from mcp_types import TextContent, ToolAnnotations
from mcp_types import Tool as ToolDescription
from pydantic import BaseModel, Field, WithJsonSchema

from ..agent import Agent
from ..audit import Audit
from ..cell import CellHead
from ..checkpoints import Checkpoints
from ..connection import KernelConnection
from ..consent import Consent, check_agreed
from ..contents import Contents
from ..elicitation import Elicitation
from ..environments import Environments
from ..errors import InvalidRequest, KernelNotFound, NotPermitted
from ..executions import Executions
from ..executor import Executor
from ..files import Files
from ..kernel import Kernels
from ..notebook import NotebookDocument
from ..output_blocks import Block, Limits
from ..output_parts import has_image
from ..presence import Presence
from ..readings import Readings
from ..records import Records
from ..room import NotebookRooms
from ..sizes import is_larger
from ..variables import Variables
from .arguments import arguments_of, schema_of

Right = tuple[Literal["read", "write", "execute"], str]
"""An action and a resource, as Jupyter's authorizer knows them."""

READ: Right = ("read", "contents")
WRITE: Right = ("write", "contents")
EXECUTE: Right = ("execute", "kernels")
SEE_KERNELS: Right = ("read", "kernels")
CONTROL_KERNELS: Right = ("write", "kernels")
CONTROL_SESSIONS: Right = ("write", "sessions")

# The same argument has the same name, type and words in every tool. What all tools share is said
# once, in the server's instructions: models pay for each of these words on every request.
Notebook = str
CellReference = str | int
CellReferences = str
Kernel = str
Pattern = Annotated[str, Field(description='Of names: "a*".')]
Offset = Annotated[int, Field(ge=0, description="Lines to skip.")]
Lines = Annotated[int | None, Field(ge=1), WithJsonSchema({"type": "integer"})]
After = Annotated[str | int, Field(description='"start", "end" or a cell.')]
CellType = Literal["code", "markdown", "raw"]
WaitSeconds = Annotated[float | None, Field(ge=0, le=600), WithJsonSchema({"type": "number"})]
OnTimeout = Literal["leave", "interrupt"]
OverwriteChanges = bool
MaxChars = Annotated[int | None, Field(ge=80, le=200_000), WithJsonSchema({"type": "integer"})]

LARGE_BYTES = 50_000
"""From how much output on an answer is made in a thread: shortening text and scaling images take
longer than others should have to wait."""

NOT_SAVED = (
    "Note: autosave is off in JupyterLab, so this is not in the file until somebody saves it "
    "there, close_notebook is called, or everybody has left."
)


@dataclass(frozen=True)
class Services:
    """What tools work with; built once for the server."""

    audit: Audit
    contents: Contents
    files: Files
    rooms: NotebookRooms
    checkpoints: Checkpoints
    consent: Consent
    kernels: Kernels
    environments: Environments
    executions: Executions
    executor: Executor
    records: Records
    readings: Readings
    presence: Presence
    variables: Variables
    limits: Limits
    wait_seconds: float
    provenance: bool


@dataclass(frozen=True)
class ToolContext:
    """One call: the services, and who calls.

    `is_permitted` asks Jupyter's authorizer about the login of this request. `client_left`
    tells whether the client closed the connection. `report_progress` takes seconds and words.
    `cells` gets the ids of the cells that it changes or runs. `agreed` is what `Consent` returns.
    """

    tool: str
    agent: Agent
    services: Services
    is_permitted: Callable[[str, str], Awaitable[bool]]
    client_left: Callable[[], bool]
    elicitation: Elicitation
    report_progress: Callable[[float, str], Awaitable[None]]
    cells: list[str] = field(default_factory=list)
    agreed: dict[str, str] | None = None

    def limits(self, max_chars: int | None) -> Limits:
        """The server's limits of an answer, with the caller's own bound on text."""
        limits = self.services.limits
        if max_chars is None:
            return limits
        return replace(limits, max_output_chars=max_chars, max_source_chars=max_chars)

    @asynccontextmanager
    async def open(self, notebook: str) -> AsyncIterator[NotebookDocument]:
        """The live notebook at this path, in which the agent shows itself.

        Raises:
            MCPExtensionError: as `NotebookRooms.open`.
        """
        async with self.services.rooms.open(notebook) as document:
            self.services.presence.show(self.agent, document)
            yield document

    @contextmanager
    def editing(self, document: NotebookDocument) -> Iterator[None]:
        """What is edited inside is one step of this agent. Nothing may be awaited."""
        with document.edited_by(self.agent, is_signed=self.services.provenance) as changed:
            yield
        self.cells.extend(changed)

    async def leave(self, notebook: str) -> None:
        """Save the notebook, and give back what this agent holds of it.

        Raises:
            NotebookNotFound, NotANotebook: there is no such notebook.
        """
        document = await self.services.rooms.opened(notebook)
        if document is not None:
            self.services.presence.leave(self.agent, document)
        await self.services.rooms.leave(notebook)

    def shows(self, document: NotebookDocument, cell: CellHead) -> None:
        """The agent reads or writes this cell, and knows it as it is."""
        self.knows(document, [cell])
        self.services.presence.show(self.agent, document, cell.id)

    def knows(self, document: NotebookDocument, cells: Iterable[CellHead]) -> None:
        """The agent is shown these cells as they are."""
        self.services.readings.note(self.agent, document, cells)

    def glances_at(self, document: NotebookDocument, cells: Iterable[CellHead]) -> None:
        """The agent is shown something of these cells, and not the whole of their sources."""
        self.services.readings.note(self.agent, document, cells, is_whole=False)

    def check_known(
        self, document: NotebookDocument, cells: Sequence[CellHead], overwrite_changes: bool
    ) -> None:
        """Go on only if the agent knows these cells as they are, or insists.

        Raises:
            SourceConflict: somebody else has changed one since.
            AgreementOutdated: anybody has, since the person was asked.
        """
        check_agreed(self.agreed, cells)
        if not overwrite_changes:
            self.services.readings.check(self.agent, document, cells)

    async def may(self, right: Right) -> bool:
        """Whether the login has this right."""
        return await self.is_permitted(*right)

    async def require(self, right: Right) -> None:
        """Go on only if the login has this right.

        Raises:
            NotPermitted: it has not.
        """
        if not await self.may(right):
            raise NotPermitted(self.tool, *right)

    async def protect(self, notebook: str) -> None:
        """Keep the notebook as it is, if this is the agent's first edit of it since long."""
        checkpoints = self.services.checkpoints
        if not checkpoints.is_due(self.agent, notebook):
            return checkpoints.note_edit(self.agent, notebook)
        async with self.services.rooms.open(notebook) as document:
            checkpoints.note_edit(self.agent, notebook)
            await checkpoints.protect(self.agent, document)


async def rendered(outputs: Iterable[Any], render: Callable[[], list[Block]]) -> list[Block]:
    """What `render` makes of these outputs, while others get their turn if there are many."""
    shown = [*outputs]
    # A small image may have very many pixels.
    if not is_larger(shown, LARGE_BYTES) and not any(map(has_image, shown)):
        return render()
    return await to_thread.run_sync(render)


async def kernel_of(
    context: ToolContext, notebook: str, kernel: str, *, must_answer: bool = True
) -> KernelConnection:
    """The running kernel that a call means, by its notebook or by its id.

    Raises:
        InvalidRequest: both are given, or none.
        KernelNotFound: it does not run.
        KernelSilent: it does not answer, and has to.
    """
    if bool(notebook) == bool(kernel):
        raise InvalidRequest("Name either a notebook or a kernel.")
    kernels = context.services.kernels
    if notebook:
        path = await context.services.rooms.find(notebook)
        kernel = await kernels.kernel_id_of(path) or ""
        if not kernel:
            raise KernelNotFound(f"of {notebook}")
    return await kernels.find(kernel, must_answer=must_answer)


@dataclass(frozen=True)
class Tool:
    """A function for models. `needs` are the rights that every call of it takes."""

    function: Callable[..., Awaitable[str | list[Block]]]
    arguments: type[BaseModel]
    needs: tuple[Right, ...]
    description: ToolDescription

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def is_read_only(self) -> bool:
        """Whether it changes nothing, neither notebooks nor kernels."""
        annotations = self.description.annotations
        return annotations is not None and bool(annotations.read_only_hint)

    async def call(
        self,
        context: ToolContext,
        arguments: dict[str, Any],
        instead: Callable[..., Awaitable[list[Block]]] | None = None,
    ) -> list[Block]:
        """Check the arguments and the rights, then do it, or something else `instead`.

        Raises:
            pydantic.ValidationError: the arguments do not fit.
            MCPExtensionError: it could not be done.
        """
        model = self.arguments.model_validate(arguments)
        for right in self.needs:
            await context.require(right)
        values = {name: getattr(model, name) for name in type(model).model_fields}
        notebook = values.get("notebook", "")
        if instead is None:
            title, ask = self.description.title or self.name, context.services.consent.require
            values, agreed = await ask(self.name, title, context.agent, values, context.elicitation)
            context = replace(context, agreed=agreed)
            if notebook and WRITE in self.needs:
                await context.protect(notebook)
        result = await (instead or self.function)(context, **values)
        blocks = [TextContent(type="text", text=result)] if isinstance(result, str) else result
        if notebook and WRITE in self.needs and not context.services.rooms.saves_itself(notebook):
            blocks = [*blocks, TextContent(type="text", text=NOT_SAVED)]
        return [*blocks, *await _notices(context, notebook)]


async def _notices(context: ToolContext, notebook: str) -> list[Block]:
    """What the caller has to know about the notebook's file, whatever it asked for."""
    if not notebook:
        return []
    notices = context.services.rooms.take_notices(notebook)
    notices += await context.services.checkpoints.take_notices(notebook)
    return [TextContent(type="text", text=notice) for notice in notices]


@dataclass(frozen=True)
class Toolset:
    """Tools of one noun. `instructions` tell the model how they go together."""

    name: str
    instructions: str = ""
    tools: list[Tool] = field(default_factory=list)

    def tool(
        self,
        title: str,
        *,
        read_only: bool,
        destructive: bool,
        idempotent: bool,
        needs: list[Right],
    ) -> Callable[[Callable[..., Awaitable[str | list[Block]]]], Any]:
        """Make a tool of a function: its docstring and type hints are what models read."""
        annotations = ToolAnnotations(
            read_only_hint=read_only,
            destructive_hint=destructive,
            idempotent_hint=idempotent,
        )

        def register(function: Callable[..., Awaitable[str | list[Block]]]) -> Any:
            arguments = arguments_of(function)
            # Code can reach anything, also where running it is only an option.
            runs_code = EXECUTE in needs and not read_only
            annotations.open_world_hint = runs_code or "execute" in arguments.model_fields
            description = ToolDescription(
                name=function.__name__,
                title=title,
                description=inspect.getdoc(function),
                input_schema=schema_of(arguments),
                annotations=annotations,
            )
            self.tools.append(Tool(function, arguments, tuple(needs), description))
            return function

        return register
