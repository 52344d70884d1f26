import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """One window along one side of an image.

    Attributes:
        window: Slice of the input that the network gets.
        kept: Slice of the input whose output is kept.
        inner: The same positions as `kept`, counted from the window's start.
    """

    window: slice
    kept: slice
    inner: slice


def get_spans(length: int, tile_size: int, halo: int) -> list[Span]:
    """Covers one side of an image with windows of equal length.

    Each end of a window is either the image's end, where the network pads as
    it would pad the whole image, or at least `halo` away from the kept
    positions.

    Args:
        length: Integer. Positions along the side.
        tile_size: Integer. Positions that a window contributes, at most,
            except that a window at the image's end also keeps its halo.
        halo: Integer. Positions that the network sees to either side.

    Returns:
        A list of `Span`s whose kept positions are all positions, once.
    """
    count = max(1, math.ceil((length - 2 * halo) / tile_size))
    window = length
    if count > 1:
        window = 2 * halo + math.ceil((length - 2 * halo) / count)
    starts = [(length - window) * i // max(1, count - 1) for i in range(count)]
    edges = [0, *(start + halo for start in starts[1:]), length]
    return [
        Span(
            slice(start, start + window),
            slice(low, high),
            slice(low - start, high - start),
        )
        for start, low, high in zip(starts, edges, edges[1:], strict=False)
    ]


def fill_tiles(
    target: np.ndarray,
    image: np.ndarray,
    predict: Callable[[np.ndarray, Callable[[float], None]], np.ndarray],
    tile_size: int,
    halo: int,
    progress: Callable[[float], None],
) -> None:
    """Writes the enlarged image into an array, tile by tile.

    Args:
        target: Array `(scale * height, scale * width, channels)` to write to.
        image: Array `(height, width, channels)`.
        predict: Function of a window of `image` and of a progress callback
            that returns the enlarged window.
        tile_size, halo: See `get_spans`.
        progress: Function that is called with the fraction done.
    """
    scale = target.shape[0] // image.shape[0]
    tiles = list(
        itertools.product(
            get_spans(image.shape[0], tile_size, halo),
            get_spans(image.shape[1], tile_size, halo),
        )
    )
    for i, (rows, columns) in enumerate(tiles):
        output = predict(
            image[rows.window, columns.window],
            scale_progress(progress, i, len(tiles)),
        )
        target[_times(rows.kept, scale), _times(columns.kept, scale)] = output[
            _times(rows.inner, scale), _times(columns.inner, scale)
        ]


def scale_progress(
    progress: Callable[[float], None], i: int, count: int
) -> Callable[[float], None]:
    """Returns a progress callback for step `i` of `count` equal steps."""
    return lambda fraction: progress((i + fraction) / count)


def _times(span, scale):
    return slice(span.start * scale, span.stop * scale)
