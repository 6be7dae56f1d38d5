"""Snapshots, kernels or variables -> blocks of text or images, within a budget.

Sources are verbatim; the header above each says how many of its lines follow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import accumulate, chain
from typing import Any

from mcp_types import ResourceLink

from .cell import Cell
from .kernel_facts import KernelFacts
from .output_blocks import Block, Item, Limits, fitted, to_blocks
from .output_parts import format_size, is_error, summary
from .ranges import ranges
from .records import Record
from .search import Found, Match
from .text import count, duration, encodable, excerpt, printable, quote, terminal_lines

RunSection = tuple[str, Sequence[Any], str, ResourceLink | None]
"""What is said of a run, its outputs, the call that shows more, and where they are whole."""

MIN_SOURCE_CHARS = 40
"""With less room than this, a source is left out rather than cut."""

OUTLINE_LINE_BYTES = 58
"""Without the end of the line."""

MAX_MATCHES = 60
"""Lines and cells that a search shows."""

MAX_CELL_MATCHES = 8
"""Of those, in one cell."""

MAX_MATCH_CHARS = 200

MIN_TOLD_SIZE = 1_000
"""From how many bytes on the size of a variable is told."""

_HEADING = re.compile(r"(#{1,6}) ")


def outline(cells: Sequence[Cell], notes: Mapping[str, str] | None = None) -> str:
    """A line for each cell, of about 60 bytes; cells are indented below their heading.

    `notes` are said of the cells whose ids they have, and make those lines longer.
    """
    lines = []
    depth = 0
    for cell in cells:
        first = _first_line(cell)
        heading = _HEADING.match(first) if cell.type == "markdown" else None
        depth = len(heading[1]) if heading else depth
        state = run_state(cell)
        state = "" if state == "error" else state  # The summary of the outputs says which.
        facts = [_length(cell) if "\n" in cell.source else "", state, summary(cell.outputs)]
        indent = " " * (depth - 1 if heading else depth)
        ran = cell.type == "code" and cell.execution_count is not None
        kind = f"In[{cell.execution_count}]" if ran else _kind(cell)
        head = f"{indent}{cell.label} {kind} {', '.join(filter(None, facts))}"
        head = printable(head.rstrip())
        room = max(OUTLINE_LINE_BYTES - len(f"{head}: ".encode()), 10)
        note = f"  ({notes[cell.id]})" if notes and cell.id in notes else ""
        lines.append(f"{head}: {_cut(first, room) if first else 'empty'}{note}")
    return encodable("\n".join(lines))


def whole_in(outline: str, cells: Sequence[Cell]) -> list[Cell]:
    """Those of the cells of an outline of which it shows the whole source."""
    lines = zip(cells, outline.split("\n"), strict=False)
    return [cell for cell, line in lines if f": {cell.source}  (" in f"{line}  ("]


def sources(cells: Sequence[Cell], limits: Limits) -> str:
    """A header for each cell and its source, until `max_source_chars` are used up."""
    sections = _sections(cells, limits)
    return encodable("\n".join([*sections, *_left_out(cells[len(sections) :], "source")]))


def whole(cells: Sequence[Cell], limits: Limits) -> list[Cell]:
    """Those of the first cells of which `sources` and `full` leave no source out."""
    shown, left = [], limits.max_source_chars
    for cell in cells:
        if left <= 0 or len(cell.source) > left:
            break
        shown.append(cell)
        left -= len(_header(cell, _length(cell))) + 1 + len(cell.source)
    return shown


def full(cells: Sequence[Cell], limits: Limits) -> list[Block]:
    """A header for each cell, its source and its outputs, which share one budget."""
    sections = _sections(cells, limits)
    groups = fitted(
        [(cell.outputs, _read_call(cell.id), None) for cell in cells[: len(sections)]], limits
    )
    items = [[section, *group] for section, group in zip(sections, groups, strict=True)]
    return to_blocks([*chain.from_iterable(items), *_left_out(cells[len(sections) :], "full")])


def cell(
    cell: Cell,
    limits: Limits,
    *,
    outputs: bool = True,
    offset: int = 0,
    limit: int | None = None,
    link: ResourceLink | None = None,
) -> list[Block]:
    """One cell with its outputs; `offset` and `limit` are lines of its source, 0-based.

    `link` follows outputs of which text was omitted.
    """
    items: list[Item] = [_section(cell, limits.max_source_chars, offset, limit)]
    if outputs:
        items += fitted([(cell.outputs, _read_call(cell.id, "max_chars=..."), link)], limits)[0]
    return to_blocks(items)


def file(
    path: str, text: str, limits: Limits, offset: int, limit: int | None, fact: str = ""
) -> str:
    """The path and the lines of a text file, as far as they fit; `fact` is said beside the path."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    shown, extent = _lines(lines, limits.max_source_chars, offset, limit, partial(_file_call, path))
    header = [path, extent or count(len(lines), "line"), *([fact] if fact else [])]
    return "\n".join([printable(", ".join(header)), *shown])


def matches(found: Sequence[Found]) -> str:
    """A header for each cell and its matching lines, with their numbers, as many as fit."""
    total = sum(each.count for each in found)
    cells = count(len(found), "cell")
    shown = [(f"{count(total, 'line')} in {cells}" if total else cells) if found else "no match"]
    left = MAX_MATCHES
    for each in found[:MAX_MATCHES]:
        lines = each.lines[: min(max(left, 1), MAX_CELL_MATCHES)]
        shown += [_header(each.cell, _length(each.cell)), *map(_match, lines)]
        left -= len(lines)
        if (rest := each.count - len(lines)) > 0:
            shown.append(f"… {count(rest, 'more line')}")
    if (rest := len(found) - MAX_MATCHES) > 0:
        shown.append(f"… {count(rest, 'more cell')}")
    return encodable("\n".join(shown))


def _match(match: Match) -> str:
    line = match.line if len(match.line) <= MAX_MATCH_CHARS else match.line[:MAX_MATCH_CHARS] + "…"
    if match.output:
        return f"  {match.output} {match.number}:\n{quote(line)}"
    return f"  {match.number}: {printable(line)}"


def kernel(model: Mapping[str, Any]) -> str:
    """One line on a running kernel, from Jupyter's model of it."""
    notebooks = f", notebooks: {', '.join(paths)}" if (paths := model.get("notebooks")) else ""
    given = f"{name}: " if (name := model.get("given_name")) else ""
    state = model.get("execution_state", "unknown")
    return printable(f"{given}{model['name']} {model['id']} {state}{notebooks}")


def kernel_facts(model: Mapping[str, Any], facts: KernelFacts) -> str:
    """A line on what is known of it, from its model and from the machine; "" if nothing is."""
    seconds, memory = facts.uptime_seconds, facts.memory_bytes
    known = [
        "" if seconds is None else f"up {duration(seconds)}",
        count(runs, "run") if (runs := model.get("runs")) else "",
        "" if memory is None else format_size(memory),
        "" if facts.pid is None else f"pid {facts.pid}",
        facts.environment,
        f"started by {who}" if (who := model.get("started_by")) else "",
        f"ends after {duration(idle)} idle" if (idle := model.get("ends_after")) else "",
        f"connection file {facts.connection_file}" if facts.connection_file else "",
    ]
    return printable(f"  {', '.join(filter(None, known))}".rstrip())


def recorded(record: Record, limits: Limits) -> str:
    """The runs of a named kernel, each with its number, status and code."""
    older = f"; {record.dropped:,} older ones are not kept" if record.dropped else ""
    lines = [f"{count(len(record.runs), 'run')} recorded on {record.name!r}{older}"]
    limit = max(limits.max_source_chars // max(len(record.runs), 1), 80)
    for run in record.runs:
        at = datetime.fromtimestamp(run.at).strftime("%Y-%m-%d %H:%M")
        lines.append(f"{run.number}  status: {run.status}  {at}{'  lost' * run.is_lost}")
        lines += excerpt(run.code.split("\n"), limit)[0]
    return encodable("\n".join(lines))


def variables(listing: Mapping[str, Any], limits: Limits) -> str:
    """A line for each variable: name, type, shape or length, size, value."""
    lines = [_variable(facts) for facts in listing["variables"]]
    shown = excerpt(lines, limits.max_output_chars)[0] or ["no variables"]
    if omitted := listing["omitted"]:
        shown.append(f"… {count(omitted, 'variable')} omitted; pattern= narrows them down")
    return encodable("\n".join(shown))


def variable(facts: Mapping[str, Any], limits: Limits) -> str:
    """One variable, with its details."""
    texts = [_variable(facts), *facts["details"]]
    lines = list(chain.from_iterable(map(terminal_lines, texts)))
    return encodable("\n".join(excerpt(lines, limits.max_output_chars)[0]))


def _variable(facts: Mapping[str, Any]) -> str:
    size = format_size(facts["size"]) if facts["size"] >= MIN_TOLD_SIZE else ""
    parts = (facts["name"], facts["type"], facts["extent"], size, facts["text"])
    return "  ".join(filter(None, parts))


def run_state(cell: Cell) -> str:
    """`never run`, `ok`, `error`, `running` or `stale`; "" where nothing can run."""
    if cell.type != "code":
        return ""
    if cell.execution_state == "running":
        return "running"
    if cell.is_stale:
        return "stale"
    if any(map(is_error, cell.outputs)):
        return "error"
    return "ok" if cell.outputs or cell.execution_count is not None else "never run"


def _sections(cells: Sequence[Cell], limits: Limits) -> list[str]:
    """Headers and sources of the first cells, as many as there is room for."""
    sections: list[str] = []
    left = limits.max_source_chars
    for cell in cells:
        if left <= 0 or left < min(len(cell.source), MIN_SOURCE_CHARS):
            break
        sections.append(_section(cell, left))
        left -= len(sections[-1])
    return sections


def _section(cell: Cell, max_chars: int, offset: int = 0, limit: int | None = None) -> str:
    """A header, the wanted lines of the source as far as they fit, and how to read on."""
    lines = cell.source.split("\n") if cell.source else []
    call = partial(_read_call, cell.id)
    shown, extent = _lines(lines, max_chars, offset, limit, call)
    return "\n".join([_header(cell, extent or _length(cell)), *shown])


def _lines(
    lines: Sequence[str],
    max_chars: int,
    offset: int,
    limit: int | None,
    call: Callable[[str], str],
) -> tuple[list[str], str]:
    """The wanted lines as far as they fit, with what is missing; and which they are of how many,
    "" for all. `call` names the call that reads on, by its argument."""
    wanted = lines[offset:] if limit is None else lines[offset : offset + limit]
    ends = accumulate(len(line) + 1 for line in wanted)
    shown = list(wanted[: sum(end <= max_chars + 1 for end in ends)])
    notes = []
    if wanted and not shown:
        shown = [wanted[0][:max_chars]]
        missing = len(wanted[0]) - len(shown[0])
        notes.append(f"… {count(missing, 'character')} of this line omitted")
    end = offset + len(shown)
    if rest := len(wanted) - len(shown):
        notes.append(f"… {count(rest, 'line')} omitted; to read on: {call(f'offset={end}')}")
    is_part = 0 < len(shown) < len(lines)
    return [*shown, *notes], f"lines {offset}-{end - 1} of {len(lines)}" if is_part else ""


def _header(cell: Cell, extent: str) -> str:
    ran = f"In[{cell.execution_count}]" if cell.execution_count else ""
    facts = ", ".join(filter(None, [ran, run_state(cell), extent]))
    return printable(f"{cell.label} {_kind(cell)} {facts}")


def _left_out(cells: Sequence[Cell], view: str) -> list[str]:
    if not cells:
        return []
    chars = count(sum(len(cell.source) for cell in cells), "character")
    call = f'read_notebook(view="{view}", cells="{ranges([cell.position for cell in cells])}")'
    return [f"… {count(len(cells), 'cell')} with {chars} of source omitted; to read on: {call}"]


def _read_call(cell_id: str, argument: str = "") -> str:
    return printable(f"read_cell(cell={_quoted(cell_id)}{argument and ', ' + argument})")


def _file_call(path: str, argument: str) -> str:
    return printable(f"read_file(path={_quoted(path)}, {argument})")


def _quoted(name: str) -> str:
    """As a call has it, on one line and with both its ends."""
    return json.dumps(name, ensure_ascii=False)


def _kind(cell: Cell) -> str:
    return "md" if cell.type == "markdown" else cell.type


def _length(cell: Cell) -> str:
    return count(cell.source.count("\n") + 1 if cell.source else 0, "line")


def _first_line(cell: Cell) -> str:
    """The first line that says what the cell does; a comment only where there is no code."""
    lines = [line for line in map(str.strip, cell.source[:4_000].split("\n")) if line] or [""]
    if cell.type == "code":
        return next((line for line in lines if not line.startswith("#")), lines[0])
    return lines[0]


def _cut(line: str, max_bytes: int) -> str:
    line = printable(line.replace("\t", " "))
    encoded = line.encode()
    if len(encoded) <= max_bytes:
        return line
    return encoded[: max_bytes - 3].decode(errors="ignore").rstrip() + "…"


def runs(sections: Sequence[RunSection], limits: Limits) -> list[Block]:
    """What is to be said of each run, then its outputs; all outputs share one budget."""
    groups = fitted([(outputs, rest, link) for _, outputs, rest, link in sections], limits)
    items = [[head, *group] for (head, *_), group in zip(sections, groups, strict=True)]
    return to_blocks(chain.from_iterable(items))
