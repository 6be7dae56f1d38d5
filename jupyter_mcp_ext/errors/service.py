"""Errors about what this server, or the person, allows."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Conflict, MCPExtensionError


class NotPermitted(MCPExtensionError):
    def __init__(self, tool: str, action: str, resource: str) -> None:
        super().__init__(
            f"This login may not {action} {resource}, which {tool} needs.",
            "Ask the administrator of this Jupyter server for that permission.",
        )


class Declined(MCPExtensionError):
    def __init__(self, tool: str) -> None:
        super().__init__(
            f"The person was asked and did not agree to {tool}. Nothing was changed.",
            "Do not try it again in another way; ask what they want instead.",
        )


class AgreementOutdated(Conflict):
    def __init__(self, cells: Sequence[str] = ()) -> None:
        which = f" in {', '.join(cells)}" if cells else ""
        super().__init__(
            f"What the person agreed to has changed meanwhile{which}, so it was left alone.",
            "Read it again; the person will be asked anew.",
        )


class NobodyToAsk(MCPExtensionError):
    def __init__(self, tool: str) -> None:
        super().__init__(
            f"This server asks the person before {tool}, and this MCP client cannot ask "
            "(it has no elicitation). Nothing was changed.",
            "Tell the user, who can do it in JupyterLab.",
        )


class ServerStopping(MCPExtensionError):
    def __init__(self) -> None:
        super().__init__(
            "This Jupyter server is stopping, and its kernels with it.",
            "What was printed so far is in the notebook.",
        )


class OtherCollaboration(MCPExtensionError):
    def __init__(self, package: str) -> None:
        super().__init__(
            f"Notebooks are shared by {package} in this Jupyter server, not by "
            "jupyter-collaboration.",
            "Uninstall it, run `pip install jupyter-collaboration` and restart the server.",
        )


class Unavailable(MCPExtensionError):
    """Something that the server needs for this is off or gone."""
