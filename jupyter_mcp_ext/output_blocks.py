"""Outputs -> blocks of text or images, within a budget.

What a kernel printed is data: `text` marks each of its lines with `| `, which starts no line of
ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from typing import Any

from mcp_types import ImageContent, ResourceLink, TextContent

from .images import UnusableImage
from .output_parts import OutputPart, format_size, part_of, summary
from .text import count, encodable, excerpt, narrow_table, quoted_length

if find_spec("PIL"):
    from .scaling import fit_image
else:
    from .images import fit_png as fit_image

Block = TextContent | ImageContent | ResourceLink

Outputs = tuple[Sequence[Any], str, ResourceLink | None]
"""Outputs of one cell, the call that shows more of them, and where they are whole."""

Item = str | ImageContent | ResourceLink
"""What blocks are made of."""

MAX_LINKS = 5
"""Links in one answer."""

MAX_IMAGES_CHARS = 700_000
"""All images of one answer, in base64."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one answer.

    `max_output_chars` is for the text of all outputs; labels and notes may exceed it by 150
    characters for each output. `max_image_bytes` is for one image as it is sent, in base64. Of the
    outputs of one cell, the last `max_outputs` are shown.
    """

    max_output_chars: int = 3_600
    max_source_chars: int = 20_000
    allow_images: bool = True
    max_image_bytes: int = 60_000
    max_images: int = 8
    max_image_side: int = 1024
    max_outputs: int = 40


def fitted(groups: Sequence[Outputs], limits: Limits) -> list[list[Item]]:
    """The outputs of several cells in one budget; links only where text was omitted."""
    parts = [[part_of(output) for output in group[0][-limits.max_outputs :]] for group in groups]
    for group in filter(None, parts):
        group[-1].weight += 2
    everything = list(chain.from_iterable(parts))
    images = iter(_take_images(everything, limits))
    reserved = max((len(_rest_note(rest)) for _, rest, _ in groups), default=0)
    shares = iter(_shares(everything, limits.max_output_chars - reserved))
    shown: list[list[Item]] = []
    links = 0
    for (outputs, rest, link), group in zip(groups, parts, strict=True):
        hidden = outputs[: len(outputs) - len(group)]
        items: list[Item] = []
        if hidden:
            items.append(f"… {count(len(hidden), 'earlier output')} omitted: {summary(hidden)}")
        texts = [_within(part, next(shares)) for part in group]
        for text, _ in texts:
            items += filter(None, (text, next(images)))
        is_cut = any(is_cut for _, is_cut in texts)
        if rest and is_cut:
            items.append(_rest_note(rest))
        if link and (hidden or is_cut) and links < MAX_LINKS:
            items.append(link)
            links += 1
        shown.append(items)
    return shown


def _rest_note(rest: str) -> str:
    return f"… to see what was omitted: {rest}"


def _within(part: OutputPart, max_chars: int) -> tuple[str, bool]:
    """The text of one output, and whether some of it is missing."""
    lines, note = part.lines, ""
    if part.may_be_table and quoted_length(lines) > max_chars:
        lines, note = narrow_table(lines)
    entries, is_cut = excerpt(lines, max_chars)
    return "\n".join(filter(None, [_label(part), *entries, note])), is_cut or bool(note)


def _label(part: OutputPart) -> str:
    return f"{part.kind}: {', '.join(part.facts)}".rstrip()


def _shares(parts: Sequence[OutputPart], max_chars: int) -> list[int]:
    """What each output may take: small ones what they need, large ones more by their weight."""
    left = max(max_chars - sum(len(_label(part)) + 1 for part in parts), 0)
    weights = sum(part.weight for part in parts)
    needs = [quoted_length(part.lines) for part in parts]
    shares = [0] * len(parts)
    for i in sorted(range(len(parts)), key=lambda i: needs[i] / parts[i].weight):
        shares[i] = min(needs[i], left * parts[i].weight // weights)
        left -= shares[i]
        weights -= parts[i].weight
    return shares


def _take_images(parts: Sequence[OutputPart], limits: Limits) -> list[ImageContent | None]:
    """The image to send with each part; what to say of it joins the facts of the part."""
    surplus = sum(part.image is not None for part in parts) - limits.max_images
    left = MAX_IMAGES_CHARS
    taken: list[ImageContent | None] = []
    for part in parts:
        image = None
        if part.image:
            fact, image = _image(*part.image, limits, is_wanted=surplus <= 0)
            surplus -= 1
            if image and len(image.data) > left:
                fact, image = f"{fact}, not shown: the images before it fill this answer", None
            left -= len(image.data) if image else 0
            part.facts.insert(0, fact)
        taken.append(image)
    return taken


def _image(
    mime_type: str, data: str, limits: Limits, is_wanted: bool
) -> tuple[str, ImageContent | None]:
    size = format_size(len(data) * 3 // 4)
    if not limits.allow_images:
        return f"{mime_type}, {size}, not shown: images are switched off", None
    if not is_wanted:
        return f"{mime_type}, {size}, not shown: only the last {limits.max_images} are", None
    try:
        image = fit_image(data, limits.max_image_side, limits.max_image_bytes)
    except UnusableImage as error:
        return f"{mime_type}, {size}, not shown: {error}", None
    fact = f"{mime_type} {_pixels(image.original_size)}, {size}"
    if not image.is_original:
        sent = format_size(len(image.data) * 3 // 4)
        fact += f", scaled to {image.mime_type} {_pixels(image.size)}, {sent}"
    return fact, ImageContent(type="image", data=image.data, mime_type=image.mime_type)


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def to_blocks(items: Iterable[Item]) -> list[Block]:
    """One text block for all texts between two images or links."""
    blocks: list[Block] = []
    texts: list[str] = []
    for item in items:
        if isinstance(item, str):
            texts.append(item)
        else:
            # Never two images in a row: each comes after its label.
            blocks += [*([_text_block(texts)] if texts else []), item]
            texts = []
    return [*blocks, _text_block(texts)] if texts else blocks


def _text_block(texts: Iterable[str]) -> TextContent:
    return TextContent(type="text", text=encodable("\n".join(texts)))
