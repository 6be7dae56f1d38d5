"""Checkpoints of live notebooks: before an agent's first edit, or when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from logging import Logger
from time import monotonic

from anyio import Event, move_on_after, to_thread

from .agent import Agent
from .cell import Cell
from .checkpoint_store import Checkpoint, CheckpointStore
from .comparison import count_differing, digests
from .contents import Contents, clean_path, reason_of
from .errors import CheckpointRefused
from .notebook import NotebookDocument
from .starts import Spawn

PAUSE_SECONDS = 3600.0
"""After so long without an edit of an agent, its next one counts as its first."""

MAX_AGENTS = 1000
"""Of how many agents and notebooks the last edit is known."""

TELL_SECONDS = 1.0
"""How long an answer waits to tell whether its checkpoint was made."""

NOT_MADE = "Note: the automatic checkpoint before this edit could not be made: {reason}."
NOT_MADE_BY_JUPYTER = (
    "Note: Jupyter's own checkpoint of the file could not be made before this edit: {reason}."
)


class Checkpoints:
    """Makes and finds them. `spawn` takes tasks; `is_automatic` is for those before edits."""

    def __init__(
        self,
        contents: Contents,
        store: CheckpointStore,
        spawn: Spawn,
        log: Logger,
        *,
        is_automatic: bool,
    ) -> None:
        self._contents = contents
        self._store = store
        self._spawn = spawn
        self._log = log
        self._is_automatic = is_automatic
        self._edits: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._unfinished: dict[str, Event] = {}
        self._notices: dict[str, list[str]] = {}

    def is_due(self, agent: Agent, path: str) -> bool:
        """Whether an edit that begins now is the agent's first of this notebook since long."""
        last = self._edits.get((agent.id, clean_path(path)))
        return self._is_automatic and (last is None or monotonic() - last > PAUSE_SECONDS)

    def note_edit(self, agent: Agent, path: str) -> None:
        """The agent edits this notebook now."""
        key = (agent.id, clean_path(path))
        self._edits[key] = monotonic()
        self._edits.move_to_end(key)
        if len(self._edits) > MAX_AGENTS:
            self._edits.popitem(last=False)

    async def protect(self, agent: Agent, document: NotebookDocument) -> None:
        """Keep the notebook as it is now; no failure stops the edit, but `take_notices` tells.

        What is kept is taken at once and written while the edit goes on. Jupyter's checkpoint is
        a copy of the file, made before that can be saved anew.
        """
        self._unfinished[document.path] = done = Event()
        self._spawn(
            partial(self._keep, agent, document.path, document.file_id, document.cells(), done)
        )
        try:
            await self._contents.create_checkpoint(document.path)
        except Exception as error:
            # Contents managers of all kinds make them, and the edit must go on.
            self._log.warning("No checkpoint of %s", document.path, exc_info=error)
            self._tell(document.path, NOT_MADE_BY_JUPYTER, reason_of(error))

    async def take_notices(self, path: str) -> list[str]:
        """What became of automatic checkpoints of a notebook and has to be told, once each."""
        if not self._unfinished and not self._notices:
            return []
        if done := self._unfinished.get(clean_path(path)):
            with move_on_after(TELL_SECONDS):
                await done.wait()
        return self._notices.pop(clean_path(path), [])

    async def create(self, agent: Agent, document: NotebookDocument, name: str) -> Checkpoint:
        """Keep the notebook as it is now.

        Raises:
            CheckpointRefused: there is no room for it.
        """
        return await self._add(document.file_id, document.cells(), name, agent, is_automatic=False)

    async def keep(
        self, agent: Agent, document: NotebookDocument, cells: Sequence[Cell]
    ) -> Checkpoint:
        """Keep what the notebook was a moment ago.

        Raises:
            CheckpointRefused: there is no room for it.
        """
        return await self._add(document.file_id, cells, "", agent, is_automatic=True)

    async def all(self, document: NotebookDocument) -> list[tuple[Checkpoint, int]]:
        """The notebook's checkpoints, the newest first, and how many cells differ now."""
        cells, file_id = document.cells(), document.file_id

        def compare() -> list[tuple[Checkpoint, int]]:
            now = digests(cells)
            return [(each, count_differing(each.digests, now)) for each in self._store.all(file_id)]

        return await to_thread.run_sync(compare)

    async def read(
        self, document: NotebookDocument, reference: str
    ) -> tuple[Checkpoint, list[Cell]]:
        """The notebook's newest checkpoint with this id or name, and its cells.

        Raises:
            CheckpointNotFound: there is none.
        """
        return await to_thread.run_sync(self._store.read, document.file_id, reference)

    async def _keep(
        self, agent: Agent, path: str, file_id: str, cells: Sequence[Cell], done: Event
    ) -> None:
        try:
            await self._add(file_id, cells, "", agent, is_automatic=True)
        except CheckpointRefused as error:
            self._tell(path, NOT_MADE, error.reason)
        finally:
            done.set()
            if self._unfinished.get(path) is done:
                del self._unfinished[path]

    async def _add(
        self, file_id: str, cells: Sequence[Cell], name: str, agent: Agent, *, is_automatic: bool
    ) -> Checkpoint:
        add = partial(self._store.add, file_id, cells, name, agent.title, is_automatic=is_automatic)
        try:
            return await to_thread.run_sync(add)
        except OSError as error:
            raise CheckpointRefused(reason_of(error)) from error

    def _tell(self, path: str, notice: str, reason: str) -> None:
        self._notices.setdefault(path, []).append(notice.format(reason=reason))
