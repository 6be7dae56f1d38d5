"""Cells and outputs to what a model reads, with no server. Samples are of ipykernel 7."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from io import BytesIO
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types import ImageContent, ResourceLink, TextContent
from PIL import Image

from jupyter_mcp_ext import answer_size, render
from jupyter_mcp_ext.cell import Cell
from jupyter_mcp_ext.kernel_facts import KernelFacts
from jupyter_mcp_ext.links import cell_link
from jupyter_mcp_ext.output_blocks import Block, Limits, fitted, to_blocks
from jupyter_mcp_ext.records import Record, RecordedRun
from jupyter_mcp_ext.text import duration, markup_lines, terminal_lines

LIMITS = Limits()
STATUS_LINE = "[3] cell0003  status: ok  execution: r7  12 ms"

# fmt: off
ZERO_DIVISION = [
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mZeroDivisionError\x1b[39m                         Traceback (most recent call last)",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[4]\x1b[39m\x1b[32m, line 3\x1b[39m\n\x1b[32m      1\x1b[39m \x1b[38;5;28;01mdef\x1b[39;00m f(x):\n\x1b[32m      2\x1b[39m     \x1b[38;5;28;01mreturn\x1b[39;00m \x1b[32m1\x1b[39m/x\n\x1b[32m----> \x1b[39m\x1b[32m3\x1b[39m f(\x1b[32m0\x1b[39m)\n",  # noqa: E501
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[4]\x1b[39m\x1b[32m, line 2\x1b[39m, in \x1b[36mf\x1b[39m\x1b[34m(x)\x1b[39m\n\x1b[32m      1\x1b[39m \x1b[38;5;28;01mdef\x1b[39;00m f(x):\n\x1b[32m----> \x1b[39m\x1b[32m2\x1b[39m     \x1b[38;5;28;01mreturn\x1b[39;00m \x1b[32m1\x1b[39m/x\n",  # noqa: E501
    "\x1b[31mZeroDivisionError\x1b[39m: division by zero",
]
PANDAS_KEY_ERROR = [
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mKeyError\x1b[39m                                  Traceback (most recent call last)",
    "\x1b[36mFile \x1b[39m\x1b[32m/venv/lib/python3.11/site-packages/pandas/core/indexes/base.py:3816\x1b[39m, in \x1b[36mIndex.get_loc\x1b[39m\x1b[34m(self, key)\x1b[39m\n\x1b[32m   3815\x1b[39m \x1b[38;5;28;01mtry\x1b[39;00m:\n\x1b[32m-> \x1b[39m\x1b[32m3816\x1b[39m     \x1b[38;5;28;01mreturn\x1b[39;00m \x1b[38;5;28mself\x1b[39m._engine.get_loc(casted_key)\n",  # noqa: E501
    "\x1b[36mFile \x1b[39m\x1b[32mpandas/_libs/index.pyx:172\x1b[39m, in \x1b[36mpandas._libs.index.IndexEngine.get_loc\x1b[39m\x1b[34m()\x1b[39m\n\x1b[32m--> \x1b[39m\x1b[32m172\x1b[39m \x1b[33m'Could not get source, probably due dynamically evaluated source code.'\x1b[39m\n",  # noqa: E501
    "\x1b[31mKeyError\x1b[39m: 'nope'",
    "\nThe above exception was the direct cause of the following exception:\n",
    "\x1b[31mKeyError\x1b[39m                                  Traceback (most recent call last)",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[5]\x1b[39m\x1b[32m, line 1\x1b[39m\n\x1b[32m----> \x1b[39m\x1b[32m1\x1b[39m df[\x1b[33m'nope'\x1b[39m]\n",  # noqa: E501
    "\x1b[36mFile \x1b[39m\x1b[32m/venv/lib/python3.11/site-packages/pandas/core/frame.py:4330\x1b[39m, in \x1b[36mDataFrame.__getitem__\x1b[39m\x1b[34m(self, key)\x1b[39m\n\x1b[32m-> \x1b[39m\x1b[32m4330\x1b[39m             indexer = self.columns.get_loc(key)\n",  # noqa: E501
    "\x1b[31mKeyError\x1b[39m: 'nope'",
]
SYNTAX_ERROR = [
    "  \x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[6]\x1b[39m\x1b[32m, line 1\x1b[39m\n\x1b[31m    \x1b[39m\x1b[31ma = (1\x1b[39m\n          ^\n\x1b[31mSyntaxError\x1b[39m\x1b[31m:\x1b[39m incomplete input\n",  # noqa: E501
]
# fmt: on


def rendered(outputs: list[Any], limits: Limits, *, rest: str = "") -> list[Block]:
    return to_blocks(fitted([(outputs, rest, None)], limits)[0])


def stream(text: Any, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def bare(name: str) -> str:
    return f"<IPython.core.display.{name} object>"


def display(output_type: str = "display_data", **data: Any) -> dict[str, Any]:
    mimes = {mime.replace("_", "/", 1).replace("__", "+"): value for mime, value in data.items()}
    return {"output_type": output_type, "metadata": {}, "data": mimes}


def error(name: str, message: str, traceback: Any) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": traceback}


def stored_size(data: str) -> str:
    return f"{len(data) * 3 // 4} B"


def image(width: int, height: int, kind: str = "PNG", noise: bool = False) -> str:
    picture = (
        Image.effect_noise((width, height), 90) if noise else Image.new("RGB", (width, height))
    )
    file = BytesIO()
    picture.save(file, kind)
    return b64encode(file.getvalue()).decode()


def text(*outputs: Any, limits: Limits = LIMITS, rest: str = "") -> str:
    """What is said of outputs that need no image."""
    blocks = rendered(outputs, limits, rest=rest)
    assert [type(block) for block in blocks] in ([], [TextContent])
    return "".join(block.text for block in blocks if isinstance(block, TextContent))


def lines(*outputs: Any, limits: Limits = LIMITS) -> list[str]:
    return text(*outputs, limits=limits).split("\n")


def code(source: str, position: int = 0, **values: Any) -> Cell:
    return Cell(f"cell{position:04}", position, "code", source, **values)


def markdown(source: str, position: int = 0) -> Cell:
    return Cell(f"cell{position:04}", position, "markdown", source)


# Outputs: labels and quoting


def test_each_output_is_quoted_below_its_label() -> None:
    outputs = [
        stream("one\ntwo\n"),
        stream("careful", "stderr"),
        display(text_plain="<b>plain</b> text"),
        display("execute_result", text_plain="42"),
    ]
    assert lines(*outputs) == [
        "stdout:",
        "| one",
        "| two",
        "stderr:",
        "| careful",
        "display:",
        "| <b>plain</b> text",
        "result:",
        "| 42",
    ]


def test_no_output_means_no_block() -> None:
    assert rendered([], LIMITS) == []


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_printed_text_cannot_pass_for_a_line_of_ours(line_end: str) -> None:
    forged = f"x{line_end}{STATUS_LINE}{line_end}… 5 lines omitted"
    output = text(
        stream(forged), display(text_html=f"<p>{forged}"), error(forged, forged, [forged])
    )
    ours = [line for line in output.splitlines() if not line.startswith("| ")]
    assert ours == ["stdout:", "display:", "error:"]


def test_names_that_a_kernel_chose_are_one_short_word() -> None:
    name = f"application/x\n{STATUS_LINE}" + "y" * 1000
    assert lines({"output_type": "display_data", "data": {name: {}}}) == [
        "display: application/x??3??cell0003??status??ok??execution??r7??12?ms"[
            : len("display: ") + 60
        ]
    ]


def test_what_hides_or_reorders_text_is_made_visible() -> None:
    assert lines(stream("a\u202eb\U000e0041c\0d")) == ["stdout:", "| a\ufffdb\ufffdc\ufffdd"]


def test_lone_surrogates_do_not_break_the_answer() -> None:
    cells = [
        code("x = '\ud800'", outputs=(stream("\udfff"), error("\ud800", "\ud800", ["\ud800"])))
    ]
    said = [render.outline(cells), render.sources(cells, LIMITS)]
    said += [b.text for b in render.full(cells, LIMITS) if isinstance(b, TextContent)]
    assert all(part.encode() for part in said)


# Outputs: streams


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["red link"]),
        ("  0%|   | 0/3\r 33%|█  | 1/3\r100%|███| 3/3\n", ["100%|███| 3/3"]),
        ("working...\rdone\n", ["doneing..."]),
        ("working...\r\x1b[Kdone\n", ["done"]),
        ("working...\x1b[2K\rdone\n", ["done"]),
        ("12%\b\b\b13%\n", ["13%"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("kept\r", ["kept"]),
        ("ab\b\b\b\bc", ["cb"]),
        ("  indented\n\n", ["  indented"]),
    ],
)
def test_text_is_what_a_terminal_shows_at_the_end(printed: str, shown: list[str]) -> None:
    assert terminal_lines(printed) == shown


def test_repeated_lines_are_shown_once_with_their_exact_count() -> None:
    warning = "UserWarning: this will change"
    printed = "start\n" + f"{warning}\n" * 5_000 + "ok\nok\nend\n"
    assert lines(stream(printed)) == [
        "stdout:",
        "| start",
        f"| {warning}",
        "… repeated 4,999 more times",
        "| ok",
        "| ok",
        "| end",
    ]


def test_head_and_tail_are_kept_and_the_middle_is_counted_exactly() -> None:
    printed = "".join(f"line {i}\n" for i in range(100_000))
    shown = text(stream(printed), rest='read_cell(cell="ab12")').split("\n")
    note = next(i for i, line in enumerate(shown) if line.startswith("…"))
    head, tail = shown[1:note], shown[note + 1 : -1]
    missing = len(printed) - 1 - sum(len(line) - 1 for line in (*head, *tail))
    assert len("\n".join(shown).encode()) < 4_000
    assert (shown[0], head[0], tail[-1]) == ("stdout:", "| line 0", "| line 99999")
    assert (
        shown[note] == f"… {missing:,} characters in {100_000 - len(head + tail):,} lines omitted"
    )
    assert shown[-1] == '… to see what was omitted: read_cell(cell="ab12")'


def test_both_ends_of_one_endless_line_are_kept() -> None:
    head, note, tail = lines(stream("a" * 5_000_000 + "b" * 5_000_000))[1:]
    assert set(head) == {"|", " ", "a"}
    assert set(tail) == {"|", " ", "b"}
    assert note == f"… {10_000_000 - len(head + tail) + 4:,} characters omitted"


@pytest.mark.parametrize(
    "printed",
    [
        "".join(f"{i}\n" for i in range(1_300_000)),
        "\x1b[32m0123456789 0123456789 0123456789\x1b[0m\n" * 220_000,
        "\r".join(f"{i:3}%" for i in range(2_000_000)),
        "x" * 5_000_000 + "\r" * 1_000_000,
    ],
    ids=["lines", "colours", "progress bar", "carriage returns"],
)
def test_ten_megabytes_take_a_moment(printed: str) -> None:
    started = process_time()
    assert len(text(stream(printed))) < 4_000
    # It takes 0.1 to 0.3 s; what goes through the text once for each line takes minutes.
    assert process_time() - started < 5


def test_the_budget_goes_to_what_is_short_then_to_errors_and_the_last_output() -> None:
    long = "".join(f"{i}\n" for i in range(10_000))
    outputs = [
        stream(long),
        stream("short\n", "stderr"),
        stream(long),
        error("E", long, []),
        stream(long),
    ]
    shown = text(*outputs)
    sizes = [len(part) for part in shown.replace("error:", "stdout:").split("stdout:")[1:]]
    assert len(shown) <= LIMITS.max_output_chars
    assert "| short\n" in shown
    assert sizes[0] < sizes[3] and sizes[1] < sizes[2]


def test_of_very_many_outputs_the_last_are_shown_and_the_others_counted() -> None:
    shown = lines(*(stream(f"{i}\n") for i in range(1_000)))
    assert shown[0] == "… 960 earlier outputs omitted: 960 stdout 3.7 kB"
    assert shown[-1] == "| 999"


# Outputs: which representation


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"text_plain": "   a\n0  1", "text_html": "<table>"}, ["|    a", "| 0  1"]),
        ({"text_plain": bare("Markdown"), "text_markdown": "# hi"}, ["| # hi"]),
        ({"text_plain": bare("Latex"), "text_latex": "$x$"}, ["| $x$"]),
        ({"text_plain": bare("JSON"), "application_json": {"ä": [1]}}, ['| {"ä":[1]}']),
        ({"text_plain": bare("HTML"), "text_html": "<b>hi</b><p>you"}, ["| hi", "| you"]),
        ({"text_plain": "<object at 0x7f>"}, ["| <object at 0x7f>"]),
        ({"text_plain": ["list ", "text"]}, ["| list text"]),
    ],
)
def test_the_most_useful_text_is_shown(data: dict[str, Any], shown: list[str]) -> None:
    assert lines(display(**data)) == ["display:", *shown]


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (
            {"text_plain": "IntSlider(value=3)", "application_vnd.jupyter.widget-view__json": {}},
            ["display: application/vnd.jupyter.widget-view+json", "| IntSlider(value=3)"],
        ),
        (
            {"application_vnd.plotly.v1__json": {"data": [1] * 99}},
            ["display: application/vnd.plotly.v1+json"],
        ),
        ({"text_html": "<script>draw()</script>"}, ["display: text/html, 23 B"]),
        ({"application_x-thing": "z" * 5_000}, ["display: application/x-thing, 5.0 kB"]),
        ({}, ["display: empty"]),
    ],
)
def test_what_has_no_text_is_named_and_never_dumped(data: dict[str, Any], label: list[str]) -> None:
    assert lines(display(**data)) == label


def test_html_is_reduced_to_what_a_reader_sees() -> None:
    markup = """<!-- x --><style>td {}</style><h1>Report &amp; more</h1><ul><li>one<li>two</ul>
    <table><tr><th></th><th>a</th></tr><tr><td>0</td><td>1.5</td></tr></table>
    <script>if (1 < 2) alert("<p>no</p>")</script><pre>x\ny</pre> 1 < 2"""
    expected = ["Report & more", "- one", "- two", "a", "0  1.5", "x", "y", "1 < 2"]
    assert markup_lines(markup) == expected


@pytest.mark.parametrize("hostile", ["<", "<a ", "<!--", "</", "<?", "&#x", "<a b='", "<b> </b>"])
def test_hostile_markup_takes_a_moment(hostile: str) -> None:
    started = process_time()
    assert len(text(display(text_html=hostile * 100_000))) <= LIMITS.max_output_chars
    assert process_time() - started < 5


def test_svg_is_named_with_the_text_in_it_and_entities_stay_folded() -> None:
    svg = (
        '<!DOCTYPE svg [<!ENTITY a "boom">]><svg><metadata>tool 3.1</metadata><title>Sales</title>'
        "<style>text {}</style><text>2024</text><text>&a;</text></svg>"
    )
    output = display(text_plain=bare("SVG"), image_svg__xml=svg)
    assert lines(output) == ["display: image/svg+xml, 150 B", "| Sales", "| 2024", "| &a;"]


def test_a_wide_table_that_does_not_fit_loses_whole_columns() -> None:
    header = "  " + "".join(f"  column_{i:02}" for i in range(20))
    rows = [f"{i:2}" + "".join(f"  {i * j:9}" for j in range(20)) for i in range(20)]
    table = display("execute_result", text_plain="\n".join([header, *rows]))
    shown = lines(table)
    assert shown[:2] == ["result:", f"| {header[:112]}"]
    assert shown[-1] == "… 10 columns omitted at the right"
    assert shown[2:-1] == [f"| {row[:112]}" for row in rows]
    assert "omitted" not in text(table, limits=Limits(max_output_chars=10_000))


def test_wide_prose_is_no_table() -> None:
    prose = "\n".join(" ".join(f"word{i * j}" for i in range(60)) for j in range(40))
    assert "columns" not in text(display(text_plain=prose))


# Outputs: errors


def test_an_error_starts_with_its_message_and_has_a_line_for_each_frame() -> None:
    assert lines(error("ZeroDivisionError", "division by zero", ZERO_DIVISION)) == [
        "error:",
        "| ZeroDivisionError: division by zero",
        "| Cell In[4], line 3: f(0)",
        "| Cell In[4], line 2, in f(x): return 1/x",
    ]


def test_frames_of_libraries_are_folded_to_a_count() -> None:
    assert lines(error("KeyError", "'nope'", PANDAS_KEY_ERROR)) == [
        "error:",
        "| KeyError: 'nope'",
        "| … 2 frames in pandas folded",
        "| The above exception was the direct cause of the following exception:",
        "| Cell In[5], line 1: df['nope']",
        "| … 1 frame in pandas folded",
    ]


def test_the_place_of_a_syntax_error_is_kept() -> None:
    message = "incomplete input (2478488036.py, line 1)"
    assert lines(error("SyntaxError", message, SYNTAX_ERROR)) == [
        "error:",
        f"| SyntaxError: {message}",
        "|   Cell In[6], line 1",
        "|     a = (1",
        "|           ^",
    ]


def test_without_a_frame_of_the_user_the_last_frame_stays() -> None:
    assert lines(error("KeyError", "'nope'", PANDAS_KEY_ERROR[:5])) == [
        "error:",
        "| KeyError: 'nope'",
        "| … 1 frame in pandas folded",
        "| File pandas/_libs/index.pyx:172, in pandas._libs.index.IndexEngine.get_loc():"
        " 'Could not get source, probably due dynamically evaluated source code.'",
    ]


def test_endless_recursion_is_short() -> None:
    frames = ["Cell In[13], line 1, in g(n)\n----> 1 def g(n): return g(n+1)\n"] * 974
    assert lines(error("RecursionError", "maximum recursion depth exceeded", frames)) == [
        "error:",
        "| RecursionError: maximum recursion depth exceeded",
        "| Cell In[13], line 1, in g(n): def g(n): return g(n+1)",
        "… repeated 973 more times",
    ]


@pytest.mark.parametrize("traceback", [[], None, "", 3, [None, 3]])
def test_an_error_without_a_traceback_still_shows(traceback: Any) -> None:
    assert lines(error("Boom", "it broke", traceback)) == ["error:", "| Boom: it broke"]


def test_a_traceback_of_another_language_is_kept() -> None:
    traceback = ["Error in f(): \x1b[31mno\x1b[0m", "1. f()"]
    assert lines(error("ERROR", "\x1b[1mno\x1b[0m", traceback)) == [
        "error:",
        "| ERROR: no",
        "| Error in f(): no",
        "| 1. f()",
    ]


# Outputs: images


def test_an_image_that_fits_is_sent_as_it_is_after_its_label() -> None:
    data = image(300, 200)
    figure = display(text_plain="<Figure size 300x200 with 1 Axes>", image_png=f"{data}\n")
    label, picture, after = rendered([stream("a\n"), figure, stream("b\n")], LIMITS)
    assert label == TextContent(
        type="text", text=f"stdout:\n| a\ndisplay: image/png 300x200, {stored_size(data)}"
    )
    assert picture == ImageContent(type="image", data=data, mime_type="image/png")
    assert after == TextContent(type="text", text="stdout:\n| b")


@pytest.mark.parametrize(
    ("kind", "noise"),
    [("PNG", False), ("PNG", True), ("JPEG", True), ("GIF", False), ("WEBP", False)],
)
def test_a_large_image_is_scaled_to_the_caps(kind: str, noise: bool) -> None:
    data = {f"image_{kind.lower()}": image(1100, 825, kind, noise)}
    label, picture = rendered([display(**data)], LIMITS)
    assert isinstance(picture, ImageContent) and isinstance(label, TextContent)
    sent = Image.open(BytesIO(b64decode(picture.data)))
    assert len(picture.data) <= LIMITS.max_image_bytes
    assert max(sent.size) <= LIMITS.max_image_side
    assert sent.size[0] * 3 == pytest.approx(sent.size[1] * 4, abs=4)
    assert picture.mime_type == f"image/{str(sent.format).lower()}"
    assert f"scaled to {picture.mime_type} {sent.size[0]}x{sent.size[1]}" in label.text


def test_the_mime_type_of_an_image_is_that_of_its_data() -> None:
    _, picture = rendered([display(image_png=image(9, 9, "JPEG"))], LIMITS)
    assert isinstance(picture, ImageContent) and picture.mime_type == "image/jpeg"


@pytest.mark.parametrize(
    "data", ["", "AAAA", "not base64 ä", image(64, 64, noise=True)[:1000], b"\xff", ["AA", "AA"]]
)
def test_a_broken_image_is_named(data: Any) -> None:
    label = text(display(image_png=data))
    assert label.startswith("display: image/png, ") and label.endswith(" B, not shown: broken")


def test_images_can_be_switched_off() -> None:
    data = image(9, 9)
    shown = text(display(image_png=data), limits=Limits(allow_images=False))
    assert shown == (f"display: image/png, {stored_size(data)}, not shown: images are switched off")


def test_of_too_many_images_the_last_are_shown() -> None:
    data = image(9, 9)
    label, *images = rendered([display(image_png=data)] * 3, Limits(max_images=1))
    size = stored_size(data)
    assert label == TextContent(
        type="text",
        text=f"display: image/png, {size}, not shown: only the last 1 are\n" * 2
        + f"display: image/png 9x9, {size}",
    )
    assert images == [ImageContent(type="image", data=data, mime_type="image/png")]


def test_all_images_of_an_answer_stay_below_what_clients_accept() -> None:
    limits = Limits(max_image_bytes=500_000, max_images=20)
    blocks = rendered([display(image_png=image(500, 500, noise=True))] * 8, limits)
    sent = [block for block in blocks if isinstance(block, ImageContent)]
    assert 0 < sum(len(block.data) for block in sent) <= 700_000 and len(sent) < 8
    assert isinstance(blocks[-1], TextContent)
    assert blocks[-1].text.endswith("not shown: the images before it fill this answer")


# Outputs: anything else


@pytest.mark.parametrize(
    ("output", "label"),
    [
        (None, "unreadable output: NoneType"),
        ("text", "unreadable output: str"),
        ({}, "unknown output: None"),
        ({"output_type": "pyout", "text": "x"}, "unknown output: pyout"),
        ({"output_type": "stream"}, "stdout:"),
        ({"output_type": "stream", "text": 3.0, "name": []}, "stdout:"),
        ({"output_type": "display_data", "data": 3}, "display: empty"),
        (display(text_plain={"a": 1}), "display: text/plain"),
        (display(application_json=object()), "display: application/json"),
    ],
)
def test_an_invalid_output_is_named(output: Any, label: str) -> None:
    assert text(output) == label


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MIMES = st.sampled_from(
    ["text/plain", "text/html", "image/png", "image/svg+xml", "application/json", "x\ny"]
)
OUTPUTS = ANY | st.fixed_dictionaries(
    {
        "output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | ANY,
        "text": st.text() | ANY,
        "data": st.dictionaries(MIMES, st.text() | ANY, max_size=3) | ANY,
        "ename": ANY,
        "evalue": st.text() | ANY,
        "traceback": st.lists(st.text(), max_size=3) | ANY,
    }
)


@settings(max_examples=60)
@given(outputs=st.lists(OUTPUTS, max_size=6), max_chars=st.integers(0, 400))
def test_no_output_raises_exceeds_the_budget_or_passes_for_ours(
    outputs: list[Any], max_chars: int
) -> None:
    shown = text(*outputs, limits=Limits(max_output_chars=max_chars))
    assert len(shown.encode()) >= len(shown)
    assert len(shown) <= max_chars + 300 * len(outputs)
    ours = ("stdout:", "display:", "result:", "error:", "unreadable", "unknown", "…", "stderr:")
    assert all(line.startswith(("| ", *ours)) for line in shown.splitlines())
    assert render.outline([code("x", outputs=tuple(outputs))]).count("\n") == 0


@settings(max_examples=60)
@given(st.text(alphabet="ab\n\r\b\x1b[2K0m ", max_size=400), st.integers(80, 500))
def test_text_within_the_budget_is_whole_and_other_text_is_not(
    printed: str, max_chars: int
) -> None:
    shown = text(stream(printed), limits=Limits(max_output_chars=max_chars))
    needed = sum(len(line) + 3 for line in terminal_lines(printed))
    if printed.strip() and needed <= max_chars - 60:
        assert "omitted" not in shown
    assert len(shown) <= max_chars + 100


# Cells


def test_the_outline_has_a_line_for_each_cell_below_its_heading() -> None:
    cells = [
        code("import numpy as np", 0, execution_count=1, execution_state="idle"),
        markdown("\n# Load\nfrom the web", 1),
        code("\n# a comment\n\nx = f(\n\t1)", 2),
        markdown("## Clean", 3),
        code("%%time\nwork()", 4, execution_state="running"),
        code(
            "plot()",
            5,
            execution_count=3,
            outputs=(display(image_png="A" * 400),),
            is_stale=True,
        ),
        code("1/0", 6, outputs=(stream("a\n"), error("ZeroDivisionError", "division by zero", []))),
        code("", 7),
        code("# only a comment", 8),
        markdown("# End", 9),
    ]
    assert render.outline(cells, {"cell0007": "added by others"}).split("\n") == [
        "[0] cell0000 In[1] ok: import numpy as np",
        "[1] cell0001 md 3 lines: # Load",
        " [2] cell0002 code 5 lines, never run: x = f(",
        " [3] cell0003 md: ## Clean",
        "  [4] cell0004 code 2 lines, running: %%time",
        "  [5] cell0005 In[3] stale, png 300 B: plot()",
        "  [6] cell0006 code stdout 2 B, error ZeroDivisionError: 1/0",
        "  [7] cell0007 code never run: empty  (added by others)",
        "  [8] cell0008 code never run: # only a comment",
        "[9] cell0009 md: # End",
    ]


def test_a_line_of_the_outline_stays_one_short_line() -> None:
    cells = [code("x = '" + "é漢\t\u2028" * 2_000 + "'\ny", i) for i in range(100)]
    shown = render.outline(cells).splitlines()
    assert len(shown) == 100
    assert all(len(line.encode()) <= 64 for line in shown)


def first_line(source: str) -> str:
    return render.outline([code(source, execution_count=1)])


def test_a_line_of_the_outline_is_cut_at_its_bound_between_characters() -> None:
    head = "[0] cell0000 In[1] ok: "
    room = render.OUTLINE_LINE_BYTES - len(head)
    assert first_line("x" * room) == head + "x" * room
    assert first_line("x" * (room + 1)) == head + "x" * (room - 3) + "…"
    assert first_line("é" * room) == head + "é" * ((room - 3) // 2) + "…"
    assert first_line("x" * (room - 5) + "    " + "y" * 9) == head + "x" * (room - 5) + "…"


def test_some_of_the_source_is_outlined_below_the_longest_facts() -> None:
    outputs = (stream("x"), display(text_plain="1"), error("ModuleNotFoundError", "", []))
    line = render.outline([code("0123456789abc", outputs=outputs)])
    assert line.endswith(": 0123456…") and len(line) > render.OUTLINE_LINE_BYTES


@pytest.mark.parametrize(
    ("source", "shown"),
    [("# one\n# two", "# one"), ("a\tb", "a b"), ("\n \n  x", "x"), ("\n", "empty")],
)
def test_the_outline_shows_the_first_line_that_says_something(source: str, shown: str) -> None:
    assert first_line(source).partition("ok: ")[2] == shown


def test_a_text_has_no_run_state_but_code_has() -> None:
    failed, output = error("E", "", []), stream("x")
    states = [
        (code("x"), "never run"),
        (code("x", execution_count=0), "ok"),
        (code("x", outputs=(output,)), "ok"),
        (code("x", outputs=(output, failed)), "error"),
        (code("x", outputs=(failed,), is_stale=True), "stale"),
        (code("x", is_stale=True, execution_state="running"), "running"),
        (markdown("x"), ""),
    ]
    assert [render.run_state(cell) for cell, _ in states] == [state for _, state in states]


def test_a_source_that_the_outline_shows_whole_is_known() -> None:
    cells = [code("x = 1"), code("y\nz", 1), code("long" * 50, 2), code("noted", 3), code("", 4)]
    outline = render.outline(cells, {"cell0003": "edited by Ada"})
    assert render.whole_in(outline, cells) == [cells[0], cells[3]]
    assert render.whole_in(outline, cells[:1]) == cells[:1]


def test_sources_that_are_shown_whole_are_known() -> None:
    cells = [code(str(n) * 50 + "\n" + str(n) * 9, n) for n in range(1, 4)] + [code("end", 4)]
    for max_chars in range(0, 260):
        limits = Limits(max_source_chars=max_chars)
        shown, known = f"{render.sources(cells, limits)}\n", render.whole(cells, limits)
        assert known == cells[: len(known)]
        assert all(f"\n{cell.source}\n" in shown for cell in known)
        if len(known) < len(cells):
            assert f"\n{cells[len(known)].source}\n" not in shown


def test_an_empty_cell_is_a_header() -> None:
    (block,) = render.cell(code(""), LIMITS)
    assert block == TextContent(type="text", text="[0] cell0000 code never run, 0 lines")


def test_what_fits_exactly_is_shown() -> None:
    cells = [code("0123456789"), code("")]
    header = "[0] cell0000 code never run, 1 line"
    assert render.sources(cells[:1], Limits(max_source_chars=10)) == f"{header}\n0123456789"
    used = len(header) + 11
    assert "1 cell with 0 characters" in render.sources(cells, Limits(max_source_chars=used))
    assert "omitted" not in render.sources(cells, Limits(max_source_chars=used + 1))
    assert render.whole(cells, Limits(max_source_chars=used)) == cells[:1]
    assert render.whole(cells, Limits(max_source_chars=used + 1)) == cells
    last = code("x" * 200, 1)
    for room, is_shown in ((39, False), (40, True)):
        shown = render.sources([cells[0], last], Limits(max_source_chars=used + room))
        assert ("[1] cell0001" in shown) is is_shown
    short = code("y" * 20, 1)
    for room, is_shown in ((19, False), (20, True)):
        shown = render.sources([cells[0], short], Limits(max_source_chars=used + room))
        assert ("[1] cell0001" in shown) is is_shown


def test_a_thousand_cells_are_outlined_in_a_moment() -> None:
    outputs = (stream("x" * 100), error("E", "e", ZERO_DIVISION), display(text_plain="1"))
    cells = [code(f"a = {i}\nb", i, outputs=outputs) for i in range(1_000)]
    started = process_time()
    render.outline(cells)
    assert process_time() - started < 2


def test_sources_are_verbatim_below_a_header_that_counts_their_lines() -> None:
    cells = [markdown('# "Title"\n\ttab \\n'), code("x = 1", 1, execution_count=7)]
    assert render.sources(cells, LIMITS) == (
        '[0] cell0000 md 2 lines\n# "Title"\n\ttab \\n\n[1] cell0001 code In[7], ok, 1 line\nx = 1'
    )


def test_sources_that_do_not_fit_are_counted_with_the_call_that_reads_on() -> None:
    cells = [code("\n".join(f"line{i}" for i in range(40)), i) for i in range(5)]
    shown = render.sources([*cells[:2], *cells[3:]], Limits(max_source_chars=400)).split("\n")
    assert shown[40:] == [
        "line39",
        "[1] cell0001 code never run, lines 0-13 of 40",
        *(f"line{i}" for i in range(14)),
        '… 26 lines omitted; to read on: read_cell(cell="cell0001", offset=14)',
        "… 2 cells with 538 characters of source omitted; to read on:"
        ' read_notebook(view="source", cells="3-4")',
    ]


def test_a_cell_is_read_by_lines() -> None:
    cell = code("\n".join(f"line{i}" for i in range(200)), 3, outputs=(stream("x"),))
    assert render.cell(cell, LIMITS, outputs=False, offset=10, limit=2) == [
        TextContent(type="text", text="[3] cell0003 code ok, lines 10-11 of 200\nline10\nline11")
    ]
    assert render.cell(cell, LIMITS, offset=300) == [
        TextContent(type="text", text="[3] cell0003 code ok, 200 lines\nstdout:\n| x")
    ]


def test_a_line_longer_than_the_bound_is_cut() -> None:
    cell = code("x" * 1_000 + "\ny")
    (block,) = render.cell(cell, Limits(max_source_chars=100))
    assert isinstance(block, TextContent)
    assert block.text.split("\n") == [
        "[0] cell0000 code never run, lines 0-0 of 2",
        "x" * 100,
        "… 900 characters of this line omitted",
        '… 1 line omitted; to read on: read_cell(cell="cell0000", offset=1)',
    ]


def test_a_full_reading_shares_one_budget_and_names_the_call_for_each_cut_cell() -> None:
    long = stream("".join(f"{i}\n" for i in range(5_000)))
    cells = [
        code("a", 0, outputs=(long,)),
        code("b", 1, outputs=(stream("x"),)),
        code("c", 2, outputs=(long,)),
    ]
    (block,) = render.full(cells, LIMITS)
    assert isinstance(block, TextContent)
    assert len(block.text) <= LIMITS.max_output_chars + 300
    assert [line for line in block.text.split("\n") if "to see" in line] == [
        '… to see what was omitted: read_cell(cell="cell0000")',
        '… to see what was omitted: read_cell(cell="cell0002")',
    ]
    assert "[1] cell0001 code ok, 1 line\nb\nstdout:\n| x\n[2] " in block.text


def test_a_full_reading_names_the_call_for_cells_that_do_not_fit() -> None:
    cells = [code("x" * 50, number) for number in range(3)]
    (block,) = render.full(cells, Limits(max_source_chars=60))
    assert isinstance(block, TextContent)
    assert block.text.split("\n")[2:] == [
        "… 2 cells with 100 characters of source omitted; to read on:"
        ' read_notebook(view="full", cells="1-2")'
    ]


def test_one_cell_names_the_call_that_shows_more_of_its_outputs() -> None:
    long = stream("\n".join(map(str, range(9_999))))
    (block,) = render.cell(code("x", outputs=(long,)), LIMITS)
    assert isinstance(block, TextContent)
    assert block.text.endswith(
        '\n… to see what was omitted: read_cell(cell="cell0000", max_chars=...)'
    )


def test_outputs_name_no_call_unless_there_is_one() -> None:
    long = stream("\n".join(map(str, range(9_999))))
    assert "to see" not in "\n".join(lines(long))
    (block,) = rendered([long], LIMITS)
    assert isinstance(block, TextContent) and "to see" not in block.text


# Files, kernels, variables and records


def test_a_file_is_its_path_its_extent_and_its_lines() -> None:
    assert render.file("a.py", "x\n\ny\n", LIMITS, 0, None) == "a.py, 3 lines\nx\n\ny"
    assert render.file("a.py", "x", LIMITS, 0, None, "UTF-8") == "a.py, 1 line, UTF-8\nx"
    assert render.file("a.py", "", LIMITS, 0, None) == "a.py, 0 lines"
    assert render.file("a\n.py", "", LIMITS, 0, None) == "a\ufffd.py, 0 lines"


def test_a_part_of_a_file_says_which_and_how_to_read_on() -> None:
    text = "".join(f"line{number}\n" for number in range(9))
    assert render.file("a.py", text, LIMITS, 2, 2) == "a.py, lines 2-3 of 9\nline2\nline3"
    assert render.file("a.py", text, Limits(max_source_chars=17), 1, None, "old").split("\n") == [
        "a.py, lines 1-3 of 9, old",
        "line1",
        "line2",
        "line3",
        '… 5 lines omitted; to read on: read_file(path="a.py", offset=4)',
    ]


VARIABLE = {"name": "df", "type": "DataFrame", "extent": "3x2", "size": 1_000, "text": "a b"}


def test_a_variable_is_one_line_and_small_ones_tell_no_size() -> None:
    small = VARIABLE | {"name": "x", "type": "int", "extent": "", "size": 999, "text": "1"}
    listing = {"variables": [VARIABLE, small], "omitted": 0}
    assert render.variables(listing, LIMITS).split("\n") == [
        "| df  DataFrame  3x2  1.0 kB  a b",
        "| x  int  1",
    ]
    assert render.variables({"variables": [], "omitted": 0}, LIMITS) == "no variables"
    assert render.variables(listing | {"omitted": 2}, LIMITS).split("\n")[2:] == [
        "… 2 variables omitted; pattern= narrows them down"
    ]


def test_variables_and_details_keep_to_the_bound_of_outputs() -> None:
    listing = {"variables": [VARIABLE | {"name": f"x{n}"} for n in range(99)], "omitted": 0}
    for limit in (300, 600):
        limits = Limits(max_output_chars=limit)
        facts = VARIABLE | {"details": [f"detail {n}" for n in range(999)]}
        for shown in (render.variables(listing, limits), render.variable(facts, limits)):
            assert limit - 120 < len(shown) <= limit and "omitted" in shown


def test_the_details_of_a_variable_are_lines_as_a_terminal_shows_them() -> None:
    facts = VARIABLE | {"details": ["one\ntwo", "\x1b[31mred\x1b[0m \ud800"]}
    assert render.variable(facts, LIMITS).split("\n") == [
        "| df  DataFrame  3x2  1.0 kB  a b",
        "| one",
        "| two",
        "| red \ufffd",
    ]


def test_recorded_runs_have_number_status_time_and_code() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5).timestamp()
    runs = (
        RecordedRun(3, "x = 1\nx", "ok", at),
        RecordedRun(4, "\ud8001/0", "error", at, is_lost=True),
    )
    assert render.recorded(Record("work", runs), LIMITS).split("\n") == [
        "2 runs recorded on 'work'",
        "3  status: ok  2026-01-02 03:04",
        "| x = 1",
        "| x",
        "4  status: error  2026-01-02 03:04  lost",
        "| \ufffd1/0",
    ]
    line = Record("work", (RecordedRun(1, "x" * 9_999, "ok", at),) * 3)
    assert render.recorded(line, Limits(max_source_chars=1_000)).count("x") > 600
    assert render.recorded(Record("new"), LIMITS) == "0 runs recorded on 'new'"
    older = render.recorded(Record("new", dropped=1_200), LIMITS)
    assert older == "0 runs recorded on 'new'; 1,200 older ones are not kept"


def test_recorded_runs_share_the_bound_of_sources() -> None:
    code = "\n".join(map(str, range(9_999)))
    for number, most in ((1, 2_000), (4, 500), (100, 80)):
        runs = tuple(RecordedRun(n, code, "ok", 0) for n in range(number))
        shown = render.recorded(Record("work", runs), Limits(max_source_chars=2_000))
        assert shown.count("omitted") == number
        assert most // 2 < (len(shown) - 30) // number - 31 <= most


def test_a_kernel_is_one_line() -> None:
    model: dict[str, Any] = {"name": "python3", "id": "0a1b"}
    assert render.kernel(model) == "python3 0a1b unknown"
    model |= {"execution_state": "idle", "notebooks": ["a.ipynb", "b.ipynb"]}
    assert render.kernel(model) == "python3 0a1b idle, notebooks: a.ipynb, b.ipynb"
    assert render.kernel(model | {"given_name": "work", "notebooks": []}) == (
        "work: python3 0a1b idle"
    )


def test_what_is_known_of_a_kernel_is_one_line() -> None:
    facts = KernelFacts(12, 7_300.0, 85_400_000, "venv /envs/a", "/run/kernel-0a1b.json")
    model = {"runs": 1, "started_by": "Claude Code", "ends_after": 86_400.0}
    assert render.kernel_facts(model, facts) == (
        "  up 2 h, 1 run, 85 MB, pid 12, venv /envs/a, started by Claude Code, "
        "ends after 24 h idle, connection file /run/kernel-0a1b.json"
    )
    assert render.kernel_facts({"runs": 0, "started_by": ""}, KernelFacts()) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (172_800, "2 days")],
)
def test_a_time_has_the_largest_unit_of_which_there_are_two(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def block(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def test_an_answer_that_can_be_sent_stays_as_it_is() -> None:
    blocks = [block("status"), block("x\n" * 300_000), block("")]
    assert answer_size.sendable(blocks) == blocks


@pytest.mark.parametrize("line", ["😀" * 90, "é" * 70_000, '"' * 9, "x" * 2_000_000, ""])
def test_only_the_longest_texts_of_an_answer_are_cut_to_what_can_be_sent(line: str) -> None:
    long = block("\n".join([line] * (4_000_000 // (len(line) + 1))))
    picture = ImageContent(type="image", data="A" * 600_000, mime_type="image/png")
    first, cut, image, cut_too, last = answer_size.sendable(
        [block("status"), long, picture, long, block("notice")]
    )
    assert (first, image, last) == (block("status"), picture, block("notice"))
    for each in (cut, cut_too):
        assert isinstance(each, TextContent)
        kept, _, note = each.text.rpartition("\n")
        assert note == answer_size.CUT_NOTE and kept and long.text.startswith(kept)
        assert 10_000 < len(json.dumps(kept)) <= 200_000


# Links to whole cells


LINK = cell_link("a.ipynb", "cell0000")


@pytest.mark.parametrize(
    ("outputs", "count"),
    [
        ([], 0),
        ([stream("short")], 0),
        ([stream("word " * 9_999)], 1),
        ([stream("word " * 9_999), stream("word " * 9_999, "stderr")], 1),
        ([display(text_plain="1")] * 41, 1),
        ([display(image_png=image(9, 9))], 0),
    ],
    ids=["none", "short", "long", "two long", "many", "image"],
)
def test_a_link_follows_outputs_of_which_text_was_omitted(outputs: list[Any], count: int) -> None:
    blocks = render.cell(code("x", outputs=tuple(outputs)), LIMITS, link=LINK)
    assert blocks[len(blocks) - count :] == [LINK] * count
    assert LINK not in blocks[: len(blocks) - count]


def test_each_run_has_one_link_and_an_answer_has_five() -> None:
    links = [cell_link("a.ipynb", f"cell{number}") for number in range(7)]
    runs = [(f"run {link.name}", [stream("word " * 9_999)], "call", link) for link in links]
    blocks = render.runs([("head", [], "", None), *runs], LIMITS)
    assert [block for block in blocks if isinstance(block, ResourceLink)] == links[:5]
    heads = [block.text for block in blocks if isinstance(block, TextContent)]
    assert [head.split("\n")[0] for head in heads][1:5] == [
        f"run {link.name}" for link in links[1:5]
    ]
