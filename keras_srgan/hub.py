"""The generator as a backbone of keras-hub: presets in folders and on hubs."""

import keras

from keras_srgan.export import export
from keras_srgan.generator import Generator

try:
    import keras_hub
except ImportError as error:
    raise ImportError(
        "`keras_srgan.hub` needs keras-hub: `pip install keras-srgan[hub]`"
    ) from error


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGANBackbone(keras_hub.models.Backbone):
    """A `Generator` that keras-hub saves, shares and loads.

    It takes and gives plain RGB, as the generator does, so it enlarges photos
    as it is: give it to `upscale`.

    Args:
        dtype: Dtype policy (or its name). Other than in a `Generator`, all
            layers have it, the output too. Defaults to the global policy.
        **kwargs: Those of `Generator`.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, scale * height, scale * width, 3)`, RGB in [0, 255].

    Example:

    ```python
    from keras_srgan import Generator, upscale
    from keras_srgan.hub import SRGANBackbone

    backbone = SRGANBackbone.from_generator(Generator(num_blocks=5))
    backbone.save_to_preset("srgan_preset")

    backbone = SRGANBackbone.from_preset("srgan_preset", dtype="bfloat16")
    upscale(backbone, "photo.jpg").save("large.png")
    ```

    `from_preset` takes `"hf://user/model"`, `"kaggle://user/model/keras/x4"`
    and all else that keras-hub does.
    """

    def __init__(self, dtype=None, **kwargs):
        name, trainable = (
            kwargs.pop("name", None),
            kwargs.pop("trainable", True),
        )
        generator = Generator(dtype=dtype, **kwargs)
        # keras-hub asks for one policy throughout; the generator's own first
        # and last layers are float32.
        for layer in generator.layers:
            layer.dtype_policy = generator.dtype_policy
        super().__init__(
            inputs=generator.input,
            outputs=generator.output,
            dtype=generator.dtype_policy,
            name=name,
            trainable=trainable,
        )
        self._architecture = {
            key: value
            for key, value in generator.get_config().items()
            if key not in ("name", "trainable", "dtype")
        }
        self.scale = generator.scale

    @classmethod
    def from_generator(cls, generator: Generator) -> "SRGANBackbone":
        """Return a backbone with the architecture and weights of a generator.

        Args:
            generator: A `Generator`.
        """
        config = generator.get_config()
        backbone = cls.from_config({**config, "name": None})
        backbone.set_weights(generator.get_weights())
        return backbone

    def to_generator(self) -> Generator:
        """Return a generator with its weights, which needs no keras-hub."""
        generator = Generator(**self._architecture, dtype=self.dtype_policy)
        generator.set_weights(self.get_weights())
        return generator

    def export(self, filepath, format=None, *, dtype="float32"):
        """Write it for another runtime: see `Generator.export`."""
        export(self, filepath, format, dtype=dtype)

    def get_config(self):
        return {**super().get_config(), **self._architecture}


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGANImageConverter(keras_hub.layers.ImageConverter):
    """What makes photos into input of a `SRGANBackbone`: nothing, by default.

    Args:
        **kwargs: Those of `keras_hub.layers.ImageConverter`; `image_size` to
            resize all photos to one size, so that they make a batch.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub import SRGANImageConverter

    photos = np.zeros((2, 32, 48, 3), "uint8")
    SRGANImageConverter(image_size=(24, 24))(photos).shape  # (2, 24, 24, 3)
    ```
    """

    backbone_cls = SRGANBackbone
