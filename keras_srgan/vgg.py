import os

import keras
from keras import KerasTensor
from keras import layers
from keras import ops

from keras_srgan.layers import Conv2D

URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
HASH = "253f8cb515780f3b799900260a226db6"
# Filters and number of convolutions of each block.
BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
LAYERS = tuple(
    f"block{block}_conv{conv}"
    for block, (_, convs) in enumerate(BLOCKS, start=1)
    for conv in range(1, convs + 1)
)


class VGG19Features:
    """Features of photos: outputs of VGG19's convolutions.

    One forward pass returns the features of all requested layers, and stops at
    the last of them. The network is created at the first use, is never
    trained, and is not part of a saved model.

    The weights are those of `keras.applications.VGG19`, which come from the
    original Caffe model: the network sees BGR levels less their mean, with a
    standard deviation of about 57.6.

    Args:
        layers: Sequence of strings, names of VGG19's convolutions from
            `"block1_conv1"` to `"block5_conv4"`.
        weights: `"imagenet"` (downloaded once, then cached), the path of a
            weights file of `keras.applications.VGG19(include_top=False)`, or
            `None` for random weights. Defaults to `"imagenet"`.
        before_activation: Boolean. Whether to return the output of each
            convolution before its ReLU. Defaults to `False`.
        dtype: Dtype policy (or its name) of the network. Defaults to the
            global policy. The returned features are float32.

    Call arguments:
        images: Tensor of shape `(batch, height, width, 3)`, RGB in [0, 255].

    Call returns:
        Dict of layer name to float32 tensor of shape `(batch, height // n,
        width // n, channels)`, with n = 1, 2, 4, 8 or 16 for blocks 1 to 5.

    Raises:
        ValueError: if a layer is unknown or `weights` is not one of the above.
        FileNotFoundError: at the first use, if the weights file is missing,
            or `"imagenet"` is neither cached nor downloadable.

    Example:

    ```python
    import numpy as np
    from keras_srgan.vgg import VGG19Features

    features = VGG19Features(["block1_conv2", "block2_conv2"], weights=None)
    photos = np.random.randint(0, 256, (1, 64, 64, 3), "uint8")
    features(photos)["block2_conv2"].shape  # (1, 32, 32, 128)
    ```

    Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for
    Large-Scale Image Recognition" (2015), https://arxiv.org/abs/1409.1556
    """

    def __init__(
        self, layers, weights="imagenet", before_activation=False, dtype=None
    ):
        unknown = [layer for layer in layers if layer not in LAYERS]
        if unknown or not layers:
            raise ValueError(
                "`layers` must be one or more of "
                f"{', '.join(LAYERS)}. Received: layers={list(layers)}"
            )
        if weights not in ("imagenet", None):
            weights = os.fspath(weights)
            if not weights.endswith(".h5"):
                raise ValueError(
                    "`weights` must be 'imagenet', None, or the path of a "
                    f"Keras .h5 weights file. Received: weights={weights!r}"
                )
        self.layers = tuple(layers)
        self.weights = weights
        self.before_activation = before_activation
        self.dtype_policy = keras.dtype_policies.get(
            dtype or keras.config.dtype_policy()
        )
        self.variables = []
        self._network = None

    def build(self) -> None:
        """Creates the network and loads its weights, unless already done."""
        if self._network is not None:
            return
        file = self._get_file()
        inputs, linear, activated = _build_vgg19(self.dtype_policy)
        if file is not None:
            # A file holds all layers, also those after the last one used.
            keras.Model(inputs, activated[LAYERS[-1]]).load_weights(file)
        outputs = linear if self.before_activation else activated
        self._network = keras.Model(
            inputs, {name: outputs[name] for name in self.layers}
        )
        self._network.trainable = False
        self.variables = self._network.variables

    def __call__(self, images: KerasTensor) -> dict[str, KerasTensor]:
        self.build()
        images = keras.applications.vgg19.preprocess_input(
            ops.cast(images, "float32"), data_format="channels_last"
        )
        features = self._network(images, training=False)
        return {name: ops.cast(x, "float32") for name, x in features.items()}

    def _get_file(self):
        if self.weights is None:
            return None
        if self.weights != "imagenet":
            if not os.path.isfile(self.weights):
                raise FileNotFoundError(
                    "There is no file at `weights`, the VGG19 weights. "
                    f"Received: weights={self.weights!r}"
                )
            return self.weights
        try:
            return keras.utils.get_file(
                os.path.basename(URL),
                URL,
                cache_subdir="models",
                file_hash=HASH,
            )
        except Exception as error:
            home = os.environ.get("KERAS_HOME", "~/.keras")
            folder = os.path.join(os.path.expanduser(home), "models")
            raise FileNotFoundError(
                "The ImageNet weights of VGG19 could not be downloaded "
                f"({error}). Download {URL} on another machine and put it "
                f"into {folder}; or pass the path of a weights file, "
                "VGGContentLoss(weights=...); or train with "
                'compile(content_loss="mse").'
            ) from error


def _build_vgg19(dtype):
    """Returns the input, and each layer's output before and after its ReLU."""
    x = inputs = keras.Input((None, None, 3))
    linear, activated = {}, {}
    for block, (filters, convs) in enumerate(BLOCKS, start=1):
        if block > 1:
            x = layers.MaxPooling2D(
                data_format="channels_last",
                dtype=dtype,
                name=f"block{block - 1}_pool",
            )(x)
        for conv in range(1, convs + 1):
            name = f"block{block}_conv{conv}"
            linear[name] = Conv2D(filters, 3, dtype=dtype, name=name)(x)
            x = layers.ReLU(dtype=dtype, name=f"{name}_relu")(linear[name])
            activated[name] = x
    return inputs, linear, activated


def unit_features(features: KerasTensor) -> KerasTensor:
    """Divides the features of each position by their norm.

    Args:
        features: Tensor `(..., channels)`.

    Returns:
        A tensor of the same shape. Positions without an active unit stay 0.
    """
    squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features * ops.rsqrt(squares + 1e-10)
