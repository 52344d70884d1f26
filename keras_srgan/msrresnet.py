import re

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_srgan.layers import Conv2D
from keras_srgan.layers import LevelClipping
from keras_srgan.layers import PixelShuffle


@keras.saving.register_keras_serializable(package="keras_srgan")
class BilinearUpsampling(layers.Layer):
    """Upscales images by an integer factor, with bilinear interpolation.

    The same as a `keras.layers.UpSampling2D`, which cannot be compiled for
    images of unknown size on TensorFlow.

    Args:
        scale: Integer. The factor by which height and width grow.

    Input shape: `(batch, height, width, channels)`.

    Output shape: `(batch, scale * height, scale * width, channels)`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.msrresnet import BilinearUpsampling

    images = np.zeros((1, 8, 8, 3), "float32")
    BilinearUpsampling(4)(images).shape  # (1, 32, 32, 3)
    ```
    """

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs):
        _, height, width, channels = ops.shape(inputs)
        height, width = self.scale * height, self.scale * width
        x = ops.pad(inputs, [(0, 0), (1, 1), (0, 0), (0, 0)], "symmetric")
        x = self._interpolate(x[:, :-2], x[:, 1:-1], x[:, 2:], axis=2)
        x = ops.reshape(x, (-1, height, width // self.scale, channels))
        x = ops.pad(x, [(0, 0), (0, 0), (1, 1), (0, 0)], "symmetric")
        x = self._interpolate(x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:], axis=3)
        return ops.reshape(x, (-1, height, width, channels))

    def _interpolate(self, before, here, after, axis):
        positions = (np.arange(self.scale) + 0.5) / self.scale - 0.5
        return ops.stack(
            [
                max(-p, 0) * before + (1 - abs(p)) * here + max(p, 0) * after
                for p in positions.tolist()
            ],
            axis=axis,
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            height and height * self.scale,
            width and width * self.scale,
            channels,
        )

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_srgan")
class MSRResNet(keras.Model):
    """The modified SRResNet of BasicSR and mmagic, for their checkpoints.

    It has no batch normalization and no PReLU, no convolution after the
    residual blocks, a 3x3 head of two convolutions, and adds the photo,
    bilinearly upscaled, to the output. To train a network of your own, use
    `Generator`.

    Args:
        scale: Integer, 2, 3 or 4. The upscaling factor per side. Defaults to
            `4`.
        num_blocks: Integer, at least 0. Number of residual blocks. Defaults
            to `16`.
        filters: Integer. Number of channels of each convolution. Defaults to
            `64`.
        use_upsampling_activation: Boolean. Whether a LeakyReLU follows each
            pixel shuffle, as in BasicSR, or nothing, as in mmagic. Defaults
            to `True`.
        dtype: Dtype policy (or its name) of the layers inside. The output is
            float32 under any policy. Defaults to the global policy.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, scale * height, scale * width, 3)`, RGB in [0, 255], float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan.msrresnet import MSRResNet

    photos = np.random.randint(0, 256, (1, 24, 32, 3), "uint8")
    MSRResNet(num_blocks=2)(photos).shape  # (1, 96, 128, 3)
    ```

    Reference: BasicSR (https://github.com/XPixelGroup/BasicSR) and mmagic
    (https://github.com/open-mmlab/mmagic), class `MSRResNet` of each.
    """

    def __init__(
        self,
        scale=4,
        num_blocks=16,
        filters=64,
        use_upsampling_activation=True,
        dtype=None,
        **kwargs,
    ):
        if scale not in (2, 3, 4):
            raise ValueError(
                f"`scale` must be 2, 3 or 4. Received: scale={scale!r}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Layers ===
        def conv(filters, name):
            return Conv2D(filters, 3, dtype=policy, name=name)

        def leaky_relu():
            return layers.LeakyReLU(0.1, dtype=policy)

        inputs = keras.Input((None, None, 3), dtype="float32", name="lr")
        photo = layers.Rescaling(1 / 255, dtype="float32")(inputs)
        x = leaky_relu()(conv(filters, "conv_first")(photo))
        for i in range(num_blocks):
            block = x
            x = conv(filters, f"block_{i}_conv_1")(x)
            x = layers.ReLU(dtype=policy)(x)
            x = conv(filters, f"block_{i}_conv_2")(x)
            x = layers.Add(dtype=policy)([block, x])
        for i, factor in enumerate(_factors(scale)):
            x = conv(factor**2 * filters, f"upscale_{i}_conv")(x)
            x = PixelShuffle(factor, dtype=policy)(x)
            if use_upsampling_activation:
                x = leaky_relu()(x)
        x = leaky_relu()(conv(filters, "conv_hr")(x))
        x = conv(3, "conv_last")(x)
        photo = BilinearUpsampling(scale, dtype="float32")(photo)
        x = layers.Add(dtype="float32")([x, photo])
        x = layers.Rescaling(255, dtype="float32")(x)
        outputs = LevelClipping(dtype="float32")(x)

        # === Functional Model ===
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dtype_policy = policy
        self.scale = scale
        self.num_blocks = num_blocks
        self.filters = filters
        self.use_upsampling_activation = use_upsampling_activation

    @classmethod
    def from_torch_state(cls, state: dict) -> "MSRResNet | None":
        """Returns a network with the weights of a PyTorch state dict.

        Args:
            state: Dict of key to NumPy array. The keys may have any prefix.

        Returns:
            An `MSRResNet`, or `None` if the keys are those of another
            network.

        Raises:
            ValueError: if keys are missing or unexpected, or if a shape
                differs.
        """
        anchors = [key for key in state if key.endswith("conv_first.weight")]
        if not anchors:
            return None
        # A file of mmagic holds the discriminator too.
        prefix = anchors[0].removesuffix("conv_first.weight")
        state = {
            key.removeprefix(prefix): array
            for key, array in state.items()
            if key.startswith(prefix)
        }
        for family in FAMILIES:
            first, second = (
                state.get(f"{family[name]}.weight")
                for name in ("upscale_0", "upscale_1")
            )
            pattern = family["block"].replace("BLOCK", r"(\d+)")
            blocks = {
                match[1] for key in state if (match := re.match(pattern, key))
            }
            if first is not None and blocks:
                break
        else:
            return None
        filters = len(state["conv_first.weight"])
        factor = round((len(first) / filters) ** 0.5)
        network = cls(
            scale=factor if second is None else factor**2,
            num_blocks=len(blocks),
            filters=filters,
            use_upsampling_activation=family is not MMAGIC,
        )
        network._set_torch_weights(state, family)
        return network

    def _set_torch_weights(self, state, family):
        for layer in self.layers:
            if not layer.weights:
                continue
            name = layer.name
            if name.startswith("block_"):
                _, i, part = name.split("_", 2)
                key = family["block"].replace("BLOCK", i)
                key = f"{key}.{part.replace('_', '')}"
            else:
                key = family.get(name.removesuffix("_conv"), name)
            try:
                kernel = state.pop(f"{key}.weight")
                bias = state.pop(f"{key}.bias")
            except KeyError as error:
                raise ValueError(f"Missing: {error.args[0]}.") from None
            if name.startswith("upscale_"):
                # PyTorch's pixel shuffle has another order of channels.
                order = np.arange(len(bias)).reshape(self.filters, -1)
                order = order.T.ravel()
                kernel, bias = kernel[order], bias[order]
            kernel = np.transpose(kernel, (2, 3, 1, 0))
            if kernel.shape != tuple(layer.kernel.shape):
                raise ValueError(
                    f"{key}.weight must be of shape "
                    f"{tuple(layer.kernel.shape)} (height, width, inputs, "
                    f"outputs). Received: {kernel.shape}"
                )
            layer.set_weights([kernel, bias])
        if state:
            raise ValueError(f"Unexpected: {', '.join(sorted(state))}.")

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "scale": self.scale,
            "num_blocks": self.num_blocks,
            "filters": self.filters,
            "use_upsampling_activation": self.use_upsampling_activation,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


# Names of layers to the start of their keys, in each family of checkpoints.
BASICSR = {
    "block": "body.BLOCK",
    "upscale_0": "upconv1",
    "upscale_1": "upconv2",
}
BASICSR_2019 = {
    **BASICSR,
    "block": "recon_trunk.BLOCK",
    "conv_hr": "HRconv",
}
MMAGIC = {
    "block": "trunk_net.BLOCK",
    "upscale_0": "upsample1.upsample_conv",
    "upscale_1": "upsample2.upsample_conv",
}
FAMILIES = (BASICSR, BASICSR_2019, MMAGIC)


def _factors(scale):
    return (2, 2) if scale == 4 else (scale,)
