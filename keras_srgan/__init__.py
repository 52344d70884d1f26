"""SRGAN in Keras 3: 4x photo super-resolution on any backend."""

import contextlib
import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING

from keras_srgan.backend import choose_backend

if TYPE_CHECKING:
    # For editors, type checkers and the API pages.
    from keras_srgan.augmentation import Augmentation
    from keras_srgan.blending import blend_generators
    from keras_srgan.data import ImageFolder
    from keras_srgan.degradations import Degradation
    from keras_srgan.degradations import PhotoDegradation
    from keras_srgan.discriminator import Discriminator
    from keras_srgan.discriminator import UNetDiscriminator
    from keras_srgan.distribution import distribute
    from keras_srgan.generator import Generator
    from keras_srgan.grid import grid_strength
    from keras_srgan.loading import load_generator
    from keras_srgan.losses import GridLoss
    from keras_srgan.losses import PixelLoss
    from keras_srgan.losses import VGGContentLoss
    from keras_srgan.metrics import PSNR
    from keras_srgan.metrics import SSIM
    from keras_srgan.metrics import psnr
    from keras_srgan.metrics import ssim
    from keras_srgan.msrresnet import MSRResNet
    from keras_srgan.muon import Muon
    from keras_srgan.preset import presets
    from keras_srgan.schedules import WarmupStableDecay
    from keras_srgan.spectrum import SpectrumLoss
    from keras_srgan.srgan import SRGAN
    from keras_srgan.upscaling import Upscaler
    from keras_srgan.upscaling import upscale

__version__ = "0.2.0"

# Public name to its module. They are imported at the first use, because the
# command line must start without Keras and choose Keras' backend.
_MODULES = {
    "Augmentation": "augmentation",
    "Degradation": "degradations",
    "Discriminator": "discriminator",
    "Generator": "generator",
    "GridLoss": "losses",
    "ImageFolder": "data",
    "MSRResNet": "msrresnet",
    "Muon": "muon",
    "PSNR": "metrics",
    "PhotoDegradation": "degradations",
    "PixelLoss": "losses",
    "SRGAN": "srgan",
    "SSIM": "metrics",
    "SpectrumLoss": "spectrum",
    "UNetDiscriminator": "discriminator",
    "Upscaler": "upscaling",
    "VGGContentLoss": "losses",
    "WarmupStableDecay": "schedules",
    "blend_generators": "blending",
    "distribute": "distribution",
    "grid_strength": "grid",
    "load_generator": "loading",
    "presets": "preset",
    "psnr": "metrics",
    "ssim": "metrics",
    "upscale": "upscaling",
}
__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _import_all()
    return globals()[name]


def __dir__():
    return [*globals(), *_MODULES]


def _import_all():
    # All modules, so that Keras knows the class of each object in a saved
    # model, whichever name was used first.
    for name, module in _MODULES.items():
        module = importlib.import_module(f"{__name__}.{module}")
        globals()[name] = getattr(module, name)


if "keras" in sys.modules:
    # `keras.saving.load_model` must work after `import keras, keras_srgan`.
    _import_all()
elif importlib.util.find_spec("tensorflow") is None:
    # Keras' default is not installed. Without any backend, the command line
    # can still print its help.
    with contextlib.suppress(ImportError):
        choose_backend()
