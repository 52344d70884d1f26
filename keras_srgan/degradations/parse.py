import keras
import numpy as np

from keras_srgan.degradations.blur import GaussianBlur
from keras_srgan.degradations.chain import DegradationChain
from keras_srgan.degradations.jpeg import JPEGCompression
from keras_srgan.degradations.noise import SensorNoise
from keras_srgan.degradations.sinc import SincFilter
from keras_srgan.pixels import quantize

LAYERS = {
    "blur": GaussianBlur,
    "noise": SensorNoise,
    "sinc": SincFilter,
    "jpeg": JPEGCompression,
}


def parse_degradation(text: str, seed: int | None = 0) -> DegradationChain:
    """Returns the degradation that a text such as `"blur:1+jpeg:75"` names.

    It keeps the size of images: apply it to LR images, or put it after
    `Degradation(scale)` in a `DegradationChain`.

    Args:
        text: String. Steps separated by `+`, applied in this order, each a
            name and a number separated by `:`. The names are `blur` (the
            standard deviation in pixels), `noise` (the standard deviation in
            levels), `sinc` (the cutoff in radians per pixel) and `jpeg` (the
            quality, with 4:2:0 subsampling).
        seed: Integer. Seed of the noise. Defaults to `0`: the same noise in
            every run.

    Returns:
        A `DegradationChain`. The levels it returns are whole.

    Raises:
        ValueError: if the text names another step or a number is out of range.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import parse_degradation

    lr = np.random.randint(0, 256, (1, 32, 32, 3), "uint8")
    parse_degradation("blur:1+noise:5+jpeg:75")(lr)
    ```
    """
    layers = []
    for i, step in enumerate(text.split("+")):
        name, _, number = (part.strip() for part in step.partition(":"))
        try:
            # Keras would number the layers of a process, which would make
            # saved models differ.
            layer = LAYERS[name](float(number), seed=seed, name=f"{name}_{i}")
        except (KeyError, ValueError) as error:
            detail = f" ({error})" if name in LAYERS and number else ""
            raise ValueError(
                "A degradation must be written as 'blur:SIGMA', 'noise:SIGMA',"
                " 'sinc:CUTOFF' or 'jpeg:QUALITY', or several of them joined "
                f"by '+'{detail}. Received: {text!r}"
            ) from error
        layers.append(layer)
    return DegradationChain(layers)


def degrade_photo(photo: np.ndarray, text: str) -> np.ndarray:
    """Returns one photo, degraded as a text such as `"blur:1+jpeg:75"` says.

    The noise of a photo is the same each time.

    Args:
        photo: uint8 array of shape `(height, width, 3)`, RGB in [0, 255].
        text: String, as for `parse_degradation`.

    Returns:
        A uint8 array of the same shape.

    Raises:
        ValueError: as `parse_degradation`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import degrade_photo

    photo = np.random.randint(0, 256, (32, 48, 3), "uint8")
    degrade_photo(photo, "noise:5+jpeg:75")
    ```
    """
    # A new layer for each photo draws the same noise.
    degrade = parse_degradation(text)
    if keras.backend.backend() == "jax":
        # JAX compiles one program per size, rather than one per operation.
        images = keras.Input(photo.shape, dtype="uint8")
        degrade = keras.Sequential([images, degrade]).predict_on_batch
    degraded = keras.ops.convert_to_numpy(degrade(photo[None]))
    return quantize(degraded[0], "uint8")
