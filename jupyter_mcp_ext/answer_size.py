"""Keep an answer below the size that clients refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mcp_types import ImageContent, ResourceLink, TextContent

from .output_blocks import Block

MAX_ANSWER_BYTES = 1_000_000
"""One answer as it is sent: Python clients refuse an event of more than 1 MiB."""

MAX_BYTES_OF_CHARACTER = len(json.dumps("😀")) - 2
"""In JSON; one of the protocol's eras escapes all that is not ASCII."""

CUT_NOTE = "(cut here: one answer cannot have more; ask for less at a time)"


def sendable(blocks: Sequence[Block]) -> list[Block]:
    """The same, with the longest texts cut where the answer would exceed MAX_ANSWER_BYTES."""
    texts = {i: b.text for i, b in enumerate(blocks) if isinstance(b, TextContent)}
    sizes = {i: _json_size(text) for i, text in texts.items()}
    rest = [block for block in blocks if not isinstance(block, TextContent)]
    left = MAX_ANSWER_BYTES - sum(map(_block_size, rest))
    result = list(blocks)
    for done, i in enumerate(sorted(texts, key=sizes.__getitem__)):
        share = left // (len(texts) - done)
        if sizes[i] > share:
            cut = _first_bytes(texts[i], share)
            result[i] = TextContent(type="text", text=f"{cut}\n{CUT_NOTE}")
        left -= min(sizes[i], share)
    return result


def _first_bytes(text: str, max_bytes: int) -> str:
    kept: list[str] = []
    for line in text.split("\n"):
        size = _json_size(line) + len("\\n")
        if size > max_bytes:
            kept.append(line[: max_bytes // MAX_BYTES_OF_CHARACTER])
            break
        kept.append(line)
        max_bytes -= size
    return "\n".join(kept)


def _block_size(block: ImageContent | ResourceLink) -> int:
    return len(block.data) if isinstance(block, ImageContent) else len(block.model_dump_json())


def _json_size(text: str) -> int:
    return len(json.dumps(text))
