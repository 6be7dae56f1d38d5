"""Images as they are sent to a model, with Pillow or without."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import error as struct_error
from struct import unpack_from
from zlib import crc32, decompressobj
from zlib import error as zlib_error

WITHOUT_PILLOW = "without Pillow where Jupyter Server runs"
PNG = b"\x89PNG\r\n\x1a\n"


class UnusableImage(ValueError):
    """The data is not an image that can be shown; the message says why, in a few words."""


@dataclass(frozen=True)
class FittedImage:
    """An image to send, in base64. Sizes are (width, height) in pixels."""

    data: str
    mime_type: str
    size: tuple[int, int]
    original_size: tuple[int, int]
    is_original: bool = False


def fit_png(data: str, max_side: int, max_bytes: int) -> FittedImage:
    """A PNG as it is, if it is whole and fits. `data` and `max_bytes` are base64.

    Raises:
        UnusableImage: it is broken, or only Pillow could make something of it.
    """
    try:
        content = b64decode(data)
        if not content.startswith(PNG):
            raise UnusableImage(f"only PNG can be {WITHOUT_PILLOW}")
        chunks = list(_chunks(content))
        width, height = unpack_from(">II", dict(chunks)[b"IHDR"])
        data = b64encode(content).decode()
        if not width or not height:
            raise ValueError("no pixels")  # zlib takes a limit of 0 for none.
        if max(width, height) > max_side or len(data) > max_bytes:
            raise UnusableImage(f"{width}x{height} is too large {WITHOUT_PILLOW}")
        _check_pixels(chunks, (width * 8 + 1) * height)
    except UnusableImage:
        raise
    except (TypeError, ValueError, LookupError, struct_error, zlib_error) as error:
        raise UnusableImage("broken") from error
    return FittedImage(data, "image/png", (width, height), (width, height), is_original=True)


def _check_pixels(chunks: Sequence[tuple[bytes, bytes]], most: int) -> None:
    pixels = decompressobj()
    for kind, body in chunks:
        if kind == b"IDAT":
            pixels.decompress(body, most)
    if not pixels.eof or chunks[-1][0] != b"IEND":
        raise ValueError("cut off")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at < len(content):
        length, kind = unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        if unpack_from(">I", content, at + 8 + length)[0] != crc32(kind + body):
            raise ValueError("a wrong checksum")
        yield kind, body
        at += length + 12
