"""Images where Pillow is missing."""

from __future__ import annotations

import tracemalloc
from base64 import b64decode, b64encode
from io import BytesIO
from struct import pack
from typing import Any
from zlib import compress, crc32

import pytest
from PIL import Image

from jupyter_mcp_ext.images import FittedImage, UnusableImage, fit_png

MAX_BYTES = 100_000


def image(side: int, kind: str = "PNG", mode: str = "RGB", **options: Any) -> str:
    file = BytesIO()
    Image.effect_noise((side, side), 90).convert(mode).save(file, kind, **options)
    return b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_a_png_that_fits_is_sent_as_it_is(mode: str) -> None:
    data = image(90, mode=mode)
    fitted = fit_png(f"{data[:40]}\n{data[40:]}", 90, MAX_BYTES)
    assert fitted == FittedImage(data, "image/png", (90, 90), (90, 90), is_original=True)


@pytest.mark.parametrize(("side", "max_bytes"), [(91, MAX_BYTES), (90, 5_000)])
def test_of_a_larger_one_is_said_what_it_needs(side: int, max_bytes: int) -> None:
    with pytest.raises(UnusableImage) as refused:
        fit_png(image(side), 90, max_bytes)
    words = "is too large without Pillow where Jupyter Server runs"
    assert str(refused.value) == f"{side}x{side} {words}"


def test_other_kinds_need_pillow() -> None:
    with pytest.raises(UnusableImage) as refused:
        fit_png(image(9, "JPEG"), 90, MAX_BYTES)
    assert str(refused.value) == "only PNG can be without Pillow where Jupyter Server runs"


def changed(at: int) -> bytes:
    whole = bytearray(b64decode(image(90)))
    whole[at] ^= 1
    return bytes(whole)


PNG = b64decode(image(90))


def chunk(kind: bytes, body: bytes) -> bytes:
    return pack(">I", len(body)) + kind + body + pack(">I", crc32(kind + body))


@pytest.mark.parametrize("size", [(9, 0), (0, 9)])
def test_a_png_without_pixels_is_not_unpacked(size: tuple[int, int]) -> None:
    header, pixels = pack(">IIBBBBB", *size, 8, 6, 0, 0, 0), compress(bytes(30_000_000))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    data = b64encode(PNG[:8] + b"".join(parts)).decode()
    tracemalloc.start()
    try:
        with pytest.raises(UnusableImage, match="broken"):
            fit_png(data, 90, MAX_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        *(PNG[:cut] for cut in (8, 11, 20, 40, len(PNG) // 2, len(PNG) - 12, len(PNG) - 1)),
        *(changed(at) for at in (9, 17, 45, 2_000, -6, -1)),
        PNG + b"more",
    ],
)
def test_a_broken_png_is_not_sent(content: bytes) -> None:
    with pytest.raises(UnusableImage) as refused:
        fit_png(b64encode(content).decode(), 90, MAX_BYTES)
    assert str(refused.value) == "broken"


@pytest.mark.parametrize("data", ["not base64 ä", None, ["AA", "AA"], 5])
def test_what_is_no_base64_is_broken(data: Any) -> None:
    with pytest.raises(UnusableImage) as refused:
        fit_png(data, 90, MAX_BYTES)
    assert str(refused.value) == "broken"
