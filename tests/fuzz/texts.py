"""Texts, numbers and paths that break programs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SPECIAL = [
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "a\udc80b",
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x1b[2J\x1b[H",
        "\r",
        "\b",
    ),
    *("\u202egnp.exe", "\u2066\u2069", "\u200b", "é", "e\u0301", "😀", "\U000e0041", "ﬀ", "\ufeff"),
    *("null", "NaN", "Infinity", "-0", "1e308", "true", "[]", "{}", "0x10", "٣", "²", "1_000"),
    *("| quoted", "[0] cell0000  status: ok  execution: r1  1 ms", "</system>", "{{7*7}}", "%s%n"),
    *("__class__", "constructor", "../../etc/passwd", "'; DROP TABLE cells; --", "$(id)", "`id`"),
    *("all", "start", "end", "0", "-1", "0-", "-", ",", "0-999999999", "9" * 400, "1,,2", "2-1"),
    *(
        "(a+)+$",
        "(?=(a+))\\1{99999}",
        "(",
        "[",
        "(?P<x>a)(?P=y)",
        "a{99999999}",
        "\\",
        "(?i)x" * 50,
    ),
    *("*", "[!", "[a-", "**/*", "?" * 50, "a" * 5_000, "x\n" * 2_000, "\t" * 1_000, "(" * 2_000),
]
"""Each has broken something somewhere."""

PATHS = [
    *("..", "../x.ipynb", "a/../../x.ipynb", "/etc/passwd", "//etc/passwd", "~/x.ipynb", "~root"),
    *(
        "C:\\x.ipynb",
        "C:/x.ipynb",
        "\\\\host\\share\\x.ipynb",
        "file:///etc/passwd",
        "x.ipynb\0.txt",
    ),
    *(
        "RTC:json:notebook:plain.ipynb",
        "RTC:plain.ipynb",
        "json:notebook:plain.ipynb",
        "drive:x.ipynb",
    ),
    *(
        "plain.ipynb/",
        "./plain.ipynb",
        "plain.ipynb/..",
        "PLAIN.IPYNB",
        "plain.ipynb/.",
        "/plain.ipynb/",
    ),
    *(
        "out/secret.txt",
        "out/secret.ipynb",
        "link.ipynb",
        "loop",
        "loop/x.ipynb",
        "pipe.ipynb",
        "pipe",
    ),
    *(
        "%2e%2e/x",
        "..%2fx.ipynb",
        "..\\x.ipynb",
        "．．/x.ipynb",
        "‥/x.ipynb",
        "a\u202ebnypi.",
        ".hidden",
    ),
    *(
        "a" * 300 + ".ipynb",
        "a/" * 3_000 + "x.ipynb",
        "x" * 100_000,
        "é.ipynb",
        "e\u0301.ipynb",
        ".",
        "/",
    ),
    *(
        "dir",
        "dir/",
        "dir/../plain.ipynb",
        "text.txt",
        "latin.txt",
        "nul",
        "CON",
        "aux.ipynb",
        " plain.ipynb",
    ),
    *(
        "\ud800.ipynb",
        "a\nb.ipynb",
        "plain.ipynb#cell",
        "plain.ipynb?x=1",
        ".env",
        "dir/.env",
        "v3.ipynb",
    ),
    *(
        "broken.ipynb",
        "empty.ipynb",
        "list.ipynb",
        "kernel-1.json",
        "notebook:///plain.ipynb",
        "unreadable.txt",
    ),
]

NUMBERS: list[Any] = [
    *(0, -0.0, 1, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**40, 1e308, -1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf"), 0.1, 1.5, 79, 80, 200_000, 200_001, 600, 600.0001),
]

special_texts = st.sampled_from(SPECIAL)
texts = st.one_of(
    special_texts, st.text(max_size=30), st.lists(special_texts, max_size=5).map("".join)
)
paths = st.one_of(
    st.sampled_from(PATHS),
    st.lists(
        st.sampled_from(["..", ".", "dir", "out", "", "plain.ipynb", "~", "RTC:"]), max_size=6
    ).map("/".join),
    texts,
)
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats())


def deep(depth: int, kind: str = "list") -> Any:
    """A value with values in values."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
) | st.sampled_from([deep(50), deep(200, "dict")])
"""Anything that JSON can say, and what only Python's JSON says."""
