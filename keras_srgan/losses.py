import math
import warnings

import keras
from keras import ops

from keras_srgan.adversarial import ADVERSARIAL_LOSSES
from keras_srgan.checks import check_integer
from keras_srgan.vgg import LAYERS
from keras_srgan.vgg import VGG19Features
from keras_srgan.vgg import unit_features

DISTANCES = {"squared": ops.square, "absolute": ops.abs}
PIXEL_DISTANCES = {
    **DISTANCES,
    # 2e-3 is 1e-3 for photos in [0, 1], the usual choice.
    "charbonnier": lambda x: ops.sqrt(ops.square(x) + 2e-3**2),
}
FEATURE_DISTANCES = (*DISTANCES, "normalized")
VANILLA = ADVERSARIAL_LOSSES["vanilla"]


@keras.saving.register_keras_serializable(package="keras_srgan")
class PixelLoss(keras.losses.Loss):
    """Mean difference of pixel values, scaled to the networks' [-1, 1].

    As the content loss it trains an SRResNet: smooth photos with a high PSNR.
    With a small weight next to `VGGContentLoss`, it prevents shifts of color
    and brightness.

    Args:
        distance: String, `"squared"` for the mean squared difference,
            `"absolute"` for the mean absolute difference, which is twice that
            of photos in [0, 1], or `"charbonnier"` for the mean of
            `sqrt(difference**2 + epsilon**2)`, which is smooth at 0, with an
            `epsilon` of 1e-3 for photos in [0, 1]. Defaults to `"squared"`.

    Call arguments:
        y_true: HR images, `(batch, height, width, 3)`, RGB in [0, 255].
        y_pred: Generated images of the same shape.

    Raises:
        ValueError: if `distance` is not one of the above.

    Example:

    ```python
    import numpy as np
    from keras_srgan import PixelLoss

    black, white = np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 255.0)
    PixelLoss()(black, white)  # 4.0
    PixelLoss("absolute")(black, white)  # 2.0
    ```

    References: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), equation 4,
    https://arxiv.org/abs/1609.04802; Lai et al., "Deep Laplacian Pyramid
    Networks for Fast and Accurate Super-Resolution" (2017), section 3.3,
    https://arxiv.org/abs/1704.03915
    """

    def __init__(self, distance="squared", *, name="pixel_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.distance = _check_distance(distance, PIXEL_DISTANCES)

    def call(self, y_true, y_pred):
        difference = (y_true - y_pred) / 127.5
        return ops.mean(PIXEL_DISTANCES[self.distance](difference), axis=-1)

    def get_config(self):
        return {**super().get_config(), "distance": self.distance}


PIXEL_LOSSES = {
    "mse": lambda: PixelLoss("squared"),
    "mae": lambda: PixelLoss("absolute"),
    "charbonnier": lambda: PixelLoss("charbonnier"),
}


@keras.saving.register_keras_serializable(package="keras_srgan")
class GridLoss(keras.losses.Loss):
    """Penalty on errors that repeat with the pixels of the LR image.

    VGG19 and discriminators pool by twos from the corner of a crop, and
    sub-pixel convolutions repeat with the LR pixels. Trained together, they
    draw a grid with a period of `scale` pixels. This loss averages the error
    in overlapping windows, separately at each of the `scale * scale` positions
    within an LR pixel. Without a grid these averages are equal; the loss is
    their standard deviation, averaged over channels and windows. It does not
    depend on the mean error, on blur, or on detail that is not locked to the
    LR pixels.

    Args:
        scale: Integer, at least 2. Period of the grid: the scale of the
            generator. Defaults to `4`.
        window: Integer, even, at least 2. Size of a window in LR pixels.
            Windows overlap by half. Images must be at least
            `scale * window` pixels high and wide. Defaults to `8`.

    Call arguments:
        y_true: HR images, `(batch, height, width, 3)`, RGB in [0, 255], height
            and width multiples of `scale`.
        y_pred: Generated images of the same shape.

    Call returns:
        A scalar tensor, at least 0: the standard deviation in units of [0, 1].

    Raises:
        ValueError: if an argument is not one of the above; in a call, if the
            images are smaller than a window.

    Example:

    ```python
    import numpy as np
    from keras_srgan.losses import GridLoss

    photo = np.full((1, 64, 64, 3), 100.0)
    grid = photo.copy()
    grid[:, ::4, ::4] += 255 / 100
    GridLoss()(photo, photo + 10)  # 0.0
    GridLoss()(photo, grid)  # 0.0023
    ```
    """

    def __init__(self, scale=4, window=8, *, name="grid_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        check_integer(2, scale=scale)
        check_integer(2, 2, window=window)
        self.scale = scale
        self.window = window

    def call(self, y_true, y_pred):
        smallest = self.scale * self.window
        if any(size and size < smallest for size in y_pred.shape[1:3]):
            raise ValueError(
                f"GridLoss needs images of at least {smallest} pixels a side. "
                f"Received: y_pred.shape={tuple(y_pred.shape)}"
            )
        errors = ops.space_to_depth(
            (y_pred - y_true) / 255, self.scale, data_format="channels_last"
        )
        # `(batch, rows, columns, scale * scale * 3)`: positions, then colors.
        means = ops.average_pool(
            errors,
            self.window,
            strides=self.window // 2,
            padding="valid",
            data_format="channels_last",
        )
        means = ops.reshape(means, (*ops.shape(means)[:3], self.scale**2, 3))
        variance = ops.var(means, axis=-2)
        # A root has no finite slope at 0. This one is nearly linear above
        # 0.03 levels.
        deviation = ops.sqrt(variance + 1e-8) - 1e-4
        return ops.mean(deviation, axis=(1, 2, 3))

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "window": self.window,
        }


@keras.saving.register_keras_serializable(package="keras_srgan")
class VGGContentLoss(keras.losses.Loss):
    """Difference of VGG19 features between photos: a perceptual loss.

    By default it is the paper's VGG54: the mean squared difference of one
    layer's features after activation, scaled by 1 / 12.75. With a dict of
    layers and weights it is the weighted sum over those layers, from one
    forward pass.

    The network is created at the first use, is never trained, and is not part
    of a saved model. It sees [0, 255] RGB through VGG19's own preprocessing.
    (The reference experiment passed [-1, 1] directly, so its logged losses are
    on another scale.)

    Args:
        layer: String, a convolution of VGG19 from `"block1_conv1"` to
            `"block5_conv4"`; or a dict of such names to weights, floats of at
            least 0. Defaults to `"block5_conv4"`, the paper's VGG54.
        weights: `"imagenet"` (downloaded once, then cached), the path of a
            weights file of `keras.applications.VGG19(include_top=False)`, or
            `None` for random weights. Defaults to `"imagenet"`.
        vgg_dtype: Dtype policy (or its name) of the network. Defaults to the
            global policy. The loss itself is float32.
        before_activation: Boolean. Whether to compare the features before
            their ReLU, as ESRGAN does. Defaults to `False`.
        distance: String, `"squared"` for the mean squared difference,
            `"absolute"` for the mean absolute difference, or `"normalized"`:
            the features of each position are divided by their norm, the
            squared differences are summed over the channels and averaged over
            the positions, as in LPIPS and in the layered distance of
            `VGGDistances`. Defaults to `"squared"`.
        feature_scale: Float, above 0. Factor of the features before they are
            compared. Defaults to `1 / 12.75`, the paper's, which makes the
            squared difference about as large as a pixel loss. Keras' weights
            are for levels with a standard deviation of 57.6, while other
            implementations normalize their input to 1: with `1 / 57.6` the
            features have the same size as theirs, and layer weights that were
            chosen for them can be used (the example shows Real-ESRGAN's).

    Call arguments:
        y_true: HR images, `(batch, height, width, 3)`, RGB in [0, 255].
        y_pred: Generated images of the same shape.

    Raises:
        ValueError: if an argument is not one of the above.
        FileNotFoundError: at the first use, if the weights file is missing,
            or `"imagenet"` is neither cached nor downloadable.

    Example:

    ```python
    import numpy as np
    from keras_srgan import VGGContentLoss

    loss = VGGContentLoss(layer="block2_conv2", weights=None)
    photos = np.random.uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    loss(photos, photos)  # 0.0

    several_layers = VGGContentLoss(
        {
            "block1_conv2": 0.1,
            "block2_conv2": 0.1,
            "block3_conv4": 1.0,
            "block4_conv4": 1.0,
            "block5_conv4": 1.0,
        },
        weights=None,
        before_activation=True,
        distance="absolute",
        feature_scale=1 / 57.6,
    )
    several_layers(photos, photos)  # 0.0
    ```

    References: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), equation 5 and section
    3.2, https://arxiv.org/abs/1609.04802; Wang et al., "ESRGAN: Enhanced
    Super-Resolution Generative Adversarial Networks" (2018), section 3.3,
    https://arxiv.org/abs/1809.00219; Zhang et al., "The Unreasonable
    Effectiveness of Deep Features as a Perceptual Metric" (2018), equation 1,
    https://arxiv.org/abs/1801.03924
    """

    def __init__(
        self,
        layer="block5_conv4",
        weights="imagenet",
        vgg_dtype=None,
        name="vgg_content_loss",
        *,
        before_activation=False,
        distance="squared",
        feature_scale=1 / 12.75,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        layer_weights = dict(layer) if isinstance(layer, dict) else {layer: 1.0}
        if not layer_weights or not all(
            name in LAYERS and 0 <= weight < math.inf
            for name, weight in layer_weights.items()
        ):
            raise ValueError(
                f"`layer` must be one of {', '.join(LAYERS)}, or a dict of "
                "such names to weights, floats of at least 0. "
                f"Received: layer={layer!r}"
            )
        if not 0 < feature_scale < math.inf:
            raise ValueError(
                "`feature_scale` must be a finite number above 0. "
                f"Received: feature_scale={feature_scale!r}"
            )
        self.layer = layer
        self.layer_weights = layer_weights
        self.distance = _check_distance(distance, FEATURE_DISTANCES)
        self.feature_scale = feature_scale
        self._vgg = VGG19Features(
            list(layer_weights), weights, before_activation, vgg_dtype
        )

    @property
    def variables(self) -> list:
        """The variables of VGG19; empty until it is built."""
        return self._vgg.variables

    def build(self) -> None:
        """Creates the network and loads its weights, unless already done.

        `fit` calls this first, because variables cannot be created in a
        compiled step.
        """
        self._vgg.build()

    def call(self, y_true, y_pred):
        targets, outputs = self._vgg(y_true), self._vgg(y_pred)
        return sum(
            weight
            * self._compare(
                self.feature_scale * ops.stop_gradient(targets[name]),
                self.feature_scale * outputs[name],
            )
            for name, weight in self.layer_weights.items()
        )

    def _compare(self, target, output):
        if self.distance == "normalized":
            difference = unit_features(target) - unit_features(output)
            return ops.mean(
                ops.sum(ops.square(difference), axis=-1), axis=(1, 2)
            )
        return ops.mean(
            DISTANCES[self.distance](target - output), axis=(1, 2, 3)
        )

    def features(self, images):
        """Returns the scaled features of images.

        Args:
            images: Tensor `(batch, height, width, 3)`, RGB in [0, 255].

        Returns:
            A tensor `(batch, h, w, channels)` if `layer` is a string, else a
            dict of layer name to such a tensor.
        """
        features = {
            name: self.feature_scale * x
            for name, x in self._vgg(images).items()
        }
        if isinstance(self.layer, dict):
            return features
        return features[self.layer]

    def get_config(self):
        return {
            **super().get_config(),
            "layer": self.layer,
            "weights": self._vgg.weights,
            "vgg_dtype": keras.dtype_policies.serialize(self._vgg.dtype_policy),
            "before_activation": self._vgg.before_activation,
            "distance": self.distance,
            "feature_scale": self.feature_scale,
        }


def _check_distance(distance, distances):
    if distance not in distances:
        raise ValueError(
            f"`distance` must be one of {', '.join(map(repr, distances))}. "
            f"Received: distance={distance!r}"
        )
    return distance


def get_loss(argument: str, loss, named: dict) -> keras.losses.Loss:
    """Returns a loss, given as an object or by a name.

    Args:
        argument: String. Name used in the error.
        loss: `keras.losses.Loss`, or a key of `named`.
        named: Dict of name to a function that returns a loss.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(loss, keras.losses.Loss):
        return loss
    if isinstance(loss, str) and loss in named:
        return named[loss]()
    raise ValueError(
        f"`{argument}` must be one of {[*named]} or a `keras.losses.Loss`. "
        f"Received: {argument}={loss!r}"
    )


def __getattr__(name):
    former = {
        "adversarial_loss": lambda fake: VANILLA.generator(None, fake),
        "discriminator_loss": VANILLA.discriminator,
    }
    if name not in former:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"`losses.{name}` is deprecated: use `adversarial.ADVERSARIAL_LOSSES`",
        DeprecationWarning,
        stacklevel=2,
    )
    return former[name]
