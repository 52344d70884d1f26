import base64
import html
import io
import os
import string
from pathlib import Path

import numpy as np
from PIL import Image

from keras_srgan.detail_map import STRONG
from keras_srgan.detail_map import DetailMap
from keras_srgan.detail_map import describe_detail
from keras_srgan.files import replacing
from keras_srgan.photo_modes import on_white
from keras_srgan.photo_modes import to_8_bit

TEMPLATE = Path(__file__).with_suffix(".html")
# Longest side of the pictures on the page, in pixels.
MAX_SIDE = 1600
QUALITY = 85
# Levels of 255 that are drawn in the strongest color.
STRONGEST = 2 * STRONG
# Deviations of half a level are due to rounding.
STRONGEST_DEVIATION = 4
ORANGE = (230, 97, 0)
VIOLET = (120, 60, 200)
# Opacity of the strongest color.
OPAQUE = 217


def write_page(
    path: str | os.PathLike,
    photo: Image.Image,
    result: Image.Image,
    detail: DetailMap,
    *,
    name: str,
    model: str,
    other: str,
) -> None:
    """Writes an HTML page that compares a photo and its enlargement.

    The page is one file, which needs no network: the photo, the result, a
    slider between them, the map over the result, and a description. Large
    results are shown reduced.

    Args:
        path: The file to write.
        photo: The photo, a Pillow image.
        result: Its enlargement, a Pillow image.
        detail: As `map_detail` returns it.
        name: String, the name of the photo.
        model: String, the name of the network that made the result.
        other: String, the name of the network of the map.

    Raises:
        OSError: if the file cannot be written.

    Example:

    ```python
    from keras_srgan import load_generator, upscale
    from keras_srgan.detail_map import map_detail
    from keras_srgan.detail_page import write_page
    from keras_srgan.photo import open_photo

    photo = open_photo("photo.jpg")
    models = "srgan_x4_small", "srresnet_x4_small"
    results = [upscale(load_generator(model), photo) for model in models]
    write_page(
        "photo.html",
        photo,
        results[0],
        map_detail(*results, photo),
        name="photo.jpg",
        model=models[0],
        other=models[1],
    )
    ```
    """
    shown = _fit(result)
    page = string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=html.escape(name),
        model=html.escape(model),
        other=html.escape(other),
        description=html.escape(describe_detail(detail)),
        photo=_embed(_fit(photo), "JPEG"),
        result=_embed(shown, "JPEG"),
        difference=_embed(_draw(detail.difference, STRONGEST, ORANGE), "PNG"),
        deviation=_embed(
            _draw(detail.deviation, STRONGEST_DEVIATION, VIOLET), "PNG"
        ),
        photo_size=f"{photo.width} × {photo.height}",
        result_size=f"{result.width} × {result.height}",
        width=shown.width,
        height=shown.height,
        strongest=STRONGEST,
        strongest_deviation=STRONGEST_DEVIATION,
        reduced=""
        if shown.size == result.size
        else f"The page shows it at {shown.width} × {shown.height}.",
    )
    path = Path(path)
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")


def _fit(image):
    """Returns an 8-bit opaque image of limited size."""
    profile = image.info.get("icc_profile")
    image = on_white(to_8_bit(image))
    factor = MAX_SIDE / max(image.size)
    if factor < 1:
        size = [max(1, round(factor * side)) for side in image.size]
        image = image.resize(size, Image.Resampling.BICUBIC)
    # Colors are only right with their profile.
    image.info = {"icc_profile": profile}
    return image


def _draw(levels, strongest, color):
    """Returns an image of one color, more opaque for higher levels."""
    opacity = np.rint(levels.clip(0, strongest) / strongest * OPAQUE)
    image = Image.new("RGB", opacity.shape[::-1], color)
    image.putalpha(Image.fromarray(opacity.astype("uint8")))
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return image


def _embed(image, format):
    """Returns an image as a `data:` address, without metadata."""
    file = io.BytesIO()
    options = {"quality": QUALITY} if format == "JPEG" else {"optimize": True}
    image.save(
        file, format, icc_profile=image.info.get("icc_profile"), **options
    )
    content = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/{format.lower()};base64,{content}"
