import keras
from keras import layers

from keras_srgan.layers import Conv2D


@keras.saving.register_keras_serializable(package="keras_srgan")
class Discriminator(keras.Model):
    """The SRGAN discriminator: tells real photos from generated ones.

    Eight convolutions, then two dense layers at each position, so it judges
    overlapping patches and takes photos of any size.

    Args:
        filters: Integer. Channels of the first convolution; the later ones
            have up to 8 times as many, the first dense layer 16 times.
            Defaults to `64`.
        use_batch_norm: Boolean. Whether all convolutions but the first
            normalize, as in the paper. Defaults to `False`, as in the
            reference experiment.
        dtype: Dtype policy (or its name) of the layers inside. The output is
            float32 whatever it is. Defaults to the global policy.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, ceil(height / 16), ceil(width / 16), 1)`, float32: one logit
        a patch, above 0 where it looks real.

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

    def __init__(self, filters=64, use_batch_norm=False, dtype=None, **kwargs):
        if not isinstance(filters, int) or filters < 1:
            raise ValueError(
                "`filters` must be a positive integer. "
                f"Received: filters={filters!r}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Layers ===
        inputs = keras.Input((None, None, 3), dtype="float32", name="photo")
        x = layers.Rescaling(1 / 127.5, offset=-1, dtype="float32")(inputs)
        for i in range(8):
            x = Conv2D(
                filters * 2 ** (i // 2),
                3,
                strides=1 + i % 2,
                dtype=policy,
                name=f"conv_{i}",
            )(x)
            if use_batch_norm and i > 0:
                x = layers.BatchNormalization(dtype=policy, name=f"norm_{i}")(x)
            x = layers.LeakyReLU(0.2, dtype=policy, name=f"relu_{i}")(x)
        x = layers.Dense(16 * filters, dtype=policy, name="dense")(x)
        x = layers.LeakyReLU(0.2, dtype=policy, name="dense_relu")(x)
        outputs = layers.Dense(1, dtype="float32", name="logit")(x)

        # === Functional Model ===
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dtype_policy = policy
        self.filters = filters
        self.use_batch_norm = use_batch_norm

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "filters": self.filters,
            "use_batch_norm": self.use_batch_norm,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
