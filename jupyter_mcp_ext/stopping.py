"""Stops the server in order, also where Jupyter would not."""

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


def forget_failed_starts(kernel_manager: object) -> None:
    """Forget kernels whose start failed, which Jupyter would shut down together with the others.

    They do not exist, which Jupyter finds then, and its stop ends there: the process would go on.
    """
    starts = getattr(kernel_manager, "_pending_kernels", {})
    for kernel_id, start in list(starts.items()):
        if start.done():
            del starts[kernel_id]
