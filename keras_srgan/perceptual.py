import itertools
import os
import warnings
from collections.abc import Callable

import numpy as np
from keras import ops
from PIL import Image

from keras_srgan.checks import check_integer
from keras_srgan.losses import VGGContentLoss
from keras_srgan.tiling import equal_windows
from keras_srgan.tiling import get_spans
from keras_srgan.vgg import VGG19Features
from keras_srgan.vgg import unit_features

# The layers of the layered distance, and one position's size in pixels.
LAYERS = {
    "block1_conv2": 1,
    "block2_conv2": 2,
    "block3_conv4": 4,
    "block4_conv4": 8,
    "block5_conv4": 16,
}
# The stride of block5_conv4. Windows start at multiples of it, so that VGG19
# pools the same pixels as in the whole photo.
STRIDE = 16
# A position of block5_conv4 depends on 118 pixels around its own 16.
HALO = 128
# Photos of up to 640 pixels a side go through VGG19 in one piece.
TILE_SIZE = 384


class VGGDistances:
    """Two perceptual distances between photos, in VGG19 features.

    Both are 0 for equal photos, and lower is better:

    - `"vgg54"`: the mean squared difference of the features that
      `VGGContentLoss` compares by default.
    - `"layered"`: for each of conv1_2, conv2_2, conv3_4, conv4_4 and conv5_4
      after activation, the feature vector of each position is divided by its
      norm, the squared differences are summed over the channels and averaged
      over the positions; then the five layers are summed. This is LPIPS
      without its learned weights.

    Large photos are compared in overlapping windows, which bounds the memory
    and does not change the result.

    Args:
        weights: `"imagenet"`, the path of a weights file, or `None` for random
            weights: see `VGGContentLoss`. Defaults to `"imagenet"`.
        crop: Integer, at least 16. Only the center of the photos is compared,
            at most `crop` pixels high and wide, which takes less time.
            Defaults to `None`: whole photos.

    Call arguments:
        hr: The reference photo, uint8 or float array of shape `(height, width,
            3)`, RGB in [0, 255], at least 16 pixels high and wide.
        sr: The photo to judge, of the same shape.

    Call returns:
        Dict of name to float.

    Raises:
        FileNotFoundError: if the weights file is missing or cannot be
            downloaded.
        ValueError: if `crop` is too small, or in a call, if the photos are not
            as above.

    Example:

    ```python
    import numpy as np
    from keras_srgan.perceptual import VGGDistances

    photo = np.random.randint(0, 256, (64, 96, 3), "uint8")
    VGGDistances(weights=None)(photo, photo)  # {"vgg54": 0.0, "layered": 0.0}
    ```

    References: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), equation 5,
    https://arxiv.org/abs/1609.04802; Zhang et al., "The Unreasonable
    Effectiveness of Deep Features as a Perceptual Metric" (2018), equation 1,
    https://arxiv.org/abs/1801.03924
    """

    def __init__(
        self,
        weights: str | os.PathLike | None = "imagenet",
        crop: int | None = None,
    ) -> None:
        if crop is not None:
            check_integer(STRIDE, crop=crop)
        self.crop = crop
        # float32 under any global policy, so that figures are comparable.
        self._vgg = VGG19Features(list(LAYERS), weights, dtype="float32")
        self._vgg.build()

    def __call__(self, hr: np.ndarray, sr: np.ndarray) -> dict[str, float]:
        _check_pair(hr, sr)
        if self.crop:
            hr, sr = (_center(photo, self.crop) for photo in (hr, sr))
        errors = np.zeros(len(LAYERS))
        vgg54 = 0.0
        for window, crops in _windows(hr.shape[:2]):
            target = self._features(hr[window])
            output = self._features(sr[window])
            for i, (crop, weight) in enumerate(crops):
                a, b = target[i][crop], output[i][crop]
                errors[i] += weight * _squared_difference(
                    unit_features(a), unit_features(b)
                )
            # The last layer is the one of VGG54, with its scale of 1 / 12.75.
            vgg54 += weight * _squared_difference(a, b) / a.shape[-1]
        return {"vgg54": vgg54 / 12.75**2, "layered": float(errors.sum())}

    def _features(self, photo):
        features = self._vgg(photo[None])
        return [features[name][0] for name in LAYERS]


def _check_pair(hr, sr):
    if (
        hr.shape != sr.shape
        or hr.shape[2:] != (3,)
        or min(hr.shape[:2]) < STRIDE
    ):
        raise ValueError(
            "`hr` and `sr` must have the same shape (height, width, 3), at "
            f"least {STRIDE} pixels high and wide. "
            f"Received: hr.shape={hr.shape}, sr.shape={sr.shape}"
        )


def _center(photo, side):
    """Returns the center of a photo, at most `side` pixels high and wide."""
    top, left = (max(0, length - side) // 2 for length in photo.shape[:2])
    return photo[top : top + side, left : left + side]


def _windows(size):
    """Yields each window and, per layer, the part to keep and its weight.

    The weight is the kept share of the layer's positions.
    """
    for spans in itertools.product(*map(_get_aligned_spans, size)):
        crops = []
        for stride in LAYERS.values():
            crop, weight = [], 1.0
            for length, (window, kept) in zip(size, spans, strict=True):
                # Pooling drops an incomplete last position.
                low = kept.start // stride
                high = min(kept.stop, length) // stride
                offset = window.start // stride
                crop.append(slice(low - offset, high - offset))
                weight *= (high - low) / (length // stride)
            crops.append((tuple(crop), weight))
        yield tuple(window for window, _ in spans), crops


def _get_aligned_spans(length):
    """Covers a side with windows that start at multiples of the stride."""
    blocks = length // STRIDE
    halo = HALO // STRIDE
    windows = equal_windows(blocks, TILE_SIZE // STRIDE, halo)
    spans = get_spans(blocks, windows, halo)

    def pixels(span):
        # The last window takes the pixels that make no whole block.
        stop = length if span.stop == blocks else STRIDE * span.stop
        return slice(STRIDE * span.start, stop)

    return [(pixels(span.window), pixels(span.kept)) for span in spans]


def _squared_difference(a, b):
    """Returns the mean over positions of the sum over channels."""
    return float(ops.mean(ops.sum(ops.square(a - b), axis=-1)))


def pyiqa_metric(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """Returns a metric of the package pyiqa, such as LPIPS or NIQE.

    pyiqa runs on PyTorch, regardless of the backend of Keras, and downloads
    the weights of a metric at its first use.

    Args:
        name: String, one of `pyiqa.list_models()`, such as `"lpips"` (AlexNet,
            version 0.1; compares with the HR photo) or `"niqe"` (needs no
            reference).

    Returns:
        A function of `hr` and `sr`, uint8 arrays of the same shape `(height,
        width, 3)`, RGB, that returns a float. Lower is better for LPIPS and
        NIQE.

    Raises:
        ImportError: if pyiqa is not installed.
        ValueError: if pyiqa has no metric of that name.
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
            f"The weights of pyiqa's {name!r} are not cached and could not be "
            f"downloaded: {error}"
        ) from error
    return lambda hr, sr: float(
        metric(Image.fromarray(sr), Image.fromarray(hr))
    )


class VGGDistance:
    """Deprecated: use `VGGDistances`.

    Args:
        weights: As for `VGGDistances`.
        layer: String. As for `VGGContentLoss`. Defaults to `"block5_conv4"`.

    Call arguments:
        hr, sr: As for `VGGDistances`.
    """

    def __init__(
        self,
        weights: str | os.PathLike | None = "imagenet",
        layer: str = "block5_conv4",
    ) -> None:
        warnings.warn(
            "`VGGDistance` is deprecated; use `VGGDistances`.",
            DeprecationWarning,
            stacklevel=2,
        )
        self._loss = VGGContentLoss(layer, weights, vgg_dtype="float32")

    def __call__(self, hr: np.ndarray, sr: np.ndarray) -> float:
        _check_pair(hr, sr)
        return float(self._loss(hr[None], sr[None]))
