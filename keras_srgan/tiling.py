import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_srgan.ladder import Ladder

# The memory that the network may use for one tile, in bytes, at most.
MEMORY = 2**30
# Peak memory of a tile in copies of the widest feature map. The backends
# differ; this is the worst case.
COPIES = 8
# Sides of windows in pixels, at most: larger ones gain no speed.
LARGEST_WINDOW = 1024
# Parts of the backends' messages, in lower case. Their exception classes are
# not imported here.
OUT_OF_MEMORY = (
    "out of memory",
    "outofmemory",
    "resource_exhausted",
    "resourceexhausted",
    "allocate memory",
    "not enough memory",
)
# Tiles are not halved below this size when memory runs out.
SMALLEST_TILE = 16


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


def equal_windows(length: int, tile_size: int, halo: int) -> list[int]:
    """Returns the fewest windows of equal length that cover a side.

    Args:
        length: Integer. Positions along the side.
        tile_size: Integer. Positions that a window contributes, at most,
            except that a window at the image's end also keeps its halo.
        halo: Integer. Positions that the network sees to either side.
    """
    count = max(1, math.ceil((length - 2 * halo) / tile_size))
    if count == 1:
        return [length]
    return [2 * halo + math.ceil((length - 2 * halo) / count)] * count


def get_spans(length: int, windows: list[int], halo: int) -> list[Span]:
    """Places windows along one side of an image.

    Each end of a window is either the image's end, where the network pads as
    it would pad the whole image, or at least `halo` away from the kept
    positions.

    Args:
        length: Integer. Positions along the side.
        windows: List of integers. Lengths of the windows, longest first. A
            single one may be longer than the side, and is shortened.
        halo: Integer. Positions that the network sees to either side.

    Returns:
        A list of `Span`s whose kept positions are all positions, once.
    """
    kept = (window - 2 * halo for window in windows[:-1])
    starts = list(itertools.accumulate(kept, initial=0))
    starts[-1] = max(0, length - windows[-1])
    edges = [0, *(start + halo for start in starts[1:]), length]
    return [
        Span(
            slice(start, min(start + window, length)),
            slice(low, high),
            slice(low - start, high - start),
        )
        for start, window, low, high in zip(
            starts, windows, edges, edges[1:], strict=False
        )
    ]


def fill_tiles(
    target: np.ndarray,
    image: np.ndarray,
    predict: Callable[[np.ndarray, Callable[[float], None]], np.ndarray],
    cover: Callable[[int], list[int]],
    halo: int,
    progress: Callable[[float], None],
) -> None:
    """Writes the enlarged image into an array, tile by tile.

    Args:
        target: Array `(scale * height, scale * width, channels)` to write to.
        image: Array `(height, width, channels)`.
        predict: Function of a window of `image` and of a progress callback
            that returns the enlarged window.
        cover: Function of the length of a side that returns the windows for
            it, see `get_spans`.
        halo: Integer. Positions that the network sees to either side.
        progress: Function that is called with the fraction done.
    """
    scale = target.shape[0] // image.shape[0]
    tiles = list(
        itertools.product(
            get_spans(image.shape[0], cover(image.shape[0]), halo),
            get_spans(image.shape[1], cover(image.shape[1]), halo),
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


class Stage:
    """One part of a network, followed by the later parts, if any.

    The trunk of a generator has a large receptive field but small feature
    maps; the upsampling head has the opposite. So the first stage works on
    large tiles, and passes the output of each to the next stage in small
    tiles.

    Args:
        part: `Part` of a network, as `split` returns it.
        *later: The `Part`s that follow it.

    Attributes:
        scale: Integer. Output pixels per input position, along a side.
        halo: Integer. Input positions seen on either side of a position.
        tile_size: Integer. Input positions that a tile should contribute,
            along a side. It is halved when memory runs out.
    """

    def __init__(self, part, *later):
        self.part = part
        self.next = Stage(*later) if later else None
        self.scale = part.field.scale
        self.halo = part.field.halo
        if self.next:
            self.scale *= self.next.scale
            self.halo += self.next.halo
        window = math.isqrt(_get_memory() // (4 * COPIES * part.widest))
        window = min(window, LARGEST_WINDOW)
        # At least half of the work, along a side, should be for kept output.
        self.tile_size = max(window - 2 * self.halo, 2 * self.halo, 1)
        self._largest_window = math.inf

    def get_ladder(self) -> Ladder:
        """Returns the ladder of windows for the present tile sizes."""
        later = self.next and (self.next.tile_size, self.next.halo)
        return Ladder.from_tiles(self.tile_size, self.halo, later)

    def __call__(
        self,
        window: np.ndarray,
        progress: Callable[[float], None],
        ladder: Ladder | None = None,
    ) -> np.ndarray:
        """Enlarges an array, from RGB or features to RGB.

        Args:
            window: Array `(height, width, channels)`.
            progress: Function that is called with the fraction done.
            ladder: The `Ladder` whose rungs are the input shapes. Defaults to
                `None`: the shape is that of the window.

        Raises:
            MemoryError: if memory does not suffice for the smallest tile.
        """
        size = max(window.shape[:2])
        if size <= self._largest_window:
            try:
                return self._predict(window, progress, ladder)
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                tile_size = min(self.tile_size, size - 2 * self.halo) // 2
                if tile_size < SMALLEST_TILE:
                    raise MemoryError(
                        f"Out of memory, even for a tile of {size} pixels. "
                        "Close other programs, or compute on the CPU."
                    ) from error
            self.tile_size = tile_size
            self._largest_window = tile_size + 2 * self.halo
        return _enlarge(window, self, progress)

    def get_batch_size(self, height: int, width: int) -> int:
        """Returns how many images take the memory of one tile."""
        window = min(self.tile_size + 2 * self.halo, self._largest_window)
        count = int(window**2) // (height * width)
        if self.next:
            count = min(count, self.next.get_batch_size(height, width))
        return count

    def predict_batch(self, images: np.ndarray) -> np.ndarray:
        """Enlarges a batch of images, each in one piece.

        Args:
            images: Array `(count, height, width, channels)`, of no more images
                than `get_batch_size` returns.
        """
        output = self.part.predict_on_batch(images)
        return self.next.predict_batch(output) if self.next else output

    def _predict(self, window, progress, ladder):
        if ladder:
            output = self._predict_padded(window, ladder)
        else:
            output = self.part.predict_on_batch(window[None])[0]
        if self.next is None:
            progress(1.0)
            return output
        progress(0.5)
        return _enlarge(
            output,
            self.next,
            scale_progress(progress, 1, 2),
            ladder and ladder.next,
        )

    def _predict_padded(self, window, ladder):
        height, width, channels = window.shape
        padded = np.zeros(
            (1, ladder.fit(height), ladder.fit(width), channels), window.dtype
        )
        padded[0, :height, :width] = window
        size = np.array([height, width], "int32")
        output = self.part.predict_on_batch((padded, size))[0]
        scale = self.part.field.scale
        return output[: scale * height, : scale * width]


def _enlarge(image, stage, progress, ladder=None):
    height, width, _ = image.shape
    target = np.empty((height * stage.scale, width * stage.scale, 3), "float32")
    cover = functools.partial(
        equal_windows, tile_size=stage.tile_size, halo=stage.halo
    )
    fill_tiles(
        target,
        image,
        functools.partial(stage, ladder=ladder),
        ladder.cover if ladder else cover,
        stage.halo,
        progress,
    )
    return target


def _is_out_of_memory(error):
    text = f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(
        phrase in text for phrase in OUT_OF_MEMORY
    )


def _get_memory():
    # Not at the top: the command line checks arguments without Keras.
    from keras_srgan.memory import available_bytes

    available = available_bytes()
    return MEMORY if available is None else min(available // 4, MEMORY)
