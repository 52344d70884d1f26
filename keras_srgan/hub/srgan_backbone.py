import warnings

import keras
from keras import layers
from keras_hub.src.models.backbone import Backbone
from keras_hub.src.utils.keras_utils import standardize_data_format

from keras_srgan.checks import check_integer
from keras_srgan.generator import Generator
from keras_srgan.hub.srgan_layers import ChannelPReLU


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGANBackbone(Backbone):
    """The trunk of the SRGAN generator (SRResNet): image features.

    Residual blocks at the size of the input, without the upsampling layers.
    `SRGANImageUpscaler` adds those.

    Args:
        num_blocks: Integer, at least 0. Number of residual blocks. Defaults
            to `16`.
        num_filters: Integer. Number of channels of each convolution. Defaults
            to `64`.
        use_batch_norm: Boolean. Whether batch normalization follows the
            convolutions of the residual blocks and the last one, as in the
            paper. Defaults to `False`.
        use_bias: Boolean. Whether the convolutions of the residual blocks
            have biases. Defaults to `False`.
        use_end_prelu: Boolean. Whether a PReLU follows the last convolution.
            Defaults to `False`, as in the paper.
        data_format: String, `"channels_last"` or `"channels_first"`. The
            order of the axes of inputs and outputs. The weights do not depend
            on it. Defaults to the global image data format.
        dtype: Dtype policy (or its name) of the layers. Defaults to the
            global policy.

    Input shape:
        `(batch, height, width, 3)`, or `(batch, 3, height, width)` with
        `"channels_first"`: RGB in [-1, 1], as `SRGANImageConverter` returns.

    Output shape:
        `(batch, height, width, num_filters)`, or
        `(batch, num_filters, height, width)` with `"channels_first"`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub import SRGANBackbone

    # Pretrained.
    backbone = SRGANBackbone.from_preset("srgan_x4")
    backbone.predict(np.zeros((1, 24, 32, 3)))  # (1, 24, 32, 64)

    # With random weights.
    backbone = SRGANBackbone(num_blocks=5, num_filters=32)
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), section 2.1 and figure 4,
    https://arxiv.org/abs/1609.04802
    """

    def __init__(
        self,
        num_blocks=16,
        num_filters=64,
        use_batch_norm=False,
        use_bias=False,
        use_end_prelu=False,
        data_format=None,
        dtype=None,
        **kwargs,
    ):
        check_integer(0, num_blocks=num_blocks)
        check_integer(1, num_filters=num_filters)
        data_format = standardize_data_format(data_format)

        # === Layers ===
        def conv(kernel_size, name, use_bias=True):
            return layers.Conv2D(
                num_filters,
                kernel_size,
                padding="same",
                use_bias=use_bias,
                data_format=data_format,
                dtype=dtype,
                name=name,
            )

        def norm(name):
            axis = -1 if data_format == "channels_last" else 1
            return layers.BatchNormalization(axis=axis, dtype=dtype, name=name)

        def prelu(name):
            return ChannelPReLU(data_format, dtype=dtype, name=name)

        # === Functional Model ===
        channels_last = data_format == "channels_last"
        inputs = keras.Input(
            (None, None, 3) if channels_last else (3, None, None),
            name="images",
        )
        x = conv(9, "start_conv")(inputs)
        start = x = prelu("start_prelu")(x)
        for i in range(num_blocks):
            block = x
            x = conv(3, f"block_{i}_conv_1", use_bias)(x)
            if use_batch_norm:
                x = norm(f"block_{i}_norm_1")(x)
            x = prelu(f"block_{i}_prelu")(x)
            x = conv(3, f"block_{i}_conv_2", use_bias)(x)
            if use_batch_norm:
                x = norm(f"block_{i}_norm_2")(x)
            x = layers.Add(dtype=dtype, name=f"block_{i}_skip")([block, x])
        x = conv(3, "end_conv")(x)
        if use_batch_norm:
            x = norm("end_norm")(x)
        if use_end_prelu:
            x = prelu("end_prelu")(x)
        outputs = layers.Add(dtype=dtype, name="long_skip")([x, start])
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

        # === Config ===
        self.num_blocks = num_blocks
        self.num_filters = num_filters
        self.use_batch_norm = use_batch_norm
        self.use_bias = use_bias
        self.use_end_prelu = use_end_prelu
        self.data_format = data_format

    def get_config(self):
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "num_filters": self.num_filters,
            "use_batch_norm": self.use_batch_norm,
            "use_bias": self.use_bias,
            "use_end_prelu": self.use_end_prelu,
        }

    @classmethod
    def from_config(cls, config):
        if "scale" in config:  # a whole generator, saved by version 0.1
            warnings.warn(
                "A saved SRGANBackbone of version 0.1 is deprecated; it loads "
                "as a `Generator`. Save it as one.",
                DeprecationWarning,
                stacklevel=2,
            )
            return Generator.from_config(config)
        return super().from_config(config)
