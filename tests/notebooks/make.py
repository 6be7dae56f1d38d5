"""Write and execute the notebooks of this directory: `python tests/notebooks/make.py`."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell


def code(cell_id: str, source: str, **metadata: Any) -> NotebookNode:
    return new_code_cell(source, id=cell_id, metadata=metadata)


def markdown(cell_id: str, source: str, **metadata: Any) -> NotebookNode:
    return new_markdown_cell(source, id=cell_id, metadata=metadata)


def notebook(*cells: NotebookNode) -> NotebookNode:
    kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=list(cells), metadata={"kernelspec": kernelspec})


def plain() -> NotebookNode:
    """Never executed, so a test sees its own outputs only."""
    return notebook(
        markdown("title", "# A plain notebook"),
        code("numbers", "first = 1\nsecond = 2\nthird = 3\ntotal = first + second + third\ntotal"),
        code("letters", 'words = ["alpha", "beta", "gamma"]\nlen(words)'),
    )


def table() -> NotebookNode:
    return notebook(
        markdown("title", "# Rivers"),
        code(
            "rivers",
            "import pandas as pd\n\n"
            'rivers = pd.DataFrame({"river": ["Nile", "Amazon", "Yangtze", "Danube"],\n'
            '                       "km": [6650, 6400, 6300, 2850]})\n'
            "rivers",
        ),
        code("longest", 'rivers.sort_values("km").tail(1)["river"].item()'),
        code("many_rows", 'pd.DataFrame({"n": range(500), "square": [n * n for n in range(500)]})'),
    )


def plot() -> NotebookNode:
    return notebook(
        markdown("title", "# A damped wave"),
        code("imports", "import matplotlib.pyplot as plt\nimport numpy as np"),
        code("wave", "x = np.linspace(0, 12, 300)\ny = np.exp(-x / 4) * np.cos(2 * x)"),
        code(
            "figure",
            "fig, ax = plt.subplots(figsize=(4, 2.5))\n"
            "ax.plot(x, y)\n"
            'ax.set_title("damped wave")\n'
            "plt.show()",
        ),
    )


def failing() -> NotebookNode:
    return notebook(
        code(
            "define",
            "def outer(values):\n"
            "    return [inner(value) for value in values]\n\n\n"
            "def inner(value):\n"
            "    return 10 / value",
        ),
        code("raise", 'print("before the error")\nouter([5, 2, 0])'),
        code(
            "chained", 'try:\n    {}["missing"]\nexcept KeyError as e:\n    raise ValueError from e'
        ),
        code("after", '"cells after an error still run here"'),
    )


def international() -> NotebookNode:
    """Accents, CJK, astral emoji, a joined emoji, combining marks and right-to-left text."""
    return notebook(
        markdown("title", "# Unicode: é 日本語 🎉 👩‍👩‍👧 e\u0301 שלום مرحبا"),
        code("names", 'café = "naïve"\n変数 = "日本語"\nprint(café, 変数)'),
        code("emoji", 'party = "🎉👩‍👩‍👧🏳️‍🌈"\nprint(party, len(party))\nparty'),
        code("combining", 'accent = "e\u0301"\nprint(accent, len(accent), accent == "é")'),
        code("right_to_left", 'print("שלום עולם", "مرحبا بالعالم")  # mixed: abc שלום def'),
        code("maths", '"".join(chr(0x1D400 + n) for n in range(26))'),
    )


def _png(side: int = 8) -> str:
    """A small red square, as base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xd0\x30\x30" * side) * side
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def mixed() -> NotebookNode:
    """What an editor must not lose: attachments, raw cells, tags and unknown metadata."""
    picture = markdown("picture", "A square: ![square](attachment:square.png)")
    picture["attachments"] = {"square.png": {"image/png": _png()}}
    raw = new_raw_cell("\\newpage", id="raw", metadata={"raw_mimetype": "text/latex"})
    made = notebook(
        markdown("title", "# Mixed\n\n$e^{i\\pi} + 1 = 0$", slideshow={"slide_type": "slide"}),
        picture,
        raw,
        code("parameters", "alpha = 0.1", tags=["parameters", "keep"]),
        code("hidden", "secret = alpha * 2\nsecret", jupyter={"source_hidden": True}),
        code("html", 'from IPython.display import HTML\nHTML("<b>bold</b>")', collapsed=False),
        code("empty", ""),
    )
    made.metadata["authors"] = [{"name": "Ada"}]
    made.metadata["vendor"] = {"nested": {"kept": [1, 2.5, None, True]}}
    return made


def large(count: int = 1000) -> NotebookNode:
    """`count` code cells with an output each; made when needed, not committed."""
    made = notebook(*(code(f"cell{n:04}", f"value_{n} = {n}\nvalue_{n}") for n in range(count)))
    for n, cell in enumerate(made.cells):
        cell.execution_count = n + 1
        data = {"text/plain": str(n)}
        output = nbformat.v4.new_output("execute_result", data, execution_count=n + 1)
        cell.outputs = [output]
    return made


def main() -> None:
    directory = Path(__file__).parent
    nbformat.write(plain(), directory / "plain.ipynb")
    for make in (table, plot, failing, international, mixed):
        made = make()
        NotebookClient(
            made, allow_errors=True, record_timing=False, kernel_name="python3"
        ).execute()
        nbformat.validate(made)
        nbformat.write(made, directory / f"{make.__name__}.ipynb")


if __name__ == "__main__":
    main()
