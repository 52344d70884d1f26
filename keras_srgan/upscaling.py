import itertools
import math
import os
import weakref
from collections.abc import Callable
from typing import NamedTuple
from typing import TypeVar

import keras
import numpy as np
from PIL import Image

from keras_srgan.checks import check_range
from keras_srgan.photo import open_photo
from keras_srgan.photo import upright
from keras_srgan.receptive_field import split

# Bytes that a network may need for one tile at a time, at most.
MEMORY = 2**30
# The peak of a backend at work, in copies of the widest feature map. They
# differ: this is the thirstiest.
COPIES = 8
LUMA = np.array([0.299, 0.587, 0.114], "float32")

Picture = TypeVar("Picture", Image.Image, np.ndarray)


def upscale(
    model: keras.Model,
    image: Picture | str | os.PathLike,
    tile_size: int | None = None,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    ensemble: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Picture:
    """Enlarge a photo of any size and kind, tile by tile, without seams.

    Every tile goes through the network with as much of its surroundings as
    the network sees, so the result is that of the whole photo in one piece,
    in memory that does not grow with the photo. All tiles of a photo have
    one shape, so the network is compiled once.

    What becomes of a Pillow image:

    - Modes L, LA, RGB, RGBA and 16-bit grey (I;16) keep their mode and depth,
      F too, with levels in [0, 255]. Grey is shown to the network as RGB.
    - 1-bit becomes L; palettes RGB or RGBA; I (levels in [0, 65535]) I;16;
      YCbCr, HSV, LAB and CMYK become RGB, CMYK by its ICC profile, if it has
      one, to sRGB. A transparent colour becomes an alpha channel. (Pillow
      itself reads 16-bit colour as 8-bit; an array keeps it.)
    - Alpha is enlarged by bicubic interpolation: what was opaque stays wholly
      so. Colours of the visible spread under the invisible first, so that no
      fringe of hidden colours appears.
    - It is turned upright as its EXIF says. The rest of the EXIF, the ICC
      profile (if it fits the new mode), resolution (in dots per inch), XMP
      and comments are in the `info` of the result; the EXIF thumbnail and
      what says how the old pixels were stored are dropped.

    Args:
        model: `SRGAN` or its generator, as `keras.saving.load_model` gives
            it; or any functional generator of "same" convolutions.
        image: Pillow image; or NumPy array of shape `(height, width)` or
            `(height, width, channels)`, with 1 (grey), 2 (grey, alpha), 3
            (RGB) or 4 (RGBA) channels, uint8, uint16 or float in [0, 255]; or
            path of a photo. Of an animation, the first picture is taken, with
            a warning.
        tile_size: Integer, at least 1. Pixels of `image`, along a side, that
            a tile contributes; the network sees its halo besides. Smaller
            takes less memory and more time. Defaults to what needs a
            sixteenth of this machine's memory, and at most 1 GiB.
        scale: Float. How many times larger the result is, if not as many as
            the network makes it: one antialiased bicubic resize follows.
        size: `(width, height)` of the result, instead of `scale`. The aspect
            ratio is the caller's affair.
        ensemble: Boolean. Whether to average over the photo's eight flips and
            turns: a little better, at eight times the cost. Defaults to
            `False`.
        progress: Function to call with the fraction that is done, from time
            to time until it is 1.

    Returns:
        The enlarged picture: a Pillow image for a Pillow image or a path, an
        array of the same rank, channels and dtype (float32 for any float) for
        an array.

    Raises:
        ValueError: if an argument is not as above, or `model` is no generator
            or has a layer of which it cannot be told how far it sees.
        OSError: if the file cannot be read as a photo.

    Example:

    ```python
    import keras
    from keras_srgan import upscale

    model = keras.saving.load_model("srgan.keras")
    upscale(model, "photo.jpg").save("large.png")
    ```

    Self-ensemble: Timofte et al., "Seven ways to improve example-based single
    image super resolution" (2016), section 3.4,
    https://arxiv.org/abs/1511.02228
    """
    network = _get_network(model)
    if tile_size is not None and (
        not isinstance(tile_size, int) or tile_size < 1
    ):
        raise ValueError(
            "`tile_size` must be a positive integer. "
            f"Received: tile_size={tile_size!r}"
        )
    if isinstance(image, str | os.PathLike):
        image = open_photo(image)
    if isinstance(image, Image.Image):
        _check_size(image.size, f"{image.width}x{image.height}")
        photo = upright(image)
        pixels = np.asarray(photo)
    elif isinstance(image, np.ndarray):
        pixels = image
    else:
        raise ValueError(
            "`image` must be a Pillow image, a NumPy array or a path. "
            f"Received: image={image!r}"
        )
    _check_pixels(pixels)

    result = _enlarge(
        network,
        np.atleast_3d(pixels),
        tile_size or network.tile_size,
        _get_size(pixels, network.scale, scale, size),
        ensemble,
        progress or (lambda fraction: None),
    )
    result = result.reshape(*result.shape[:2], *pixels.shape[2:])
    if isinstance(image, Image.Image):
        result = Image.fromarray(result)
        result.info = photo.info
    return result


# === Network ===


class _Stage:
    """A part of a network, and the stage that comes after it, if any.

    What sees far needs little memory, and what needs memory sees little. So
    the first stage works on large tiles, and hands what it makes of each to
    the next one in small tiles.
    """

    def __init__(self, part, *later):
        self.part = part
        self.next = _Stage(*later) if later else None
        self.scale = part.field.scale
        self.halo = part.field.halo
        if self.next:
            self.scale *= self.next.scale
            self.halo += self.next.halo
        window = math.isqrt(_get_memory() // (4 * COPIES * part.widest))
        # Not less than half of the work is for what is kept, along a side.
        self.tile_size = max(window - 2 * self.halo, 2 * self.halo, 1)

    def __call__(self, window, progress):
        """Enlarge an array, from RGB or features to RGB, in one piece."""
        output = self.part.predict_on_batch(window[None])[0]
        if self.next is None:
            progress(1.0)
            return output
        progress(0.5)
        height, width, _ = output.shape
        target = np.empty(
            (height * self.scale, width * self.scale, 3), "float32"
        )
        _fill(
            target,
            output,
            self.next,
            self.next.tile_size,
            self.next.halo,
            lambda fraction: progress(0.5 + fraction / 2),
        )
        return target


# The stages keep what was compiled from one photo to the next.
_networks = weakref.WeakKeyDictionary()


def _get_network(model):
    generator = getattr(model, "generator", model)
    if hasattr(generator, "to_generator"):  # a task of keras-hub
        generator = generator.to_generator()
    shapes = [
        tuple(tensor.shape)
        for name in ("inputs", "outputs")
        for tensor in getattr(generator, name, None) or ()
    ]
    if shapes != [(None, None, None, 3)] * 2:
        raise ValueError(
            "`model` must be an SRGAN or its generator: a functional model "
            "from RGB photos of any size, shape (None, None, None, 3), to "
            f"RGB photos. Received: model={model!r} with shapes {shapes}"
        )
    if generator not in _networks:
        _networks[generator] = _Stage(*split(generator))
    return _networks[generator]


def _get_memory():
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return MEMORY
    return min(memory // 16, MEMORY)


# === Tiles ===


class _Span(NamedTuple):
    window: slice  # What the network sees of the input
    kept: slice  # What comes of it that is kept, of the input
    inner: slice  # The same, of the window


def _get_spans(length, tile_size, halo):
    """Cover a side of a photo with windows of one length.

    An end of a window is either the photo's end, so that the network pads
    there what it would pad of the whole photo, or at least a halo away from
    what is kept.
    """
    count = max(1, math.ceil((length - 2 * halo) / tile_size))
    window = length
    if count > 1:
        window = 2 * halo + math.ceil((length - 2 * halo) / count)
    starts = [(length - window) * i // max(1, count - 1) for i in range(count)]
    edges = [0, *(start + halo for start in starts[1:]), length]
    return [
        _Span(
            slice(start, start + window),
            slice(low, high),
            slice(low - start, high - start),
        )
        for start, low, high in zip(starts, edges, edges[1:], strict=False)
    ]


def _fill(target, image, predict, tile_size, halo, progress):
    """Put the enlarged `image` into `target`, tile by tile."""
    scale = target.shape[0] // image.shape[0]
    tiles = list(
        itertools.product(
            _get_spans(image.shape[0], tile_size, halo),
            _get_spans(image.shape[1], tile_size, halo),
        )
    )
    for i, (rows, columns) in enumerate(tiles):
        output = predict(
            image[rows.window, columns.window], _step(progress, i, len(tiles))
        )
        target[_times(rows.kept, scale), _times(columns.kept, scale)] = output[
            _times(rows.inner, scale), _times(columns.inner, scale)
        ]


def _times(span, scale):
    return slice(span.start * scale, span.stop * scale)


def _step(progress, i, count):
    return lambda fraction: progress((i + fraction) / count)


# === Pixels ===


def _enlarge(network, pixels, tile_size, size, ensemble, progress):
    """Enlarge an array of shape `(height, width, channels)`."""
    height, width, channels = pixels.shape
    dtype = pixels.dtype if pixels.dtype.kind == "u" else np.dtype("float32")
    result = np.empty((size[1], size[0], channels), dtype)
    colors = 1 if channels < 3 else 3
    visible = pixels[..., :colors]
    if colors < channels:
        result[..., colors] = _resize(pixels[..., colors], size, dtype)
        visible = _spread(visible, pixels[..., colors])

    target = result[..., :colors]
    if target.shape[:2] != (height * network.scale, width * network.scale):
        target = np.empty(
            (height * network.scale, width * network.scale, colors), dtype
        )

    def predict(window, progress):
        rgb = window.astype("float32") * np.float32(255 / _white(dtype))
        if colors == 1:
            rgb = np.repeat(rgb, 3, axis=-1)
        if ensemble:
            rgb = _average_turns(network, rgb, progress)
        else:
            rgb = network(rgb, progress)
        if colors == 1:
            rgb = rgb @ LUMA[:, None]
        return _quantize(rgb * np.float32(_white(dtype) / 255), dtype)

    _fill(target, visible, predict, tile_size, network.halo, progress)
    if target.shape[:2] != result.shape[:2]:
        for i in range(colors):
            result[..., i] = _resize(target[..., i], size, dtype)
    return result


def _average_turns(network, rgb, progress):
    total = 0
    for i in range(8):
        turned = np.rot90(rgb[:, ::-1] if i < 4 else rgb, i)
        output = network(np.ascontiguousarray(turned), _step(progress, i, 8))
        output = np.rot90(output, -i)
        total += output[:, ::-1] if i < 4 else output
    return total / 8


def _white(dtype):
    return 65535 if dtype == "uint16" else 255


def _quantize(levels, dtype):
    levels = np.clip(levels, 0, _white(dtype))
    return levels if dtype == "float32" else np.rint(levels).astype(dtype)


def _resize(channel, size, dtype):
    """Resize one channel to `(width, height)`, antialiased."""
    if dtype != "uint8":
        channel = channel.astype("float32")
    resized = np.asarray(
        Image.fromarray(channel).resize(size, Image.Resampling.BICUBIC)
    )
    return resized if dtype == "uint8" else _quantize(resized, dtype)


def _spread(colors, alpha):
    """Replace the colours of invisible pixels by visible ones near them.

    Source: the pyramid of Gortler et al., "The Lumigraph" (1996), section 3.4.
    """
    hidden = alpha == 0
    if not hidden.any():
        return colors
    levels = np.dstack([colors, alpha])
    if levels.dtype != "uint8":
        levels = np.ceil(levels * np.float32(255 / _white(levels.dtype)))
    near = _spread_image(Image.fromarray(levels.astype("uint8")))
    colors = colors.copy()
    near = np.atleast_3d(np.asarray(near))[hidden]
    colors[hidden] = near * (_white(colors.dtype) / 255)
    return colors


def _spread_image(image):
    """An opaque image, of one whose colours count where it has any alpha."""
    colors = image.convert(image.mode[:-1])
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] > 0 or max(image.size) == 1:
        return colors
    near = _spread_image(image.reduce(2)).resize(
        image.size, Image.Resampling.BILINEAR
    )
    return Image.composite(colors, near, alpha.point(lambda a: 255 * (a > 0)))


# === Arguments ===


def _check_size(size, received):
    if 0 in size:
        raise ValueError(
            f"`image` must have pixels. Received: image of {received}"
        )


def _check_pixels(pixels):
    _check_size(pixels.shape, f"shape {pixels.shape}")
    if pixels.ndim not in (2, 3) or (
        pixels.ndim == 3 and pixels.shape[2] not in (1, 2, 3, 4)
    ):
        raise ValueError(
            "`image` must be of shape (height, width) or (height, width, "
            "channels) with 1 to 4 channels. "
            f"Received: image.shape={pixels.shape}"
        )
    if pixels.dtype.kind == "f":
        check_range(pixels, "image")
    elif pixels.dtype not in ("uint8", "uint16"):
        raise ValueError(
            "`image` must be uint8, uint16 or float. "
            f"Received: image.dtype={pixels.dtype}"
        )


def _get_size(pixels, network_scale, scale, size):
    height, width = pixels.shape[:2]
    if size is not None:
        if scale is not None:
            raise ValueError(
                "`scale` and `size` exclude each other. "
                f"Received: scale={scale!r}, size={size!r}"
            )
        if (
            not isinstance(size, tuple | list)
            or len(size) != 2
            or any(not isinstance(side, int) or side < 1 for side in size)
        ):
            raise ValueError(
                "`size` must be two positive integers, (width, height). "
                f"Received: size={size!r}"
            )
        return tuple(size)
    scale = network_scale if scale is None else scale
    if not 0 < scale < math.inf:
        raise ValueError(f"`scale` must be positive. Received: scale={scale!r}")
    return max(1, round(width * scale)), max(1, round(height * scale))
