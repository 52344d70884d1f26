import keras
from keras import layers
from keras import ops

from keras_srgan import draws


class RandomDegradation(layers.Layer):
    """Base class of layers that degrade each image by random parameters.

    A subclass implements `draw(images)`, which returns a dictionary of
    parameters, and `degrade(images, **parameters)`, which is deterministic.
    The random numbers differ between backends, as Keras' own do. Given equal
    `parameters`, the results are equal.

    Args:
        probability: Float in [0, 1]. The share of images that are degraded;
            the others pass unchanged. Defaults to `1.0`.
        seed: Integer, for repeatable draws. Defaults to `None`: drawn from
            the global seed.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255].
        parameters: Dictionary of the parameters to use, as `draw` returns
            it, passed by keyword. Its optional item `"applied"` is a
            Boolean tensor `(batch,)`: whether to degrade each image. Defaults
            to `None`: new draws.
    """

    def __init__(self, probability=1.0, seed=None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.probability = check_probability("probability", probability)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, parameters=None):
        images = ops.cast(images, "float32")
        if parameters is None:
            parameters = self.draw(images)
            if self.probability < 1:
                parameters["applied"] = self.chance(images, self.probability)
        parameters = {
            name: ops.convert_to_tensor(value)
            for name, value in parameters.items()
        }
        applied = parameters.pop("applied", None)
        degraded = self.degrade(images, **parameters)
        if applied is None:
            return degraded
        return ops.where(per_image(applied, "bool"), degraded, images)

    def draw(self, images) -> dict:
        """Returns random parameters for each image of a batch."""
        raise NotImplementedError

    def degrade(self, images, **parameters):
        """Returns float32 images degraded by the given parameters."""
        raise NotImplementedError

    def uniform(self, images, bounds):
        """Returns one number per image, uniform within `(low, high)`."""
        batch = ops.shape(images)[0]
        return draws.uniform((batch,), *bounds, self.seed_generator)

    def chance(self, images, probability):
        """Returns one Boolean per image, true with the given probability."""
        return self.uniform(images, (0.0, 1.0)) < probability

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "probability": self.probability,
            "seed": self.seed,
        }


def per_image(parameter, dtype="float32"):
    """Returns a `(batch,)` parameter shaped to broadcast over images."""
    return ops.reshape(ops.cast(parameter, dtype), (-1, 1, 1, 1))


def to_levels(images):
    """Returns images as a file holds them: whole levels in [0, 255]."""
    return ops.round(ops.clip(images, 0, 255))


def check_bounds(name, value, low, high):
    """Returns `value`, a number or a pair, as a tuple of two floats.

    Args:
        name: String. The argument's name in the error message.
        value: A number, or a pair `(from, to)`.
        low, high: The smallest and largest number allowed.

    Raises:
        ValueError: if it is neither, or outside the bounds.
    """
    pair = value if isinstance(value, list | tuple) else (value, value)
    numbers = all(
        isinstance(number, int | float) and not isinstance(number, bool)
        for number in pair
    )
    if len(pair) != 2 or not numbers or not low <= pair[0] <= pair[1] <= high:
        raise ValueError(
            f"`{name}` must be a number in [{low}, {high}] or a pair of them, "
            f"the smaller first. Received: {name}={value!r}"
        )
    return float(pair[0]), float(pair[1])


def check_probability(name, value):
    """Returns `value` as a float; raises unless it is in [0, 1]."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(
            f"`{name}` must be in [0, 1]. Received: {name}={value!r}"
        )
    return float(value)
