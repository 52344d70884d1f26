import keras
from keras import layers

from keras_srgan.generator import OUTPUT_ACTIVATIONS
from keras_srgan.generator import Generator
from keras_srgan.hub.image_upscaler import ImageUpscaler
from keras_srgan.hub.srgan_backbone import SRGANBackbone
from keras_srgan.hub.srgan_image_upscaler_preprocessor import (
    SRGANImageUpscalerPreprocessor,
)
from keras_srgan.hub.srgan_layers import ChannelPReLU
from keras_srgan.hub.srgan_layers import RGBLevels
from keras_srgan.hub.srgan_layers import SubPixelShuffle
from keras_srgan.initializers import ICNR
from keras_srgan.preset_layout import from_hub_config
from keras_srgan.preset_layout import to_hub_config


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGANImageUpscaler(ImageUpscaler):
    """The SRGAN generator: an `SRGANBackbone` and its upsampling layers.

    `fit()` trains the PSNR-oriented first stage. For adversarial training,
    convert the model with `to_generator()` and train an `SRGAN`.

    Args:
        backbone: An `SRGANBackbone`.
        upscale_factor: Integer, 2, 4 or 8. Defaults to `4`.
        upsampling: String, the layers after the backbone:
            `"pixel_shuffle"` or `"pixel_shuffle_direct"`, see
            `keras_srgan.Generator`. Defaults to `"pixel_shuffle"`.
        output_activation: String, see `keras_srgan.Generator`. Defaults to
            `None`: `"tanh"`, or `"linear"` with `"pixel_shuffle_direct"`.
        output_offset: Float, or three floats for red, green and blue: the
            level in [0, 255] of an output of zero. Defaults to `127.5`.
        preprocessor: An `SRGANImageUpscalerPreprocessor`, or `None` if inputs
            are preprocessed already. Defaults to `None`.

    Input shape: that of the backbone; `predict`, `fit` and `evaluate`
        preprocess RGB photos in [0, 255].

    Output shape:
        The input shape with height and width `upscale_factor` times as large,
        RGB in [0, 255], float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN
    from keras_srgan.hub import SRGANImageUpscaler

    upscaler = SRGANImageUpscaler.from_preset("srgan_x4")
    photos = np.random.randint(0, 256, (2, 24, 32, 3), "uint8")
    upscaler.predict(photos)  # (2, 96, 128, 3)

    srgan = SRGAN(upscaler.to_generator())
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017),
    https://arxiv.org/abs/1609.04802
    """

    backbone_cls = SRGANBackbone
    preprocessor_cls = SRGANImageUpscalerPreprocessor

    def __init__(
        self,
        backbone,
        upscale_factor=4,
        upsampling="pixel_shuffle",
        output_activation=None,
        output_offset=127.5,
        preprocessor=None,
        **kwargs,
    ):
        if upscale_factor not in (2, 4, 8):
            raise ValueError(
                "`upscale_factor` must be 2, 4 or 8. "
                f"Received: upscale_factor={upscale_factor!r}"
            )
        if upsampling not in OUTPUT_ACTIVATIONS:
            raise ValueError(
                f"`upsampling` must be one of {list(OUTPUT_ACTIVATIONS)}. "
                f"Received: upsampling={upsampling!r}"
            )
        allowed = OUTPUT_ACTIVATIONS[upsampling]
        output_activation = output_activation or allowed[0]
        if output_activation not in allowed:
            raise ValueError(
                f"`output_activation` must be one of {allowed} with "
                f"`upsampling={upsampling!r}`. "
                f"Received: output_activation={output_activation!r}"
            )
        factor = getattr(preprocessor, "upscale_factor", upscale_factor)
        if factor != upscale_factor:
            raise ValueError(
                "`preprocessor` must have the `upscale_factor` of the model, "
                f"{upscale_factor}. Received: {factor}"
            )
        data_format = backbone.data_format
        policy = backbone.dtype_policy

        # === Layers ===
        # Layers are not attributes: Keras would name their weights after
        # those instead of their order.
        self.backbone = backbone
        self.preprocessor = preprocessor

        def conv(filters, kernel_size, name, initializer="glorot_uniform"):
            return layers.Conv2D(
                filters,
                kernel_size,
                padding="same",
                kernel_initializer=initializer,
                data_format=data_format,
                dtype=policy,
                name=name,
            )

        # === Functional Model ===
        inputs = self.backbone.input
        x = self.backbone(inputs)
        if upsampling == "pixel_shuffle_direct":
            x = conv(3 * upscale_factor**2, 3, "rgb_conv", "zeros")(x)
            x = SubPixelShuffle(
                upscale_factor, data_format, dtype="float32", name="rgb_shuffle"
            )(x)
            photo = layers.UpSampling2D(
                upscale_factor,
                data_format=data_format,
                dtype="float32",
                name="photo_repeated",
            )(inputs)
            x = layers.Add(dtype="float32", name="photo_skip")([x, photo])
        else:
            for i in range(upscale_factor.bit_length() - 1):
                x = conv(
                    4 * backbone.num_filters,
                    3,
                    f"upscale_{i}_conv",
                    ICNR(block_size=2),
                )(x)
                x = SubPixelShuffle(
                    2, data_format, dtype=policy, name=f"upscale_{i}_shuffle"
                )(x)
                x = ChannelPReLU(
                    data_format, dtype=policy, name=f"upscale_{i}_prelu"
                )(x)
            x = conv(3, 9, "rgb_conv")(x)
            x = layers.Activation(
                output_activation, dtype="float32", name="rgb_activation"
            )(x)
        outputs = RGBLevels(
            output_offset, data_format, dtype="float32", name="rgb_levels"
        )(x)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.upscale_factor = upscale_factor
        self.upsampling = upsampling
        self.output_activation = output_activation
        self.output_offset = output_offset

    @property
    def scale(self) -> int:
        """The upscaling factor, by the name that `Generator` has for it."""
        return self.upscale_factor

    @classmethod
    def from_generator(cls, generator: Generator) -> "SRGANImageUpscaler":
        """Returns a task with the architecture and weights of a generator.

        Args:
            generator: A `Generator`.

        Example:

        ```python
        from keras_srgan import Generator
        from keras_srgan.hub import SRGANImageUpscaler

        upscaler = SRGANImageUpscaler.from_generator(Generator(num_blocks=5))
        upscaler.save_to_preset("my_preset")
        ```
        """
        config = generator.get_config()
        _, task = to_hub_config(config)
        task["config"]["backbone"]["config"]["dtype"] = config["dtype"]
        task = cls.from_config(task["config"])
        _copy_weights(generator, task)
        return task

    def to_generator(self) -> Generator:
        """Returns a `Generator` with these weights, which needs no keras-hub.

        Raises:
            ValueError: if there is no preprocessor with an image converter,
                whose levels a generator needs.
        """
        if getattr(self.preprocessor, "image_converter", None) is None:
            raise ValueError(
                "`to_generator()` needs the image converter of the "
                f"preprocessor. Received: preprocessor={self.preprocessor!r}"
            )
        generator = Generator(
            **from_hub_config({"config": self.get_config()}),
            dtype=self.backbone.dtype_policy,
        )
        _copy_weights(self, generator)
        return generator

    def get_config(self):
        return {
            **super().get_config(),
            "upsampling": self.upsampling,
            "output_activation": self.output_activation,
            "output_offset": self.output_offset,
        }


def _copy_weights(source, target):
    # Both have the same layers in the same order; the slopes of a PReLU have
    # another shape.
    target.set_weights(
        [
            array.reshape(weight.shape)
            for array, weight in zip(
                source.get_weights(), target.weights, strict=True
            )
        ]
    )
