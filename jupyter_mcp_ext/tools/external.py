"""Tools that use kernels of other programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .. import render
from .toolset import CONTROL_KERNELS, EXECUTE, Kernel, ToolContext, Toolset

TOOLSET = Toolset("external")


@TOOLSET.tool(
    "Connect kernel",
    read_only=False,
    destructive=False,
    idempotent=True,
    needs=[CONTROL_KERNELS, EXECUTE],
)
async def connect_kernel(
    context: ToolContext,
    connection_file: Annotated[str, Field(description="Path, or name: kernel-123.json.")] = "",
    name: str = "",
) -> str:
    """Use a kernel that another program started (Spyder, `ipython kernel`), with its variables.

    It is never restarted or shut down from here.
    """
    kernels = context.services.kernels
    connection = await kernels.external.connect(connection_file, name)
    return f"Connected {render.kernel(await kernels.describe(connection.kernel_id))}."


@TOOLSET.tool(
    "Disconnect kernel",
    read_only=False,
    destructive=False,
    idempotent=True,
    needs=[CONTROL_KERNELS],
)
async def disconnect_kernel(context: ToolContext, kernel: Kernel) -> str:
    """Leave a kernel of another program, which runs on."""
    kernel_id = context.services.kernels.external.disconnect(kernel)
    return f"Left kernel {kernel_id}; it runs on."
