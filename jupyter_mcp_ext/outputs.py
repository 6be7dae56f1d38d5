"""Turn the kernel messages of one run into the outputs of its cell."""

from __future__ import annotations

import sys
from typing import Any

from pycrdt import Array, Map, Text

from .agent import NOBODY, Author
from .channels import Message
from .journal import Origin
from .notebook import NotebookDocument
from .sizes import size_of
from .soundness import has_outputs, is_sound
from .storable import storable, whole
from .stream_text import StreamText

Output = dict[str, Any]
"""An nbformat output. The text of a stream is one string."""

OUTPUT_TYPES = ("stream", "display_data", "execute_result", "error")

MAX_WRITE_CHARS = 1_000_000
"""How much one transaction writes, so that the event loop is free again soon."""

OUTPUT_BYTES = 1_000
"""About what an output takes besides what it holds, in memory and in characters to write."""

MANY_OUTPUTS = 5_000
"""After how many an output takes twice as long to write; Yjs counts them from the first."""

ERROR_BYTES = 1_000_000
"""About how much of errors is kept whether there is room for other outputs or not."""

NONE = sys.maxsize
"""In place of the index of an output."""

CUT_SHORT = (
    "\n[jupyter_mcp_ext: this run has more than {:g} MB of output, where each counts 1 kB besides "
    "what it holds; the notebook keeps no more. That bound is "
    "MCPExtension.max_document_output_bytes.]\n"
)


class OutputArea:
    """The outputs of one run, and how much of them the shared document has.

    `apply` takes messages as they come and touches nothing but this object; `write` brings
    the cell up to date in one transaction. So the caller decides how often people, and the
    store behind the document, get an update.

    `author` is whose run it is. What comes once there are `max_bytes` is dropped and counted in
    `omitted`, except for the first ERROR_BYTES of errors.
    """

    def __init__(self, max_bytes: int, author: Author = NOBODY) -> None:
        self.cell_id = ""
        self.execution_count: int | None = None
        self.size = 0
        """About how many bytes the outputs take."""
        self.omitted = 0
        """How many bytes were dropped."""
        self._max_bytes = max_bytes
        self._error_size = 0
        self._origin = Origin("output", author)
        self._outputs: list[Output] = []
        self._streams: dict[int, StreamText] = {}
        self._display_ids: dict[str, list[int]] = {}
        self._clear_before_next = False
        # The document has the first `_written` outputs; the last of them may be a stream of
        # which it has the parts before a mark and then a line, see `_continue_stream`. While it is
        # behind, that one or others wait to be written; those from `_changed_from` have changed.
        self._written = 0
        self._written_text = (0, "")
        self._is_behind = False
        self._changed_from = NONE
        self._dirty = False
        self._is_shown = False
        self._shown_at = ".0"
        self._is_finished = False
        self._abandoned = False

    @property
    def has_changes(self) -> bool:
        """Whether `write` has something to write."""
        return self._dirty

    @property
    def is_large(self) -> bool:
        """Whether there is more than should be written at once."""
        return self.size > MAX_WRITE_CHARS

    @property
    def outputs(self) -> list[Output]:
        """All outputs so far, as nbformat has them."""
        return [self._output(index) for index in range(len(self._outputs))]

    def apply(self, message: Message) -> None:
        """Take one message of the kernel; types that are no output are ignored."""
        content, kind = message["content"], message["header"]["msg_type"]
        if kind == "clear_output":
            self._clear_before_next = bool(content.get("wait"))
            if not self._clear_before_next:
                self._clear()
        elif kind == "execute_input":
            self.execution_count = whole(content.get("execution_count"))
        elif kind == "update_display_data":
            self.update_display(content)
        elif kind in OUTPUT_TYPES:
            if self._clear_before_next:
                self._clear_before_next = False
                self._clear()
            self._add(kind, storable(content))

    def update_display(self, content: Message) -> bool:
        """Show new data in each output that was displayed under the same display id.

        Returns whether there was any.
        """
        indexes = self._display_ids.get(_display_id(content), [])
        data = _data(storable(content)) if indexes else {}
        for index in indexes:
            updated = self._outputs[index] | data
            more = size_of(updated) - size_of(self._outputs[index])
            if more > 0 and self.size > self._max_bytes:
                self._omit("update_display_data", content)
                continue
            self._outputs[index] = updated
            self.size += more
            self._dirty = True
            if index < self._written:
                self._changed_from = min(self._changed_from, index)
        return bool(indexes)

    # Writing

    def start(self, document: NotebookDocument, cell_id: str) -> str:
        """Take the cell for a run, and return the source that will run.

        Raises:
            CellNotFound: the cell was deleted.
        """
        cell = document.exact_head(cell_id)
        self.cell_id = cell.id
        document.note_start(self.cell_id)
        return cell.source

    def show_running(self, document: NotebookDocument) -> None:
        """Empty the cell's outputs and mark it running, unless that was done."""
        if not self._is_shown:
            with document.transaction(self._origin):
                self._show_running(document, document.ycell(self.cell_id))
                document.mark_dirty()

    def write(self, document: NotebookDocument, max_chars: int = MAX_WRITE_CHARS) -> None:
        """Bring the cell up to date, unless it is gone or somebody cleared it meanwhile.

        Writes about `max_chars` at most, and has changes for another time if there is more.
        """
        if self._dirty:
            with document.transaction(self._origin):
                self._show_running(document, document.ycell(self.cell_id))
                self._write_outputs(document.ycell(self.cell_id), max_chars)
                document.mark_dirty()

    def finish(self, document: NotebookDocument) -> None:
        """Bring the cell up to date and end its running state, in one transaction."""
        with document.transaction(self._origin):
            ycell = document.ycell(self.cell_id)
            self._show_running(document, ycell)
            self._is_behind = False  # Nothing has to wait for the rest, which is written as well.
            self._write_outputs(ycell, sys.maxsize)
            is_rerun = self._is_rerun(document)
            if ycell is not None and ycell.get("cell_type") == "code" and not is_rerun:
                ycell["execution_count"] = self.execution_count
                ycell["execution_state"] = "idle"
                document.mark_dirty()
        self._is_finished = True

    # Inside

    def _is_rerun(self, document: NotebookDocument) -> bool:
        """Whether a person runs the cell since it was shown as running."""
        started = document.journal.authors(self.cell_id, ["started"], self._shown_at)
        return any(not author.id for author in started - {self._origin.author})

    def _show_running(self, document: NotebookDocument, ycell: Map[Any] | None) -> None:
        if ycell is None or not (is_sound(ycell) and has_outputs(ycell)):
            return
        if self._is_shown:
            # A cell that JupyterLab moves becomes a copy without an execution state, and without
            # what was written while the move was on its way.
            if self._is_finished or self._abandoned or ycell.get("execution_state") is not None:
                return
            self._redo_from(0)
        self._is_shown, self._shown_at = True, document.journal.mark
        ycell["outputs"].clear()
        # A count that is set early would make JupyterLab show the cell as idle.
        ycell["execution_count"] = None
        ycell["execution_state"] = "running"
        ycell["metadata"]["trusted"] = True

    def _clear(self) -> None:
        self._outputs.clear()
        self._streams.clear()
        self._display_ids.clear()
        self.size = self.omitted = self._error_size = 0
        self._redo_from(0)

    def _add(self, kind: str, content: Message) -> None:
        self._dirty = True
        is_full = self.size > self._max_bytes
        if is_full and (kind != "error" or self._error_size > ERROR_BYTES):
            self._omit(kind, content)
        elif kind == "stream":
            name = "stderr" if content.get("name") == "stderr" else "stdout"
            self._add_stream(name, _text(content.get("text")))
        else:
            self._add_output({"output_type": kind} | _fields(kind, content), _display_id(content))

    def _omit(self, kind: str, content: Message) -> None:
        self._dirty = True
        if not self.omitted:
            self._add_stream("stderr", CUT_SHORT.format(self._max_bytes / 1_000_000))
        text = content.get("text") if kind == "stream" else None
        self.omitted += max(1, size_of(content if text is None else text))

    def _add_output(self, output: Output, display_id: str) -> None:
        if display_id:
            self._display_ids.setdefault(display_id, []).append(len(self._outputs))
        self._outputs.append(output)
        size = OUTPUT_BYTES + size_of(output)
        self.size += size
        self._error_size += size if output["output_type"] == "error" else 0

    def _add_stream(self, name: str, text: str) -> None:
        # JupyterLab merges neighbours of the same name, so two of them would not match.
        if not self._outputs or self._outputs[-1].get("name") != name:
            self._streams[len(self._outputs)] = StreamText()
            self._outputs.append({"output_type": "stream", "name": name})
            self.size += OUTPUT_BYTES
        stream = self._streams[len(self._outputs) - 1]
        before = stream.length
        stream.write(text)
        self.size += stream.length - before

    def _output(self, index: int) -> Output:
        stream = self._streams.get(index)
        return self._outputs[index] | ({"text": stream.text} if stream else {})

    def _redo_from(self, index: int) -> None:
        self._dirty, self._is_behind, self._changed_from = True, False, NONE
        if index < self._written:
            self._written = index
            if stream := self._streams.get(index - 1):
                # It is followed by what is redone, so the document has it whole.
                self._written_text = stream.mark, stream.line

    def _write_outputs(self, ycell: Map[Any] | None, max_chars: int) -> None:
        self._dirty, dirty = False, self._dirty
        if not dirty or self._abandoned or ycell is None or not has_outputs(ycell):
            return
        shared: Array[Any] = ycell["outputs"]
        reran = self._is_finished and ycell.get("execution_count") != self.execution_count
        start = self._written if self._is_behind else min(self._written, self._changed_from)
        if reran or len(shared) < self._written or not self._has_stream(shared, start):
            # Somebody reran, cleared or rewrote the cell: what it shows from now on is theirs.
            self._abandoned = True
            return
        # JupyterLab follows changes at the end of the list only, so what comes after a change
        # further up is written again. All is shown once before that, or changes that come again
        # and again would keep the end from ever being shown.
        if not self._is_behind:
            self._redo_from(self._changed_from)
        del shared[self._written :]
        left = max_chars - self._continue_stream(shared, max_chars)
        new = []
        while left > 0 and self._written < len(self._outputs):
            output, size = self._next_output(left)
            new.append(output)
            left -= size + OUTPUT_BYTES * (1 + self._written // MANY_OUTPUTS)
        shared.extend(new)
        stream = self._streams.get(self._written - 1)
        is_whole = stream is None or self._written_text == (stream.mark, stream.line)
        self._is_behind = not is_whole or self._written < len(self._outputs)
        self._dirty = self._is_behind or self._changed_from < NONE

    def _has_stream(self, shared: Array[Any], start: int) -> bool:
        """Whether the stream before `start`, if any, still is where it was written."""
        if start - 1 not in self._streams:
            return True
        last = shared[start - 1]
        return isinstance(last, Map) and isinstance(last.get("text"), Text)

    def _continue_stream(self, shared: Array[Any], max_chars: int) -> int:
        """Write on in the stream that the document has last; returns how many characters."""
        stream = self._streams.get(self._written - 1)
        if stream is None:
            return 0
        mark, line = self._written_text
        text: Text = shared[self._written - 1]["text"]
        more, end, has_line = stream.since(mark, max_chars)
        if not more.startswith(line):
            del text[len(text) - len(line.encode()) :]
            line = ""
        if len(more) > len(line):
            text += more[len(line) :]
        self._written_text = end, stream.line if has_line else ""
        return len(more) - len(line) if has_line else max_chars

    def _next_output(self, max_chars: int) -> tuple[Map[Any], int]:
        """The first output that the document has not, or the start of it, and its size."""
        output, stream = self._outputs[self._written], self._streams.get(self._written)
        self._written += 1
        if stream is None:
            return Map(output), size_of(output)
        text, end, has_line = stream.since(0, max_chars)
        self._written_text = end, stream.line if has_line else ""
        return Map(output | {"text": Text(text)}), len(text)


# Kernels may send anything: what is not as the protocol has it counts as empty.


def _display_id(content: Message) -> str:
    transient = content.get("transient")
    return str(transient.get("display_id") or "") if isinstance(transient, dict) else ""


def _data(content: Message) -> Output:
    parts = {name: content.get(name) for name in ("data", "metadata")}
    return {name: part if isinstance(part, dict) else {} for name, part in parts.items()}


def _fields(kind: str, content: Message) -> Output:
    if kind == "error":
        lines = content.get("traceback")
        traceback = [*map(_text, lines)] if isinstance(lines, list) else []
        names = {name: _text(content.get(name)) for name in ("ename", "evalue")}
        return names | {"traceback": traceback}
    is_result = kind == "execute_result"
    count = {"execution_count": whole(content.get("execution_count"))} if is_result else {}
    return _data(content) | count


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
