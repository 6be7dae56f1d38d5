"""Tasks for agents on real notebooks: what they are told, and whether they did it.

`python -m benchmarks.agent_tasks` has a scripted player do them with the fewest calls.
"""

from __future__ import annotations

from . import editing, kernels, reading, running

TASKS = {
    task.name: task for task in [*reading.TASKS, *editing.TASKS, *running.TASKS, *kernels.TASKS]
}
