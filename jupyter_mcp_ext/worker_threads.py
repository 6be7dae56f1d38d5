"""AnyIO's worker threads in Jupyter's event loop, which AnyIO has not started.

AnyIO ends each thread with the task at the root of the loop, for which it looks through all tasks
at each use of a thread. Jupyter's loop has none, so each use takes longer the more tasks there are,
and threads live as long as whichever task was the first to use them, such as a browser's websocket.

AnyIO has no public way to name the root. With a later AnyIO that has other names only time is lost,
and a server that stops may wait for its browsers.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from anyio import sleep_forever


async def own() -> None:
    """Be the root of the loop, until cancelled. See decision 0016."""
    root = getattr(_backend(), "_root_task", None)
    if root is None:
        return
    root.set(asyncio.current_task())
    try:
        await sleep_forever()
    finally:
        root.set(None)  # It would keep the loop in memory.


def end() -> None:
    """Let all end once they have done what they were given, whoever was the first to use them.

    The process would otherwise wait for them for ever.
    """
    kind, loop = getattr(_backend(), "WorkerThread", ()), asyncio.get_running_loop()
    for thread in threading.enumerate():
        if isinstance(thread, kind) and thread.loop is loop and not thread.stopping:
            thread.stop()


def _backend() -> Any:
    """AnyIO's own module for asyncio, if something has used it: loading it takes 40 ms."""
    return sys.modules.get("anyio._backends._asyncio")
