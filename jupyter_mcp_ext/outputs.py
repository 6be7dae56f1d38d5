"""Turn the kernel messages of one run into the outputs of its cell."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from pycrdt import Array, Map, Text

from .notebook import NotebookDocument

OUTPUT_ORIGIN = "mcp-output"
"""Origin of the transactions that write what a run produced; never part of an undo."""

Output = dict[str, Any]
"""An nbformat output. The text of a stream is one string."""

Message = Mapping[str, Any]
"""A message of the Jupyter protocol, or a part of one."""

OUTPUT_TYPES = ("stream", "display_data", "execute_result", "error")

PART_CHARS = 100_000
"""Longest part of a stream's text that is written as a whole."""

MAX_WRITE_CHARS = 1_000_000
"""How much one transaction writes, so that the event loop is free again soon."""

CUT_SHORT = (
    "\n[jupyter_mcp_ext: this run has more than {:g} MB of output; the notebook keeps no more. "
    "MCPExtension.max_document_output_bytes is that bound.]\n"
)

_CONTROL = re.compile("[\n\r\b]")


class StreamText:
    """The text of a stream as a terminal prints it on one line after the other.

    A carriage return goes back to the start of the line and a backspace one character, and
    what follows overwrites. Only the last line can still change, so that a long text costs
    its length once, however many messages it came in.
    """

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._line: list[str] = []
        self._length = 0
        self._cursor = 0
        self._finished_length = 0

    @property
    def length(self) -> int:
        """How many characters the text has."""
        return self._finished_length + self._length

    @property
    def mark(self) -> int:
        """How many parts cannot change any more, for `since`."""
        return len(self._finished)

    @property
    def line(self) -> str:
        """The last line, which can still change."""
        if len(self._line) > 1:
            self._line = ["".join(self._line)]
        return self._line[0] if self._line else ""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._finished) + self.line

    def since(self, mark: int, max_chars: int) -> tuple[str, int, bool]:
        """The text after the parts that `mark` counted, as many parts of it as there is room for.

        Returns it with the mark at its end, and whether the last line is part of it. There is
        room for one part at least.
        """
        end, length = mark, 0
        while end < len(self._finished) and (end == mark or length < max_chars):
            length += len(self._finished[end])
            end += 1
        is_all = end == len(self._finished) and length < max_chars
        return "".join(self._finished[mark:end]) + (self.line if is_all else ""), end, is_all

    def write(self, text: str) -> None:
        """Append what the kernel sent."""
        start = 0
        if "\n" in text and "\r" not in text and "\b" not in text:
            # Whole lines can be taken at once, which most output consists of.
            first, start = text.index("\n"), text.rindex("\n") + 1
            self._put(text[:first])
            self._finish(text[first:start])
        for control in _CONTROL.finditer(text, start):
            self._put(text[start : control.start()])
            self._control(control.group())
            start = control.end()
        self._put(text[start:])

    def _put(self, text: str) -> None:
        end = self._cursor + len(text)
        if self._cursor == self._length:
            self._line.append(text)
        else:
            line = self.line
            self._line = [line[: self._cursor], text, line[end:]]
        self._cursor, self._length = end, max(end, self._length)

    def _control(self, character: str) -> None:
        if character == "\n":
            self._finish("\n")
        else:
            self._cursor = 0 if character == "\r" else max(0, self._cursor - 1)

    def _finish(self, text: str) -> None:
        text = self.line + text
        self._finished += [text[i : i + PART_CHARS] for i in range(0, len(text), PART_CHARS)]
        self._finished_length += len(text)
        self._line, self._length, self._cursor = [], 0, 0


class OutputArea:
    """The outputs of one run, and how much of them the shared document has.

    `apply` takes messages as they come and touches nothing but this object; `write` brings
    the cell up to date in one transaction. So the caller decides how often people, and the
    store behind the document, get an update.

    What comes once there are `max_bytes` is dropped, except for errors, and counted in `omitted`.
    """

    def __init__(self, max_bytes: int) -> None:
        self.cell_id = ""
        self.execution_count: int | None = None
        self.size = 0
        """About how many bytes the outputs have."""
        self.omitted = 0
        """How many bytes were dropped."""
        self._max_bytes = max_bytes
        self._outputs: list[Output] = []
        self._streams: dict[int, StreamText] = {}
        self._display_ids: dict[str, list[int]] = {}
        self._clear_before_next = False
        # The document has the first `_written` outputs; the last of them may be a stream of
        # which it has the parts before a mark and then a line, see `_continue_stream`.
        self._written = 0
        self._written_text = (0, "")
        self._dirty = False
        self._unwritten = 0
        self._is_shown = False
        self._is_finished = False
        self._abandoned = False

    @property
    def has_changes(self) -> bool:
        """Whether `write` has something to write."""
        return self._dirty

    @property
    def has_much(self) -> bool:
        """Whether there is more to write than should be written at once."""
        return self._dirty and self._unwritten > MAX_WRITE_CHARS

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
            self.execution_count = content.get("execution_count")
        elif kind == "update_display_data":
            self.update_display(content)
        elif kind in OUTPUT_TYPES:
            if self._clear_before_next:
                self._clear_before_next = False
                self._clear()
            self._add(kind, content)

    def update_display(self, content: Message) -> bool:
        """Show new data in each output that was displayed under the same display id.

        Returns whether there was any.
        """
        indexes = self._display_ids.get(_display_id(content), [])
        for index in indexes:
            before = size_of(self._outputs[index])
            self._outputs[index] |= _data(content)
            self.size += size_of(self._outputs[index]) - before
            self._redo_from(index)
        return bool(indexes)

    # Writing

    def start(self, document: NotebookDocument, cell_id: str) -> str:
        """Take the cell for a run, and return the source that will run.

        Raises:
            CellNotFound: the cell was deleted.
        """
        self.cell_id = document.resolve(cell_id)
        ycell = document.ycell(self.cell_id)
        assert ycell is not None
        return str(ycell["source"])

    def show_running(self, document: NotebookDocument) -> None:
        """Empty the cell's outputs and mark it running, unless that was done."""
        if not self._is_shown:
            with document.transaction(OUTPUT_ORIGIN):
                self._show_running(document.ycell(self.cell_id))
                document.mark_dirty()

    def write(self, document: NotebookDocument, max_chars: int = MAX_WRITE_CHARS) -> None:
        """Bring the cell up to date, unless it is gone or somebody cleared it meanwhile.

        Writes about `max_chars` at most, and has changes for another time if there is more.
        """
        if self._dirty:
            with document.transaction(OUTPUT_ORIGIN):
                self._show_running(document.ycell(self.cell_id))
                self._write_outputs(document.ycell(self.cell_id), max_chars)
                document.mark_dirty()

    def finish(self, document: NotebookDocument) -> None:
        """Bring the cell up to date and end its running state, in one transaction."""
        with document.transaction(OUTPUT_ORIGIN):
            ycell = document.ycell(self.cell_id)
            self._show_running(ycell)
            self._write_outputs(ycell, sys.maxsize)
            # A cell that JupyterLab has moved is a copy without an execution state.
            if ycell is not None and ycell.get("cell_type") == "code":
                ycell["execution_count"] = self.execution_count
                ycell["execution_state"] = "idle"
                document.mark_dirty()
        self._is_finished = True

    # Inside

    def _show_running(self, ycell: Map[Any] | None) -> None:
        if self._is_shown or ycell is None or "outputs" not in ycell:
            return
        self._is_shown = True
        ycell["outputs"].clear()
        # A count that is set early would make JupyterLab show the cell as idle.
        ycell["execution_count"] = None
        ycell["execution_state"] = "running"
        ycell["metadata"]["trusted"] = True

    def _clear(self) -> None:
        self._outputs.clear()
        self._streams.clear()
        self._display_ids.clear()
        self.size = self.omitted = 0
        self._redo_from(0)

    def _add(self, kind: str, content: Message) -> None:
        self._dirty = True
        if self.size > self._max_bytes and kind != "error":
            self._omit(kind, content)
        elif kind == "stream":
            self._add_stream(str(content["name"]), str(content["text"]))
        else:
            self._add_output({"output_type": kind} | _fields(kind, content), _display_id(content))

    def _omit(self, kind: str, content: Message) -> None:
        if not self.omitted:
            self._add_stream("stderr", CUT_SHORT.format(self._max_bytes / 1_000_000))
        self.omitted += len(content["text"]) if kind == "stream" else size_of(content)

    def _add_output(self, output: Output, display_id: str) -> None:
        if display_id:
            self._display_ids.setdefault(display_id, []).append(len(self._outputs))
        self._outputs.append(output)
        self.size += size_of(output)
        self._unwritten += size_of(output)

    def _add_stream(self, name: str, text: str) -> None:
        # JupyterLab merges neighbours of the same name, so two of them would not match.
        if not self._outputs or self._outputs[-1].get("name") != name:
            self._streams[len(self._outputs)] = StreamText()
            self._outputs.append({"output_type": "stream", "name": name})
        stream = self._streams[len(self._outputs) - 1]
        before = stream.length
        stream.write(text)
        self._unwritten += len(text)
        self.size += stream.length - before

    def _output(self, index: int) -> Output:
        stream = self._streams.get(index)
        return self._outputs[index] | ({"text": stream.text} if stream else {})

    def _redo_from(self, index: int) -> None:
        self._dirty = True
        if index < self._written:
            self._written = index
            if stream := self._streams.get(index - 1):
                # It is followed by what is redone, so the document has it whole.
                self._written_text = stream.mark, stream.line

    def _write_outputs(self, ycell: Map[Any] | None, max_chars: int) -> None:
        self._dirty, dirty = False, self._dirty
        if not dirty or self._abandoned or ycell is None or "outputs" not in ycell:
            return
        shared: Array[Any] = ycell["outputs"]
        reran = self._is_finished and ycell.get("execution_count") != self.execution_count
        if reran or len(shared) < self._written or not self._has_stream(shared):
            # Somebody reran, cleared or rewrote the cell: what it shows from now on is theirs.
            self._abandoned = True
            return
        # JupyterLab follows changes at the end of the list only, so what comes after a change
        # further up is written again.
        del shared[self._written :]
        self._unwritten = max(self._unwritten - max_chars, 0)
        left = max_chars - self._continue_stream(shared, max_chars)
        new = []
        while left > 0 and self._written < len(self._outputs):
            output, size = self._next_output(left)
            new.append(output)
            left -= size
        shared.extend(new)
        stream = self._streams.get(self._written - 1)
        is_whole = stream is None or self._written_text == (stream.mark, stream.line)
        self._dirty = not is_whole or self._written < len(self._outputs)

    def _has_stream(self, shared: Array[Any]) -> bool:
        """Whether the stream to be continued, if any, still is where it was written."""
        if self._written - 1 not in self._streams:
            return True
        return isinstance(shared[self._written - 1].get("text"), Text)

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


def _display_id(content: Message) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")


def _data(content: Message) -> Output:
    return {"data": dict(content["data"]), "metadata": dict(content.get("metadata") or {})}


def _fields(kind: str, content: Message) -> Output:
    if kind == "error":
        return {name: content[name] for name in ("ename", "evalue", "traceback")}
    count = {"execution_count": content["execution_count"]} if kind == "execute_result" else {}
    return _data(content) | count


def size_of(value: Any) -> int:
    """About how many bytes this takes in a file."""
    if isinstance(value, Mapping):
        return sum(len(name) + size_of(item) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(size_of, value))
    return len(value) if isinstance(value, str) else 8
