import keras
from keras import layers
from keras import ops

from keras_srgan.checks import check_integer
from keras_srgan.layers import Conv2D
from keras_srgan.spectral import SpectralConv2D


@keras.saving.register_keras_serializable(package="keras_srgan")
class Discriminator(keras.Model):
    """The SRGAN discriminator: tells real photos from generated ones.

    Eight convolutions, then two dense layers at each position. It judges
    overlapping patches, and photos can have any size.

    Args:
        filters: Integer. Channels of the first convolution; the later ones
            have up to 8 times as many, the first dense layer 16 times.
            Defaults to `64`.
        use_batch_norm: Boolean. Whether batch normalization follows all
            convolutions but the first, as in the paper. Defaults to `False`,
            as in the reference experiment.
        dtype: Dtype policy (or its name) of the layers inside. The output is
            float32 regardless of the policy. Defaults to the global policy.
        spectral_normalization: Boolean. Whether each kernel is divided by its
            spectral norm (see `SpectralConv2D`). Defaults to `False`.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, ceil(height / 16), ceil(width / 16), 1)`, float32: one logit
        per patch, positive if it looks real.

    Raises:
        ValueError: if `filters` is not an integer, at least 1.

    Example:

    ```python
    import numpy as np
    from keras_srgan import Discriminator

    photos = np.random.randint(0, 256, (1, 128, 128, 3), "uint8")
    Discriminator()(photos).shape  # (1, 8, 8, 1)
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), section 2.1 and figure 4,
    https://arxiv.org/abs/1609.04802. The paper's dense layers see the whole
    photo; these see one position, as in the reference experiment.
    """

    def __init__(
        self,
        filters=64,
        use_batch_norm=False,
        dtype=None,
        *,
        spectral_normalization=False,
        **kwargs,
    ):
        check_integer(1, filters=filters)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Layers ===
        if spectral_normalization:
            Conv, Dense = SpectralConv2D, _spectral_dense
        else:
            Conv, Dense = Conv2D, layers.Dense
        inputs = keras.Input((None, None, 3), dtype="float32", name="photo")
        x = layers.Rescaling(1 / 127.5, offset=-1, dtype="float32")(inputs)
        for i in range(8):
            x = Conv(
                filters * 2 ** (i // 2),
                3,
                strides=1 + i % 2,
                dtype=policy,
                name=f"conv_{i}",
            )(x)
            if use_batch_norm and i > 0:
                x = layers.BatchNormalization(dtype=policy, name=f"norm_{i}")(x)
            x = layers.LeakyReLU(0.2, dtype=policy, name=f"relu_{i}")(x)
        x = Dense(16 * filters, dtype=policy, name="dense")(x)
        x = layers.LeakyReLU(0.2, dtype=policy, name="dense_relu")(x)
        outputs = Dense(1, dtype="float32", name="logit")(x)

        # === Functional Model ===
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dtype_policy = policy
        self.filters = filters
        self.use_batch_norm = use_batch_norm
        self.spectral_normalization = spectral_normalization

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "filters": self.filters,
            "use_batch_norm": self.use_batch_norm,
            "spectral_normalization": self.spectral_normalization,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_srgan")
class UNetDiscriminator(keras.Model):
    """The U-Net discriminator of Real-ESRGAN: one logit per pixel.

    Three convolutions halve the photo, three enlarge it again, and skip
    connections add the features of equal size. All convolutions but the first
    and the last have spectral normalization and no bias.

    Args:
        filters: Integer. Channels at full size; there are up to 8 times as
            many at an eighth of it. Defaults to `64`.
        dtype: Dtype policy (or its name) of the layers inside. The output is
            float32 regardless of the policy. Defaults to the global policy.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, height, width, 1)`, float32: one logit per pixel, positive if
        it looks real.

    Raises:
        ValueError: if `filters` is not an integer, at least 1.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, UNetDiscriminator

    photos = np.random.randint(0, 256, (1, 64, 64, 3), "uint8")
    UNetDiscriminator(filters=8)(photos).shape  # (1, 64, 64, 1)
    srgan = SRGAN(discriminator=UNetDiscriminator())
    ```

    Reference: Wang et al., "Real-ESRGAN: Training Real-World Blind
    Super-Resolution with Pure Synthetic Data" (2021), section 3.4 and figure
    6, https://arxiv.org/abs/2107.10833. Its input is in [0, 1]; here it is
    scaled to [-1, 1], as in `Discriminator`.
    """

    def __init__(self, filters=64, dtype=None, **kwargs):
        check_integer(1, filters=filters)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        def conv(x, name, filters, size=3, strides=1):
            x = SpectralConv2D(
                filters,
                size,
                strides=strides,
                use_bias=False,
                dtype=policy,
                name=f"{name}_conv",
            )(x)
            return layers.LeakyReLU(0.2, dtype=policy, name=f"{name}_relu")(x)

        # === Layers ===
        inputs = keras.Input((None, None, 3), dtype="float32", name="photo")
        x = layers.Rescaling(1 / 127.5, offset=-1, dtype="float32")(inputs)
        x = Conv2D(filters, 3, dtype=policy, name="start_conv")(x)
        x = layers.LeakyReLU(0.2, dtype=policy, name="start_relu")(x)
        skips = []
        for i in range(3):
            skips.append(x)
            x = conv(x, f"down_{i}", filters * 2 ** (i + 1), size=4, strides=2)
        for i in reversed(range(3)):
            x = BilinearDoubling(dtype=policy, name=f"up_{i}")([x, skips[i]])
            x = conv(x, f"up_{i}", filters * 2**i)
            x = layers.Add(dtype=policy, name=f"skip_{i}")([x, skips[i]])
        for i in range(2):
            x = conv(x, f"end_{i}", filters)
        outputs = Conv2D(1, 3, dtype="float32", name="logit")(x)

        # === Functional Model ===
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dtype_policy = policy
        self.filters = filters

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "filters": self.filters,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_srgan")
class BilinearDoubling(layers.Layer):
    """Doubles height and width, and crops to the size of a second input.

    An odd size is rounded up when it is halved, so the doubled features can
    have one row or column too many.

    Call arguments:
        inputs: Pair of tensors, `(batch, height, width, channels)` and the
            tensor whose height and width the output gets.

    Example:

    ```python
    import numpy as np
    from keras_srgan.discriminator import BilinearDoubling

    small, large = np.zeros((1, 4, 4, 8)), np.zeros((1, 7, 8, 2))
    BilinearDoubling()([small, large]).shape  # (1, 7, 8, 8)
    ```
    """

    def call(self, inputs):
        x, like = inputs
        _, height, width, _ = ops.shape(x)
        x = ops.image.resize(
            x,
            (2 * height, 2 * width),
            interpolation="bilinear",
            data_format="channels_last",
        )
        _, height, width, _ = ops.shape(like)
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), (_, height, width, _) = input_shape
        return batch, height, width, channels


def _spectral_dense(units, **kwargs):
    # The same computation: a dense layer at each position.
    return SpectralConv2D(units, 1, **kwargs)
