"""Stops the server in order also where SIGINT asks for it, as JupyterHub does."""

from __future__ import annotations

import signal
import threading
from typing import Any

from jupyter_server.serverapp import ServerApp


def stop_in_order(serverapp: ServerApp) -> None:
    """Treat the first SIGINT as Jupyter treats SIGTERM.

    JupyterHub means Jupyter to do so, but Jupyter only listens to SIGINT where it has a terminal,
    and otherwise leaves it to Python. That breaks off the event loop: kernels and notebooks that
    wait to be saved are left behind, and the process does not end while worker threads wait for
    the loop.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def stop(*args: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        serverapp.stop(from_signal=True)

    signal.signal(signal.SIGINT, stop)
