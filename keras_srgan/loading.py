import os
import zipfile
from pathlib import Path

import keras

from keras_srgan.checks import get_generator
from keras_srgan.generator import Generator
from keras_srgan.msrresnet import MSRResNet  # noqa: F401  registers it
from keras_srgan.preset import presets


def load_generator(name_or_path: str | os.PathLike) -> keras.Model:
    """Loads a trained generator.

    Nothing is compiled, and no optimizer, discriminator or content network is
    built.

    Args:
        name_or_path: A preset, as for `Generator.from_preset`: a name (see
            `presets`), path of a folder or handle. Or the path of a `.keras`
            file of an `SRGAN`, a `Generator`, an `SRGANImageUpscaler`, an
            `SRGANBackbone` of version 0.1 or another functional generator.

    Returns:
        A `Generator`, or the functional model of the file.

    Raises:
        ValueError: if the preset does not exist (the message lists them), or
            the file holds another kind of model.
        OSError: if the file is missing or damaged, or cannot be downloaded.
        ImportError: if the file holds a model of `keras_srgan.hub` and
            keras-hub is not installed, or a handle needs a package that is not
            installed.

    Example:

    ```python
    from keras_srgan import load_generator, upscale

    generator = load_generator("srgan_x4_base")
    upscale(generator, "photo.jpg").save("large.png")
    ```
    """
    path = Path(name_or_path)
    if path.is_file():
        return get_generator(_load_file(path))
    if path.suffix == ".keras":
        raise FileNotFoundError(
            f"There is no model file {path}. The presets are "
            f"{', '.join(presets())}."
        )
    return Generator.from_preset(name_or_path)


class _GeneratorOnly(keras.Model):
    """Stands in for `SRGAN` while a file is loaded.

    Keras loads only the objects that the file's model references: here, the
    generator.
    """

    def __init__(self, generator):
        super().__init__()
        self.generator = generator
        self.built = True

    def load_own_variables(self, store):
        """Skips the state of SRGAN itself."""

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(
            keras.saving.deserialize_keras_object(
                config["generator"], custom_objects
            )
        )


def _load_file(path):
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json")
    except (KeyError, zipfile.BadZipFile) as error:
        raise OSError(
            f"{path} is not a .keras file, or is damaged: {error}"
        ) from error
    if b"keras_srgan.hub" in config:
        # Registers the classes of its models.
        import keras_srgan.hub  # noqa: F401
    try:
        with keras.saving.custom_object_scope(
            {"keras_srgan>SRGAN": _GeneratorOnly}
        ):
            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises arbitrary exceptions
        raise OSError(f"Cannot load a model from {path}: {error}") from error
