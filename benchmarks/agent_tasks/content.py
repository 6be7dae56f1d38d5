"""Notebooks for tasks, with outputs as a kernel would have written them."""

from __future__ import annotations

import base64
import io
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image, ImageDraw

from tests.notebooks.make import code, markdown, notebook

__all__ = ["chart", "code", "markdown", "notebook", "outputs_text", "printed", "ran", "result"]


def printed(text: str) -> Any:
    return new_output("stream", name="stdout", text=text)


def result(text: str, count: int) -> Any:
    return new_output("execute_result", {"text/plain": text}, execution_count=count)


def ran(cell: NotebookNode, count: int, *outputs: NotebookNode) -> NotebookNode:
    """The cell as it is after a run."""
    cell.execution_count = count
    cell.outputs = list(outputs)
    return cell


def outputs_text(cell: dict[str, Any]) -> str:
    """The text of all outputs of a cell; an error is its name and value."""
    texts = []
    for output in cell.get("outputs", []):
        error = f"{output.get('ename')}: {output.get('evalue')}" if "ename" in output else ""
        texts.append(output.get("text") or output.get("data", {}).get("text/plain") or error)
    return "".join(texts)


def chart(heights: dict[str, int], size: tuple[int, int] = (1400, 900)) -> str:
    """A PNG of a bar chart in base64, of about 200 kB, as some of its paper has a grain."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    picture.paste(Image.effect_noise((450, 450), 10).point(lambda level: level + 110))
    width = size[0] // (len(heights) * 2 + 1)
    for number, (colour, height) in enumerate(heights.items()):
        left = width * (2 * number + 1)
        draw.rectangle((left, size[1] - height, left + width, size[1]), fill=colour)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()
