import math

import numpy as np


def check_images(images, name: str) -> None:
    """Raises unless `images` is a batch of RGB photos.

    Args:
        images: Array or tensor, perhaps symbolic: unknown sizes pass.
        name: String. Name used in the error.

    Raises:
        ValueError: if `images` is not of shape `(batch, height, width, 3)` or
            neither uint8 nor float.
    """
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[-1] not in (3, None):
        raise ValueError(
            f"`{name}` must be RGB images of shape (batch, height, width, 3)."
            f" Received: {name}.shape={shape}"
        )
    # Not at the top: the command line checks arguments without Keras.
    import keras

    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype != "uint8" and not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"`{name}` must be uint8 or float. Received: {name}.dtype={dtype}"
        )


def check_range(images: np.ndarray, name: str) -> None:
    """Raises unless the values of `images` are levels in [0, 255].

    Args:
        images: NumPy array of images.
        name: String. Name used in the error.

    Raises:
        ValueError: if a value is not finite or outside [0, 255], or if all
            are so small that the images must have been scaled to [0, 1].
    """
    if images.dtype == np.uint8 or images.size == 0:
        return
    low, high = float(images.min()), float(images.max())
    if not (0 <= low <= high <= 255) or 0 < high <= 1:
        raise ValueError(
            f"`{name}` must hold RGB levels in [0, 255]; do not normalize it. "
            f"Received: {name} with values from {low:g} to {high:g}"
        )


def is_integer(value, least: int, multiple: int = 1) -> bool:
    """Returns whether a value is an integer that is large enough.

    Args:
        value: Any object. Booleans are not integers here.
        least: Integer. The smallest value allowed.
        multiple: Integer. The value must be a multiple of it. Defaults to
            `1`.
    """
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value >= least
        and value % multiple == 0
    )


def check_integer(least: int, multiple: int = 1, /, **arguments) -> None:
    """Raises unless arguments are integers that are large enough.

    Args:
        least: Integer. The smallest value allowed.
        multiple: Integer. The values must be multiples of it. Defaults to
            `1`.
        **arguments: The values, by the names of the arguments.

    Raises:
        ValueError: if one is another object, such as `True`, or number. The
            message names the argument.
    """
    unit = f", and a multiple of {multiple}" if multiple > 1 else ""
    for name, value in arguments.items():
        if not is_integer(value, least, multiple):
            raise ValueError(
                f"`{name}` must be an integer, at least {least}{unit}. "
                f"Received: {name}={value!r}"
            )


def check_weight(**arguments) -> None:
    """Raises unless arguments are finite numbers of at least 0.

    Args:
        **arguments: The values, by the names of the arguments.

    Raises:
        ValueError: if one is not. The message names the argument.
    """
    for name, value in arguments.items():
        if not 0 <= value < math.inf:
            raise ValueError(
                f"`{name}` must be a finite number, at least 0. "
                f"Received: {name}={value!r}"
            )


def get_generator(model, name: str = "model", with_scale: bool = False):
    """Returns the generator of a model.

    Args:
        model: An `SRGAN`; an `SRGANImageUpscaler` of `keras_srgan.hub`; or a
            generator, which is a functional model from RGB photos to larger
            RGB photos, both of shape `(None, None, None, 3)`.
        name: String. Name used in the error. Defaults to `"model"`.
        with_scale: Boolean. Whether the generator must have the attribute
            `scale`, as a `Generator` has. Defaults to `False`.

    Returns:
        The generator of the SRGAN, a `Generator` with the weights of the
        `SRGANImageUpscaler`, or the model itself.

    Raises:
        ValueError: if the model is none of these.
    """
    generator = getattr(model, "generator", model)
    # Test for a task of keras-hub without importing keras-hub.
    if hasattr(generator, "to_generator"):
        generator = generator.to_generator()
    shapes = [
        tuple(tensor.shape)
        for name in ("inputs", "outputs")
        for tensor in getattr(generator, name, None) or ()
    ]
    scaled = not with_scale or hasattr(generator, "scale")
    if shapes != [(None, None, None, 3)] * 2 or not scaled:
        attribute = ", with the attribute `scale`" if with_scale else ""
        raise ValueError(
            f"`{name}` must be an SRGAN, an SRGANImageUpscaler or a generator: "
            "a functional model from RGB photos of any size, shape "
            f"(None, None, None, 3), to RGB photos{attribute}. "
            f"Received: {name}={model!r} with shapes {shapes}"
        )
    return generator


def check_built(**networks) -> None:
    """Raises unless a network has its weights.

    Args:
        **networks: The network, by the name of the argument that gave it.

    Raises:
        ValueError: if it is not built. The message names the argument.
    """
    ((name, network),) = networks.items()
    if not network.built:
        raise ValueError(
            f"`{name}` must be a model with weights: build it or call it on "
            f"an image first. Received: {name}={network}, not built"
        )
