import functools
import itertools

import keras
import numpy as np
from keras import ops

from keras_srgan.checks import check_integer
from keras_srgan.degradations.base import RandomDegradation


def _box(x):
    return ((x > -0.5) & (x <= 0.5)).astype("float64")


def _triangle(x):
    return np.maximum(0, 1 - np.abs(x))


def _cubic(x):
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


# The interpolation kernels, by distance in pixels.
FILTERS = {"box": _box, "bilinear": _triangle, "bicubic": _cubic}


@keras.saving.register_keras_serializable(package="keras_srgan")
class RandomResize(RandomDegradation):
    """Downscales images, by way of another size, with one of several filters.

    Photos have often been resized before. Each image is resized to one of
    several fixed multiples of the output size, and from there to the output
    size: a multiple below 1 simulates a photo that was upscaled before. Each
    image also has its own filter. Filters are antialiased, as Pillow's are.

    Args:
        scale: Integer, at least 1. The downscaling factor per side. Defaults
            to `1`: the size stays.
        factors: Tuple of numbers in [0.1, 10], the size in between divided
            by the output size; `1` resizes once. An item may be repeated, to
            be drawn more often. Defaults to `(0.5, 1, 2)`.
        filters: Tuple of `"box"`, `"bilinear"` and `"bicubic"`. Defaults to
            all three.
        seed: See `RandomDegradation`.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255]; height and width
            are known and multiples of `scale`.
        parameters: Dictionary of one integer tensor `(batch,)`, `choice`: an
            index of `itertools.product(factors, filters)`. Defaults to
            `None`: new draws.

    Output shape:
        `(batch, height / scale, width / scale, 3)`, RGB in [0, 255], float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import RandomResize

    photos = np.random.randint(0, 256, (2, 64, 64, 3), "uint8")
    RandomResize(4, factors=(0.5, 1, 1, 2))(photos).shape  # (2, 16, 16, 3)
    ```

    Reference: Wang et al., "Real-ESRGAN: Training Real-World Blind
    Super-Resolution with Pure Synthetic Data" (2021),
    https://arxiv.org/abs/2107.10833, section 3.1.
    """

    def __init__(
        self, scale=1, factors=(0.5, 1, 2), filters=tuple(FILTERS), **kwargs
    ):
        super().__init__(**kwargs)
        check_integer(1, scale=scale)
        if not factors or not all(0.1 <= factor <= 10 for factor in factors):
            raise ValueError(
                "`factors` must be a tuple of numbers in [0.1, 10]. "
                f"Received: factors={factors!r}"
            )
        if not filters or not set(filters) <= set(FILTERS):
            raise ValueError(
                f"`filters` must be a tuple of names from {tuple(FILTERS)}. "
                f"Received: filters={filters!r}"
            )
        if scale > 1 and self.probability < 1:
            raise ValueError(
                "`probability` must be 1 where `scale` changes the size. "
                f"Received: probability={self.probability}, scale={scale}"
            )
        self.scale = scale
        self.factors = tuple(float(factor) for factor in factors)
        self.filters = tuple(filters)

    def draw(self, images):
        count = len(self.factors) * len(self.filters)
        choice = ops.floor(self.uniform(images, (0.0, count)))
        return {"choice": ops.cast(ops.minimum(choice, count - 1), "int32")}

    def degrade(self, images, choice):
        for axis, equation in (1, "bij,bjkc->bikc"), (2, "bij,bkjc->bkic"):
            side = images.shape[axis]
            if side is None or side % self.scale:
                raise ValueError(
                    "The height and width of images must be known multiples "
                    f"of the scale, {self.scale}. "
                    f"Received: shape={tuple(images.shape)}"
                )
            matrices = _matrices(
                side, side // self.scale, self.factors, self.filters
            )
            matrices = ops.convert_to_tensor(matrices)
            # One matrix per image, so that the shapes are fixed though the
            # sizes in between are not.
            images = ops.einsum(
                equation, ops.take(matrices, choice, axis=0), images
            )
        return ops.clip(images, 0, 255)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            height and height // self.scale,
            width and width // self.scale,
            channels,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "factors": self.factors,
            "filters": self.filters,
        }


@functools.lru_cache(maxsize=64)
def _matrices(length, target, factors, filters):
    """Returns one `(target, length)` matrix per factor and filter."""
    matrices = []
    for factor, name in itertools.product(factors, filters):
        middle = max(1, round(factor * target))
        if middle == target:
            matrix = _resampling(length, target, name)
        else:
            matrix = _resampling(middle, target, name) @ _resampling(
                length, middle, name
            )
        matrices.append(matrix)
    return np.stack(matrices).astype("float32")


def _resampling(length, target, name):
    """Returns the matrix that resizes a line of pixels, as Pillow does."""
    if length == target:
        return np.eye(length)
    step = length / target
    centers = (np.arange(target) + 0.5) * step
    distances = np.arange(length) + 0.5 - centers[:, None]
    weights = FILTERS[name](distances / max(step, 1))
    return weights / weights.sum(axis=1, keepdims=True)
