import numpy as np


def check_images(images, name: str) -> None:
    """Raise unless `images` is a batch of RGB photos, as far as shapes tell.

    Args:
        images: Array or tensor, perhaps symbolic: unknown sizes pass.
        name: String. What the error calls it.

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
    """Raise unless the values of `images` are levels in [0, 255].

    Args:
        images: NumPy array of images.
        name: String. What the error calls it.

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


def get_generator(model):
    """Returns the generator of a model.

    Args:
        model: An `SRGAN`; an `SRGANBackbone`; or a generator, which is a
            functional model from RGB photos to larger RGB photos, both of
            shape `(None, None, None, 3)`.

    Returns:
        The generator of the SRGAN, a `Generator` with the weights of the
        backbone, or the model itself.

    Raises:
        ValueError: If `model` is none of these.
    """
    generator = getattr(model, "generator", model)
    # Test for a backbone without importing keras-hub.
    if hasattr(generator, "to_generator"):
        generator = generator.to_generator()
    shapes = [
        tuple(tensor.shape)
        for name in ("inputs", "outputs")
        for tensor in getattr(generator, name, None) or ()
    ]
    if shapes != [(None, None, None, 3)] * 2:
        raise ValueError(
            "`model` must be an SRGAN, an SRGANBackbone or a generator: a "
            "functional model from RGB photos of any size, shape "
            "(None, None, None, 3), to RGB photos. "
            f"Received: model={model!r} with shapes {shapes}"
        )
    return generator


def check_built(**networks) -> None:
    """Raises unless a network has its weights.

    Args:
        **networks: The network, by the name of the argument that gave it.

    Raises:
        ValueError: if it is not built. The message has the name.
    """
    ((name, network),) = networks.items()
    if not network.built:
        raise ValueError(
            f"`{name}` must be a model with weights: build it or call it on "
            f"an image first. Received: {name}={network}, not built"
        )
