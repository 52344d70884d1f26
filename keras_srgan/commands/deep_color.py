"""Photos of 16 bits per color, for the command that enlarges photos."""

import argparse
import warnings
from pathlib import Path

import numpy as np

from keras_srgan.deep_color import SUFFIXES
from keras_srgan.deep_color import check_deep_size
from keras_srgan.deep_color import read_deep_color
from keras_srgan.photo import has_deep_color


def read_to_keep(
    photo: Path,
    output: Path,
    size: tuple[int, int],
    options: argparse.Namespace,
) -> np.ndarray | None:
    """Reads a photo of 16 bits per color whose result keeps them.

    Args:
        photo: Path of the photo.
        output: Path of the result.
        size: `(width, height)` of the result.
        options: Parsed options of the command.

    Returns:
        uint16 array of shape `(height, width, channels)`; or `None` for other
        photos, and, with a warning, for results of 8 bits.

    Raises:
        ValueError: if the result would be too large, or tifffile is missing.
        OSError: if the file is damaged.
    """
    if not has_deep_color(photo):
        return None
    pixels = None
    plain = not options.consistent and not options.report
    if plain and output.suffix.lower() in SUFFIXES:
        try:
            pixels = read_deep_color(photo)
        except ImportError as error:
            raise ValueError(
                f"{error}; or write 8 bits with --format png"
            ) from error
    if pixels is None:
        warnings.warn(
            "reduced to 8 bits per color; only RGB TIFF photos keep 16, in "
            "TIFF results without --consistent and --report",
            stacklevel=2,
        )
        return None
    check_deep_size(pixels, size)
    return pixels
