"""The `jupyter mcp` command."""

from __future__ import annotations

import sys

from jupyter_core.application import JupyterApp

from .. import __version__


class LabCommand(JupyterApp):
    """Hands its arguments on to JupyterLab, unread."""

    name = "jupyter-mcp-lab"

    def initialize(self, argv: list[str] | None = None) -> None:
        self.argv = list(argv or [])

    def start(self) -> None:
        try:
            from .lab import MCPLabApp
        except ModuleNotFoundError as error:
            install = "JupyterLab is not installed here: pip install 'jupyter_mcp_ext[lab]'"
            sys.exit(f"jupyter mcp lab: {install} ({error})")
        # There is one application object of each kind, and the server wants to be it.
        LabCommand.clear_instance()
        MCPLabApp.launch_instance(self.argv)


class MCPApp(JupyterApp):
    """Chooses the subcommand."""

    name = "jupyter-mcp"
    version = __version__
    description = "Connect AI agents to the live notebooks of a Jupyter server, over MCP."
    examples = """
jupyter mcp lab     # start JupyterLab and print how MCP clients connect to it
jupyter mcp config  # print the same for a server that is running
jupyter mcp check   # say what works of a set-up, and how to mend the rest
jupyter mcp stdio   # join a client that starts programs to a server that is running
"""
    subcommands = {
        "lab": (LabCommand, "Start JupyterLab and print how MCP clients connect to it."),
        "config": (
            "jupyter_mcp_ext.cli.config.ConfigCommand",
            "Print how MCP clients connect to a server that is running.",
        ),
        "check": (
            "jupyter_mcp_ext.cli.check.CheckCommand",
            "Look at a server as an MCP client would, and say what to mend.",
        ),
        "stdio": (
            "jupyter_mcp_ext.cli.stdio.StdioCommand",
            "Join a client that starts programs to a server that is running.",
        ),
    }

    def start(self) -> None:
        super().start()
        if self.extra_args:
            sys.exit(f"jupyter mcp: there is no command '{self.extra_args[0]}', see --help")
        self.print_help()
        self.exit(1)


def main() -> None:
    MCPApp.launch_instance()
