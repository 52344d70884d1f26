import itertools
import math
import os
from collections.abc import Callable

import numpy as np
from keras import ops
from PIL import Image

from keras_srgan.losses import VGGContentLoss

# Larger photos go through VGG19 in windows of at most so many pixels a side,
# in bounded memory.
WINDOW = 512
# Its poolings make one position of so many pixels a side.
STRIDE = 16


class VGGDistance:
    """How differently two photos look to VGG19; less is better.

    The mean squared difference of the features that `VGGContentLoss` compares,
    and so the content loss of one photo. Photos of more than 512 pixels a
    side are compared in several windows.

    Args:
        weights: As for `VGGContentLoss`: `"imagenet"`, the path of a weights
            file, or `None`. Defaults to `"imagenet"`.
        layer: String. As for `VGGContentLoss`. Defaults to `"block5_conv4"`.

    Call arguments:
        hr, sr: The photo and what to judge, uint8 or float arrays of one shape
            `(height, width, 3)`, RGB in [0, 255], at least 16 pixels high and
            wide.

    Call returns:
        Float, at least 0.

    Raises:
        FileNotFoundError: if there are no weights, see `VGGContentLoss`.
        ValueError: if `layer` is unknown; in a call, if the photos are not as
            above.

    Example:

    ```python
    import numpy as np
    from keras_srgan.perceptual import VGGDistance

    photo = np.random.randint(0, 256, (64, 96, 3), "uint8")
    VGGDistance(weights=None)(photo, photo)  # 0.0
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), equation 5,
    https://arxiv.org/abs/1609.04802
    """

    def __init__(
        self,
        weights: str | os.PathLike | None = "imagenet",
        layer: str = "block5_conv4",
    ) -> None:
        # Whatever the global policy: figures are compared.
        self._loss = VGGContentLoss(layer, weights, vgg_dtype="float32")
        self._loss.build()

    def __call__(self, hr: np.ndarray, sr: np.ndarray) -> float:
        if hr.shape != sr.shape or min(hr.shape[:2]) < STRIDE:
            raise ValueError(
                "`hr` and `sr` must have one and the same shape, at least "
                f"{STRIDE} pixels high and wide. "
                f"Received: hr.shape={hr.shape}, sr.shape={sr.shape}"
            )
        pair = np.stack([hr, sr])
        errors, areas = [], []
        for rows, columns in itertools.product(*map(_windows, hr.shape[:2])):
            window = pair[:, rows, columns]
            target, output = self._loss.features(window)
            errors.append(float(ops.mean(ops.square(target - output))))
            areas.append(window.size)
        return float(np.average(errors, weights=areas))


def _windows(length):
    """Cover a side by windows of about one length, on the grid of strides."""
    count = math.ceil(length / WINDOW)
    edges = [STRIDE * round(length / STRIDE * i / count) for i in range(count)]
    return list(map(slice, edges, [*edges[1:], length]))


def pyiqa_metric(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """Returns a metric of the package pyiqa, such as LPIPS or NIQE.

    pyiqa runs on PyTorch, whatever the backend of Keras, and downloads the
    weights of a metric at its first use.

    Args:
        name: String, one of `pyiqa.list_models()`: `"lpips"` (on AlexNet,
            version 0.1; needs the HR photo), `"niqe"` (judges a photo by
            itself), and others.

    Returns:
        A function of `hr` and `sr`, uint8 arrays of one shape `(height, width,
        3)`, RGB, that returns a float. Of LPIPS and NIQE less is better.

    Raises:
        ImportError: if pyiqa is not installed.
        ValueError: if it has no metric of that name.
        OSError: if the weights are neither cached nor downloadable.

    Example:

    ```python
    from keras_srgan.photo import load_image
    from keras_srgan.perceptual import pyiqa_metric

    lpips = pyiqa_metric("lpips")
    lpips(load_image("hr.png"), load_image("sr.png"))
    ```

    References: Zhang et al., "The Unreasonable Effectiveness of Deep Features
    as a Perceptual Metric" (2018), https://arxiv.org/abs/1801.03924; Mittal et
    al., "Making a 'Completely Blind' Image Quality Analyzer" (2013),
    https://doi.org/10.1109/LSP.2012.2227726
    """
    try:
        import pyiqa
    except ImportError as error:
        raise ImportError(
            f"The metric {name!r} needs pyiqa ({error}): "
            "`pip install keras-srgan[perceptual]`"
        ) from error
    if name not in pyiqa.list_models():
        raise ValueError(
            "`name` must be a metric of pyiqa, one of `pyiqa.list_models()`. "
            f"Received: name={name!r}"
        )
    try:
        metric = pyiqa.create_metric(name)
    except OSError as error:
        raise OSError(
            f"The weights of pyiqa's {name!r} are neither cached nor could "
            f"they be downloaded: {error}"
        ) from error
    return lambda hr, sr: float(
        metric(Image.fromarray(sr), Image.fromarray(hr))
    )
