"""Tools that control kernels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .. import render
from ..kernel_facts import KernelFacts
from ..loss_notes import offer
from ..text import printable
from .toolset import (
    CONTROL_KERNELS,
    EXECUTE,
    READ,
    SEE_KERNELS,
    Kernel,
    Notebook,
    Pattern,
    Services,
    ToolContext,
    Toolset,
    kernel_of,
)

TOOLSET = Toolset("kernels")


@TOOLSET.tool(
    "List kernels", read_only=True, destructive=False, idempotent=True, needs=[SEE_KERNELS]
)
async def list_kernels(context: ToolContext, recorded: str = "") -> str:
    """List running kernels with their notebooks, and what can be started."""
    services = context.services
    if recorded:
        await context.require(EXECUTE)
        record = await services.records.get(recorded)
        return render.recorded(record, context.limits(None))
    models = await services.kernels.list()
    facts = await services.kernels.facts(model["id"] for model in models)
    if not await context.may(READ):
        models = [model | {"notebooks": []} for model in models]
    running = []
    for model in models:
        running += [render.kernel(model)]
        running += [render.kernel_facts(model, facts.get(model["id"], KernelFacts()))]
    startable = await _startable(services)
    lines = ["running:", *(running or ["none"]), "can be started:", *(startable or ["none"])]
    return "\n".join(filter(None, map(printable, lines)))


async def _startable(services: Services) -> list[str]:
    specs = [
        f"{name}: {spec['display_name']} ({spec['language']})"
        for name, spec in (await services.kernels.specs.all()).items()
    ]
    names = await services.environments.names()
    return [*specs, *([f"environments: {', '.join(names)}"] if names else [])]


@TOOLSET.tool(
    "Start kernel",
    read_only=False,
    destructive=False,
    idempotent=False,
    needs=[CONTROL_KERNELS],
)
async def start_kernel(
    context: ToolContext,
    name: str = "",
    environment: Annotated[str, Field(description="Kernelspec, python, prefix or its name.")] = "",
    directory: str = "",
) -> str:
    """Start a kernel without a notebook, for execute_code; calls then name it by its name."""
    services = context.services
    if directory:
        await context.require(READ)
    directory = await services.contents.directory(directory)
    if environment:
        await context.require(EXECUTE)
    spec = await services.environments.kernelspec(environment, services.contents.on_disk(directory))
    starter = context.agent.title
    connection = await services.kernels.start(name, spec, directory, starter)
    model = await services.kernels.describe(connection.kernel_id)
    started = f"Started {render.kernel(model)}."
    if name and await context.may(EXECUTE):
        started += " " + offer(await services.records.get(name))
    return started.rstrip()


@TOOLSET.tool(
    "Restart kernel",
    read_only=False,
    destructive=True,
    idempotent=True,
    needs=[CONTROL_KERNELS],
)
async def restart_kernel(context: ToolContext, notebook: Notebook = "", kernel: Kernel = "") -> str:
    """Restart a kernel: all its variables are lost, what it runs ends."""
    if notebook:
        await context.require(READ)
    connection = await kernel_of(context, notebook, kernel, must_answer=False)
    await context.services.kernels.restart(connection)
    return f"Restarted kernel {connection.kernel_id}; its variables are gone."


@TOOLSET.tool(
    "Shut down kernel",
    read_only=False,
    destructive=True,
    idempotent=True,
    needs=[CONTROL_KERNELS],
)
async def shutdown_kernel(
    context: ToolContext, notebook: Notebook = "", kernel: Kernel = ""
) -> str:
    """Shut a kernel down: its variables are lost. The next run starts a new one."""
    if notebook:
        await context.require(READ)
    connection = await kernel_of(context, notebook, kernel, must_answer=False)
    await context.services.kernels.shutdown(connection)
    return f"Shut down kernel {connection.kernel_id}."


@TOOLSET.tool("List variables", read_only=True, destructive=False, idempotent=True, needs=[EXECUTE])
async def list_variables(
    context: ToolContext, notebook: Notebook = "", kernel: Kernel = "", pattern: Pattern = ""
) -> str:
    """List a kernel's variables: type, shape or length, size, value."""
    if notebook:
        await context.require(READ)
    connection = await kernel_of(context, notebook, kernel)
    listing = await context.services.variables.list(connection, pattern)
    return render.variables(listing, context.limits(None))


@TOOLSET.tool(
    "Inspect variable", read_only=True, destructive=False, idempotent=True, needs=[EXECUTE]
)
async def inspect_variable(
    context: ToolContext, name: str, notebook: Notebook = "", kernel: Kernel = ""
) -> str:
    """Signature and doc of a function, columns and head of a table, statistics of an array."""
    if notebook:
        await context.require(READ)
    connection = await kernel_of(context, notebook, kernel)
    facts = await context.services.variables.inspect(connection, name)
    return render.variable(facts, context.limits(None))
