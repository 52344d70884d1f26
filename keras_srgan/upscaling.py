import functools
import math
import os
from collections.abc import Callable
from typing import TypeVar

import keras
import numpy as np
from PIL import Image

from keras_srgan import xmp
from keras_srgan.checks import check_integer
from keras_srgan.checks import check_range
from keras_srgan.checks import get_generator
from keras_srgan.checks import is_integer
from keras_srgan.photo import open_photo
from keras_srgan.photo import upright
from keras_srgan.pixels import LUMA
from keras_srgan.pixels import quantize
from keras_srgan.pixels import resize_channel
from keras_srgan.pixels import spread_colors
from keras_srgan.pixels import white_level
from keras_srgan.receptive_field import split
from keras_srgan.tiling import Stage
from keras_srgan.tiling import equal_windows
from keras_srgan.tiling import fill_tiles
from keras_srgan.tiling import scale_progress

# Backends that compile a network for each input shape.
COMPILES_PER_SHAPE = {"jax"}
# The first sizes of photos get windows that fit exactly: one photo, or a folder
# of photos of one size, is not slowed by padding.
EXACT_SIZES = 2

Picture = TypeVar("Picture", Image.Image, np.ndarray)


class Upscaler:
    """Enlarges photos of any size and kind, tile by tile, without seams.

    Each tile goes through the network with the surroundings that the network
    sees, so the result is that of the whole photo in one piece. The network's
    memory does not grow with the photo. When memory runs out, tiles are
    halved.

    To enlarge several photos, call one `Upscaler`: it reuses compiled
    functions. TensorFlow and PyTorch compile once for all sizes. JAX compiles
    for each shape of tile; from the third size of photo on, tiles have a few
    shapes, which cover photos of any size.

    Pillow images are handled as follows:

    - Modes L, LA, RGB, RGBA and 16-bit gray (I;16) keep their mode and depth,
      and so does F, with levels in [0, 255]. The network receives gray as RGB.
    - 1-bit becomes L; palettes become RGB or RGBA; I (levels in [0, 65535])
      becomes I;16; YCbCr, HSV, LAB and CMYK become RGB, CMYK through its ICC
      profile, if any, to sRGB. A transparent color becomes an alpha channel.
      (Pillow reads 16-bit color as 8-bit; arrays keep 16 bits.)
    - Alpha is enlarged by bicubic interpolation, and opaque areas stay
      opaque. Colors of visible pixels are spread under invisible ones first,
      which prevents fringes of hidden colors.
    - The image is turned upright according to its EXIF. The `info` of the
      result has the rest of the EXIF, the ICC profile (if it fits the new
      mode), the resolution in dots per inch, XMP and comments, without the
      EXIF thumbnail and the entries about the storage of the old pixels.

    Args:
        model: `SRGAN`, `Generator`, `SRGANImageUpscaler` of
            `keras_srgan.hub`, or another functional generator of "same"
            convolutions.
        tile_size: Integer, at least 1. Side, in pixels of the photo, of the
            area that a tile contributes. Smaller tiles take less memory and
            more time. Defaults to the largest that needs a quarter of a
            GPU's free memory, or a sixteenth of the machine's memory, and at
            most 1 GiB.

    Call arguments:
        image: Pillow image; NumPy array of shape `(height, width)` or
            `(height, width, channels)`, with 1 (gray), 2 (gray, alpha), 3
            (RGB) or 4 (RGBA) channels, uint8, uint16 or float in [0, 255]; or
            path of a photo. Of an animation, the first frame is enlarged,
            with a warning.
        scale: Float. Size of the result divided by that of the photo, per
            side. If it is not the network's, one antialiased bicubic resize
            follows. Defaults to the network's.
        size: `(width, height)` of the result, instead of `scale`. The aspect
            ratio may change.
        ensemble: Boolean. Whether to average over the eight flips and
            rotations of the photo, for a small gain at eight times the cost.
            Defaults to `False`.
        progress: Function that is called with the fraction done, from time
            to time until it is 1.

    Call returns:
        The enlarged picture: a Pillow image for a Pillow image or a path, and
        for an array an array of the same rank, channels and dtype (float32
        for any float).

    Attributes:
        scale: Integer. Output pixels per input pixel, along a side.
        halo: Integer. Input pixels that the network sees around a pixel.
        tile_size: Integer. See above.

    Raises:
        ValueError: if an argument is not as above, or `model` is not a
            generator or has a layer whose receptive field is unknown.
        OSError: if the file cannot be read as a photo.
        FloatingPointError: if the network's output is not finite.
        MemoryError: if memory does not suffice even for small tiles.

    Example:

    ```python
    from keras_srgan import Generator, Upscaler

    upscaler = Upscaler(Generator.from_preset("srgan_x4_base"))
    for name in "one", "two":
        upscaler(f"{name}.jpg").save(f"{name}-x4.png")
    ```

    Reference for the ensemble: Timofte et al., "Seven ways to improve
    example-based single image super resolution" (2016), section 3.4,
    https://arxiv.org/abs/1511.02228
    """

    def __init__(
        self, model: keras.Model, tile_size: int | None = None
    ) -> None:
        if tile_size is not None:
            check_integer(1, tile_size=tile_size)
        self._stage = Stage(*split(get_generator(model)))
        self._exact_sizes = set()
        self.scale = self._stage.scale
        self.halo = self._stage.halo
        if tile_size is not None:
            self._stage.tile_size = tile_size
        self.tile_size = self._stage.tile_size

    def __call__(
        self,
        image: Picture | str | os.PathLike,
        *,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        ensemble: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Picture:
        name = "the image"
        if isinstance(image, str | os.PathLike):
            name = os.fspath(image)
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
        size = _get_size(pixels, self.scale, scale, size)
        progress = progress or (lambda fraction: None)
        try:
            result = self._enlarge(
                np.atleast_3d(pixels), size, ensemble, progress
            )
        except FloatingPointError as error:
            raise FloatingPointError(
                f"Cannot enlarge {name}: {error}"
            ) from None
        result = result.reshape(*result.shape[:2], *pixels.shape[2:])
        if isinstance(image, Image.Image):
            result = Image.fromarray(result)
            result.info = xmp.resize(photo.info, photo.size, result.size)
        return result

    def enlarge_frames(self, frames: np.ndarray) -> np.ndarray:
        """Enlarges pictures of one size, small ones in batches.

        Args:
            frames: uint8 array of shape `(count, height, width, 3)`, RGB.

        Returns:
            uint8 array of shape `(count, scale * height, scale * width, 3)`.
            Rounding may differ by one level from that of single pictures.

        Raises:
            FloatingPointError, MemoryError: See `Upscaler`.
        """
        count = self._stage.get_batch_size(*frames.shape[1:3])
        if count < 2:
            return np.stack([self(frame) for frame in frames])
        results = []
        for i in range(0, len(frames), count):
            rgb = self._stage.predict_batch(
                frames[i : i + count].astype("float32")
            )
            _check_finite(rgb)
            results.append(quantize(rgb, np.dtype("uint8")))
        return np.concatenate(results)

    def _enlarge(self, pixels, size, ensemble, progress):
        """Enlarges an array `(height, width, channels)`."""
        height, width, channels = pixels.shape
        dtype = (
            pixels.dtype if pixels.dtype.kind == "u" else np.dtype("float32")
        )
        result = np.empty((size[1], size[0], channels), dtype)
        colors = 1 if channels < 3 else 3
        visible = pixels[..., :colors]
        if colors < channels:
            alpha = pixels[..., colors]
            result[..., colors] = resize_channel(alpha, size, dtype)
            visible = spread_colors(visible, alpha)

        target = result[..., :colors]
        if target.shape[:2] != (height * self.scale, width * self.scale):
            target = np.empty(
                (height * self.scale, width * self.scale, colors), dtype
            )

        ladder = self._get_ladder(height, width)
        halo = ladder.halo if ladder else self.halo
        cover = functools.partial(
            equal_windows, tile_size=self.tile_size, halo=halo
        )
        stage = functools.partial(self._stage, ladder=ladder)

        def predict(window, progress):
            rgb = window.astype("float32")
            rgb = rgb * np.float32(255 / white_level(dtype))
            if colors == 1:
                rgb = np.repeat(rgb, 3, axis=-1)
            if ensemble:
                rgb = _average_turns(stage, rgb, progress)
            else:
                rgb = stage(rgb, progress)
            _check_finite(rgb)
            if colors == 1:
                rgb = rgb @ LUMA[:, None].astype("float32")
            return quantize(rgb * np.float32(white_level(dtype) / 255), dtype)

        fill_tiles(
            target,
            visible,
            predict,
            ladder.cover if ladder else cover,
            halo,
            progress,
        )
        if target.shape[:2] != result.shape[:2]:
            for i in range(colors):
                result[..., i] = resize_channel(target[..., i], size, dtype)
        return result

    def _get_ladder(self, height, width):
        """Returns the ladder of windows, or `None` for windows that fit."""
        if keras.backend.backend() not in COMPILES_PER_SHAPE:
            return None
        if len(self._exact_sizes) < EXACT_SIZES:
            self._exact_sizes.add((height, width))
        if (height, width) in self._exact_sizes:
            return None
        return self._stage.get_ladder()


def _average_turns(stage, rgb, progress):
    total = 0
    for i in range(8):
        turned = np.rot90(rgb[:, ::-1] if i < 4 else rgb, i)
        output = stage(
            np.ascontiguousarray(turned), scale_progress(progress, i, 8)
        )
        output = np.rot90(output, -i)
        total += output[:, ::-1] if i < 4 else output
    return total / 8


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
    """Enlarges one photo of any size and kind: `Upscaler(model)(image)`.

    To enlarge several photos, call one `Upscaler`, which compiles the network
    once.

    Args:
        model, tile_size: As for `Upscaler`.
        image, scale, size, ensemble, progress: Call arguments of `Upscaler`.

    Returns:
        The enlarged picture: a Pillow image for a Pillow image or a path, an
        array for an array.

    Raises:
        ValueError, OSError, FloatingPointError, MemoryError: See `Upscaler`.

    Example:

    ```python
    from keras_srgan import Generator, upscale

    generator = Generator.from_preset("srgan_x4_base")
    upscale(generator, "photo.jpg").save("large.png")
    ```
    """
    return Upscaler(model, tile_size)(
        image, scale=scale, size=size, ensemble=ensemble, progress=progress
    )


# === Checks ===


def _check_finite(output):
    if not np.isfinite(output).all():
        raise FloatingPointError(
            "the output of the network is not finite. In half precision, "
            "values may overflow: compute in float32. Otherwise the weights "
            "are damaged."
        )


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
                "`scale` and `size` cannot be given together. "
                f"Received: scale={scale!r}, size={size!r}"
            )
        if (
            not isinstance(size, tuple | list)
            or len(size) != 2
            or not all(is_integer(side, 1) for side in size)
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
