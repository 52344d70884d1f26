import pathlib
from collections.abc import Sequence

import numpy as np

from keras_srgan.photo import read_size

# Larger photos are not drawn more often.
MAX_PIXELS = 400_000


def weigh(files: Sequence[pathlib.Path]) -> np.ndarray:
    """Returns the pixels of each photo, at most 0.4 million.

    Args:
        files: The photos. One that cannot be read counts as a large photo:
            the error is reported when it is drawn.
    """
    weights = np.full(len(files), MAX_PIXELS)
    for i, file in enumerate(files):
        try:
            width, height = read_size(file)
        except OSError:
            continue
        weights[i] = min(width * height, MAX_PIXELS)
    return weights


def draw(
    weights: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """Draws items in proportion to their weights.

    The draws are evenly spaced, so each item is drawn its exact share of
    `count` times, rounded up or down.

    Args:
        weights: Array of positive numbers, one per item.
        count: Integer. Number of draws.
        random: The source of the offset of the draws.

    Returns:
        Sorted array of `count` indices.
    """
    ends = np.cumsum(weights)
    draws = (np.arange(count) + random.random()) * (ends[-1] / count)
    return np.searchsorted(ends, draws, side="right")
