import keras
import numpy as np
from keras import layers

from keras_srgan.checks import check_integer
from keras_srgan.export import export
from keras_srgan.initializers import ICNR
from keras_srgan.layers import Conv2D
from keras_srgan.layers import LevelClipping
from keras_srgan.layers import PixelShuffle
from keras_srgan.layers import PReLU
from keras_srgan.layers import ResidualBlock
from keras_srgan.layers import SquaresConv2D
from keras_srgan.preset import read_preset
from keras_srgan.preset import set_weights

# Output activations allowed with each kind of upsampling; the first is the
# default.
OUTPUT_ACTIVATIONS = {
    "pixel_shuffle": ("tanh", "hard_tanh"),
    "pixel_shuffle_direct": ("linear",),
}


@keras.saving.register_keras_serializable(package="keras_srgan")
class Generator(keras.Model):
    """The SRGAN generator (SRResNet), which upscales photos.

    It is fully convolutional and accepts photos of any size. Inputs and
    outputs are RGB in [0, 255]; the layers compute in [-1, 1].

    Args:
        scale: Integer, 2, 4 or 8. Upscaling factor per side. Defaults to `4`.
        num_blocks: Integer, at least 0. Number of residual blocks. Defaults
            to `16`.
        filters: Integer, at least 1. Channels of each convolution. Defaults
            to `64`.
        use_batch_norm: Boolean. Whether the residual blocks and the
            convolution after them use batch normalization, as in the paper.
            Defaults to `False`, as in the reference experiment.
        use_bias: Boolean. Whether the convolutions of the residual blocks
            have biases, as in checkpoints of other projects. Defaults to
            `False`.
        use_end_prelu: Boolean. Whether a PReLU follows the convolution after
            the residual blocks, as in checkpoints of other projects. Defaults
            to `False`, as in the paper.
        input_mean: Float, or three floats for red, green and blue, in
            [0, 255]. The level that maps to zero inside the network, and so
            the level of the zero padding around a photo. Imported PyTorch
            checkpoints need values other than the default. Defaults to
            `127.5`.
        output_activation: String, `"tanh"` or `"hard_tanh"`, a linear output
            clipped to [-1, 1], as in checkpoints of other projects. Must be
            `"linear"` with `upsampling="pixel_shuffle_direct"`. Defaults to
            `None`: `"tanh"` or `"linear"`, depending on `upsampling`.
        dtype: Dtype policy (or its name) of the layers. The output is always
            float32. Defaults to the global policy.
        upsampling: String, the layers after the residual blocks.
            `"pixel_shuffle"` is one sub-pixel convolution per factor of 2,
            then a 9x9 convolution at full size, as in the paper.
            `"pixel_shuffle_direct"` is one 3x3 convolution to
            `3 * scale**2` channels, initialized to zero, and one pixel
            shuffle, added to the nearest-neighbor enlarged input. It takes
            half of the operations and converges in a fraction of the steps.
            Defaults to `"pixel_shuffle"`.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, scale * height, scale * width, 3)`, RGB in [0, 255], float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan import Generator

    generator = Generator(scale=4, num_blocks=5)
    photos = np.random.randint(0, 256, (1, 24, 32, 3), "uint8")
    generator(photos).shape  # (1, 96, 128, 3)

    # A compact network with 0.33 million parameters.
    Generator(filters=32, upsampling="pixel_shuffle_direct")
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), section 2.1 and figure 4,
    https://arxiv.org/abs/1609.04802
    """

    def __init__(
        self,
        scale=4,
        num_blocks=16,
        filters=64,
        use_batch_norm=False,
        use_bias=False,
        use_end_prelu=False,
        input_mean=127.5,
        output_activation=None,
        dtype=None,
        *,
        upsampling="pixel_shuffle",
        **kwargs,
    ):
        if scale not in (2, 4, 8):
            raise ValueError(
                f"`scale` must be 2, 4 or 8. Received: scale={scale!r}"
            )
        check_integer(0, num_blocks=num_blocks)
        check_integer(1, filters=filters)
        mean = np.asarray(input_mean, "float64")
        if mean.shape not in ((), (3,)) or not np.isfinite(mean).all():
            raise ValueError(
                "`input_mean` must be a number or three numbers. "
                f"Received: input_mean={input_mean!r}"
            )
        if upsampling not in OUTPUT_ACTIVATIONS:
            raise ValueError(
                "`upsampling` must be 'pixel_shuffle' or "
                f"'pixel_shuffle_direct'. Received: upsampling={upsampling!r}"
            )
        allowed = OUTPUT_ACTIVATIONS[upsampling]
        output_activation = output_activation or allowed[0]
        if output_activation not in allowed:
            raise ValueError(
                f"`output_activation` must be one of {allowed} with "
                f"`upsampling={upsampling!r}`. "
                f"Received: output_activation={output_activation!r}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Layers ===
        inputs = keras.Input((None, None, 3), dtype="float32", name="lr")
        x = layers.Rescaling(
            1 / 127.5, offset=(-mean / 127.5).tolist(), dtype="float32"
        )(inputs)
        x = Conv2D(filters, 9, dtype=policy, name="start_conv")(x)
        start = x = PReLU(dtype=policy, name="start_prelu")(x)
        for i in range(num_blocks):
            x = ResidualBlock(
                filters,
                use_batch_norm,
                use_bias,
                dtype=policy,
                name=f"block_{i}",
            )(x)
        x = Conv2D(filters, 3, dtype=policy, name="end_conv")(x)
        if use_batch_norm:
            x = layers.BatchNormalization(dtype=policy, name="end_norm")(x)
        if use_end_prelu:
            x = PReLU(dtype=policy, name="end_prelu")(x)
        x = layers.Add(dtype=policy, name="long_skip")([x, start])
        if upsampling == "pixel_shuffle_direct":
            x = Conv2D(
                3 * scale**2,
                3,
                kernel_initializer="zeros",
                dtype=policy,
                name="rgb_conv",
            )(x)
            x = PixelShuffle(scale, dtype="float32", name="rgb_shuffle")(x)
            x = layers.Rescaling(127.5, dtype="float32")(x)
            photo = layers.UpSampling2D(
                scale,
                data_format="channels_last",
                dtype="float32",
                name="photo_repeated",
            )(inputs)
            x = layers.Add(dtype="float32", name="photo_skip")([x, photo])
            outputs = LevelClipping(dtype="float32", name="clipping")(x)
        else:
            for i in range(scale.bit_length() - 1):
                x = Conv2D(
                    4 * filters,
                    3,
                    kernel_initializer=ICNR(block_size=2),
                    dtype=policy,
                    name=f"upscale_{i}_conv",
                )(x)
                x = PixelShuffle(2, dtype=policy, name=f"upscale_{i}_shuffle")(
                    x
                )
                x = PReLU(dtype=policy, name=f"upscale_{i}_prelu")(x)
            x = SquaresConv2D(3, 9, dtype=policy, name="rgb_conv")(x)
            x = layers.Activation(
                output_activation, dtype="float32", name="rgb_activation"
            )(x)
            outputs = layers.Rescaling(127.5, offset=127.5, dtype="float32")(x)

        # === Functional Model ===
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dtype_policy = policy
        self.scale = scale
        self.num_blocks = num_blocks
        self.filters = filters
        self.use_batch_norm = use_batch_norm
        self.use_bias = use_bias
        self.use_end_prelu = use_end_prelu
        self.input_mean = mean.tolist()
        self.output_activation = output_activation
        self.upsampling = upsampling

    @classmethod
    def from_preset(cls, preset, dtype=None):
        """Returns a trained generator.

        keras-hub is not needed.

        Args:
            preset: One of:

                - the name of a preset that ships with the package, see
                  `presets`: for photos `"srgan_x4_base"` (perceptual) or
                  `"srresnet_x4_base"` (highest PSNR);
                - the path of a preset's folder, as
                  `keras_srgan.preset.save_preset` or keras-hub writes it;
                - a handle: `"hf://user/model"` for Hugging Face, or
                  `"kaggle://user/model/keras/variation"` for Kaggle.
            dtype: Dtype policy (or its name) of the layers inside. Weights
                are stored in half precision and loaded in the policy's
                variable dtype. Defaults to the global policy.

        Raises:
            ValueError: if the preset does not exist. The message lists the
                names of those that ship.
            OSError: if a file is missing, fails its SHA-256 check or cannot
                be downloaded.
            ImportError: if a handle needs `huggingface_hub` or `kagglehub`,
                which is not installed.

        Example:

        ```python
        from keras_srgan import Generator, upscale

        generator = Generator.from_preset("srgan_x4_base")
        upscale(generator, "photo.jpg").save("large.png")
        ```
        """
        config, weights = read_preset(preset)
        generator = cls(**config, dtype=dtype)
        set_weights(generator, weights)
        return generator

    def export(
        self,
        filepath,
        format=None,
        verbose=None,
        input_signature=None,
        *,
        dtype="float32",
    ):
        """Exports this generator with uint8 input and output.

        See `keras_srgan.export.export` for details, and docs/export.md for
        the formats that each backend can write.

        Args:
            filepath: Path of the file, or of the folder for a SavedModel.
            format: String, one of `"tf_saved_model"`, `"onnx"`, `"litert"`,
                `"openvino"` and `"torch"`. Defaults to `None`: inferred from
                the suffix, which is empty, `.onnx`, `.tflite`, `.xml` or
                `.pt2`.
            verbose: Boolean. Whether Keras prints a summary. Defaults to
                `None`, as `False`.
            input_signature: List of one spec, to fix the size of photos; see
                `keras_srgan.export.export`. Defaults to `None`.
            dtype: String, `"float32"` or `"float16"`. Defaults to
                `"float32"`.

        Example:

        ```python
        from keras_srgan import Generator

        Generator(num_blocks=5).export("generator.onnx", dtype="float16")
        ```
        """
        export(self, filepath, format, verbose, input_signature, dtype=dtype)

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "scale": self.scale,
            "num_blocks": self.num_blocks,
            "filters": self.filters,
            "use_batch_norm": self.use_batch_norm,
            "use_bias": self.use_bias,
            "use_end_prelu": self.use_end_prelu,
            "input_mean": self.input_mean,
            "output_activation": self.output_activation,
            "upsampling": self.upsampling,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
