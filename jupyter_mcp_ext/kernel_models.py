"""What is known of a kernel, in the form of Jupyter's models of kernels."""

from __future__ import annotations

from typing import Any

from .agent_kernels import AgentKernels
from .connection import KernelConnection
from .gateway import is_behind_gateway


def described(
    model: dict[str, Any],
    connection: KernelConnection | None,
    agents: AgentKernels,
    manager: object,
) -> dict[str, Any]:
    """Jupyter's model, with what our connection and agents add; `manager` is Jupyter's.

    `given_name` is the name that an agent gave it, `started_by` the agent that started it, both
    "" if none did. `runs` have been heard since its start, or since it became known to us.
    """
    return {
        **model,
        "execution_state": _state(model, connection, manager),
        "given_name": agents.name_of(model["id"]),
        "started_by": agents.starter_of(model["id"]),
        "runs": 0 if connection is None else connection.activity.runs_heard,
    }


def _state(model: dict[str, Any], connection: KernelConnection | None, manager: object) -> str:
    state = str(model.get("execution_state", "unknown"))
    if connection is None or not connection.readiness.is_ready:
        return state
    if connection.activity.running:
        # Jupyter takes the end of what ran in a sub-shell for the end of all.
        return "busy"
    # Jupyter does not listen to kernels of other programs, hears a new one later, and asks a
    # gateway only now and then.
    is_unsure = state in ("starting", "unknown") or is_behind_gateway(manager)
    return "idle" if is_unsure or not connection.owns_kernel else state
