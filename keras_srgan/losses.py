import os

import keras
from keras import ops

from keras_srgan.layers import Conv2D

VGG19_WEIGHTS = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
VGG19_CONV_LAYERS = [
    f"block{block}_conv{conv}"
    for block, convs in enumerate((2, 2, 4, 4, 4), start=1)
    for conv in range(1, convs + 1)
]


@keras.saving.register_keras_serializable(package="keras_srgan")
class PixelLoss(keras.losses.Loss):
    """Mean squared difference of pixels, in the [-1, 1] of the networks.

    As a content loss it gives the smooth, faithful photos of SRResNet; a
    little of it beside `VGGContentLoss` holds colour and brightness.

    Call arguments:
        y_true, y_pred: HR and generated images, `(batch, height, width, 3)`,
            RGB in [0, 255].

    Example:

    ```python
    import numpy as np
    from keras_srgan import PixelLoss

    black, white = np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 255.0)
    PixelLoss()(black, white)  # 4.0
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), equation 4,
    https://arxiv.org/abs/1609.04802
    """

    def __init__(self, name="pixel_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return ops.mean(ops.square((y_true - y_pred) / 127.5), axis=-1)


@keras.saving.register_keras_serializable(package="keras_srgan")
class VGGContentLoss(keras.losses.Loss):
    """Mean squared difference of VGG19 features: how alike photos look.

    The network is built at the first use, stays frozen, and is never part of
    a saved model. Features are those of [0, 255] RGB through VGG19's own
    preprocessing, after the activation, scaled by 1 / 12.75 so that the loss
    is of the size of a pixel loss. (The reference experiment fed [-1, 1]
    straight in, so its logged losses are on another scale.)

    Args:
        layer: String. A convolution of VGG19, `"block1_conv1"` to
            `"block5_conv4"`. Defaults to `"block5_conv4"`, the paper's VGG54.
        weights: `"imagenet"` (downloaded once, then cached), the path of a
            weights file of `keras.applications.VGG19(include_top=False)`, or
            `None` for random weights. Defaults to `"imagenet"`.
        vgg_dtype: Dtype policy (or its name) the network computes in.
            Defaults to the global policy. The loss itself is float32.

    Call arguments:
        y_true, y_pred: HR and generated images, `(batch, height, width, 3)`,
            RGB in [0, 255].

    Raises:
        ValueError: if `layer` is unknown.
        FileNotFoundError: if there is no file at `weights`, or `"imagenet"`
            is neither cached nor downloadable.

    Example:

    ```python
    import numpy as np
    from keras_srgan import VGGContentLoss

    loss = VGGContentLoss(layer="block2_conv2", weights=None)
    photos = np.random.uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    loss(photos, photos)  # 0.0
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), equation 5 and section
    3.2, https://arxiv.org/abs/1609.04802
    """

    def __init__(
        self,
        layer="block5_conv4",
        weights="imagenet",
        vgg_dtype=None,
        name="vgg_content_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if layer not in VGG19_CONV_LAYERS:
            raise ValueError(
                f"`layer` must be one of {', '.join(VGG19_CONV_LAYERS)}. "
                f"Received: layer={layer!r}"
            )
        if weights not in ("imagenet", None):
            weights = os.fspath(weights)
            if not weights.endswith(".h5"):
                raise ValueError(
                    "`weights` must be 'imagenet', None, or the path of a "
                    f"Keras .h5 weights file. Received: weights={weights!r}"
                )
        self.layer = layer
        self.weights = weights
        self.vgg_dtype = keras.dtype_policies.get(
            vgg_dtype or keras.config.dtype_policy()
        )
        self.variables = []
        self._features = None

    def build(self) -> None:
        """Create the network and load its weights, unless that is done.

        Fitting does this beforehand: variables cannot be created in a
        compiled step.
        """
        if self._features is not None:
            return
        vgg = self._build_vgg()
        network = keras.Model(vgg.input, vgg.get_layer(self.layer).output)
        weights = network.get_weights()
        network = keras.models.clone_model(
            network, clone_function=_with_fast_convolutions
        )
        network.set_weights(weights)
        network.trainable = False
        for layer in network.layers:
            layer.dtype_policy = self.vgg_dtype
        self.variables = network.variables
        # A bare function hides the network from Keras' saving, which would
        # else store its 80 MB in each model file.
        self._features = lambda images: network(images, training=False)

    def call(self, y_true, y_pred):
        self.build()
        target = ops.stop_gradient(self.features(y_true))
        return ops.mean(ops.square(target - self.features(y_pred)), axis=-1)

    def features(self, images):
        """Return the scaled features of images, `(batch, h, w, channels)`.

        Args:
            images: Tensor `(batch, height, width, 3)`, RGB in [0, 255].
        """
        self.build()
        images = keras.applications.vgg19.preprocess_input(
            ops.cast(images, "float32"), data_format="channels_last"
        )
        return ops.cast(self._features(images), "float32") / 12.75

    def _build_vgg(self):
        weights = self.weights
        if weights not in ("imagenet", None) and not os.path.isfile(weights):
            raise FileNotFoundError(
                "There is no file at the `weights` of VGGContentLoss. "
                f"Received: weights={weights!r}"
            )
        try:
            return keras.applications.VGG19(include_top=False, weights=weights)
        except Exception as error:
            if weights != "imagenet":
                raise
            home = os.environ.get("KERAS_HOME", "~/.keras")
            folder = os.path.join(os.path.expanduser(home), "models")
            raise FileNotFoundError(
                "The ImageNet weights of VGG19 could not be downloaded "
                f"({error}). Fetch {VGG19_WEIGHTS} on another machine and put "
                f"it into {folder}; or give the path of a weights file, "
                "VGGContentLoss(weights=...); or train with "
                'compile(content_loss="mse").'
            ) from error

    def get_config(self):
        return {
            **super().get_config(),
            "layer": self.layer,
            "weights": self.weights,
            "vgg_dtype": keras.dtype_policies.serialize(self.vgg_dtype),
        }


def _with_fast_convolutions(layer):
    if not isinstance(layer, keras.layers.Conv2D):
        return layer.__class__.from_config(layer.get_config())
    return Conv2D.from_config(layer.get_config())


def adversarial_loss(fake_logits):
    """How well the discriminator sees through generated images.

    The sigmoid cross-entropy of its logits against "real": what the generator
    lowers.

    Args:
        fake_logits: Tensor of any shape, logits of generated images.

    Returns:
        A scalar tensor, at least 0.

    Reference: Ledig et al. (2017), equation 6,
    https://arxiv.org/abs/1609.04802
    """
    return ops.mean(ops.softplus(-fake_logits))


def discriminator_loss(real_logits, fake_logits):
    """How often the discriminator is wrong.

    The sigmoid cross-entropy of its logits of HR photos against "real", plus
    that of generated images against "fake". Knowing nothing costs 2 log 2.

    Args:
        real_logits: Tensor of any shape, logits of HR photos.
        fake_logits: Tensor of any shape, logits of generated images.

    Returns:
        A scalar tensor, at least 0.

    Reference: Ledig et al. (2017), equation 2,
    https://arxiv.org/abs/1609.04802
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(
        ops.softplus(fake_logits)
    )
