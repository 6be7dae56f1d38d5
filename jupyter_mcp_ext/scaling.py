"""Fit images of a notebook into what a model's client accepts, by Pillow."""

from __future__ import annotations

from base64 import b64decode, b64encode
from io import BytesIO
from math import sqrt

from PIL import Image

from .images import FittedImage, UnusableImage

MAX_PIXELS = 30_000_000
"""Larger images are not decoded: it would take seconds."""

MIN_SIDE = 16
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def fit_image(data: str, max_side: int, max_bytes: int) -> FittedImage:
    """`data` as it is if it fits, else scaled down and with fewer colours or as JPEG.

    `data` and `max_bytes` are base64. It is decoded in any case, since some clients cannot go
    on after a broken image; the MIME type is that of the data, whatever the output says.

    Raises:
        UnusableImage: it is broken, too large to decode, or cannot be made to fit.
    """
    try:
        content = b64decode(data)
        image = Image.open(BytesIO(content), formats=FORMATS)
        size, mime_type = image.size, f"image/{str(image.format).lower()}"
        is_decodable = size[0] * size[1] <= MAX_PIXELS
        if is_decodable:
            image.load()
    except Exception as error:
        # Pillow's decoders raise nearly anything on a broken file; the reader is told.
        raise UnusableImage("broken") from error
    if not is_decodable:
        raise UnusableImage("too many pixels")
    # Encoded anew, because the line breaks of some notebooks are no valid base64 for MCP.
    data = b64encode(content).decode()
    if max(size) <= max_side and len(data) <= max_bytes:
        return FittedImage(data, mime_type, size, size, is_original=True)
    scaled = image.convert("RGBA")
    scaled.thumbnail((max_side, max_side))
    return _compressed(scaled, max_bytes, size)


def _compressed(image: Image.Image, max_bytes: int, original_size: tuple[int, int]) -> FittedImage:
    while max(image.size) >= MIN_SIDE:
        for encode, mime_type in ((_png, "image/png"), (_jpeg, "image/jpeg")):
            data = b64encode(encode(image)).decode()
            if len(data) <= max_bytes:
                return FittedImage(data, mime_type, image.size, original_size)
        factor = min(0.9, sqrt(max_bytes / len(data)))
        width, height = image.size
        image = image.resize((max(int(width * factor), 1), max(int(height * factor), 1)))
    raise UnusableImage("too large")


def _png(image: Image.Image) -> bytes:
    # Of a plot, 256 colours keep lines and letters sharp at a third of the size.
    file = BytesIO()
    few_colours = image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few_colours.save(file, "PNG")
    return file.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    on_white = Image.new("RGB", image.size, "white")
    on_white.paste(image, mask=image.getchannel("A"))
    on_white.save(file, "JPEG", quality=75)
    return file.getvalue()
