import inspect
import math
import os
import pathlib

import keras

from keras_srgan.augmentation import Augmentation
from keras_srgan.data import ImageFolder
from keras_srgan.dataset import EpochDataset
from keras_srgan.dataset import ShortEpochs
from keras_srgan.degradations import Degradation
from keras_srgan.degradations import DegradationChain
from keras_srgan.degradations import PhotoDegradation
from keras_srgan.degradations import parse_degradation
from keras_srgan.discriminator import Discriminator
from keras_srgan.discriminator import UNetDiscriminator
from keras_srgan.evaluation import Row
from keras_srgan.evaluation import evaluate_images
from keras_srgan.generator import Generator
from keras_srgan.loading import load_generator
from keras_srgan.losses import VGGContentLoss
from keras_srgan.metrics import PSNR
from keras_srgan.metrics import SSIM
from keras_srgan.muon import Muon
from keras_srgan.pairs import PairFolder
from keras_srgan.pairs import match_pairs
from keras_srgan.photo_files import find_photos
from keras_srgan.schedules import WarmupStableDecay
from keras_srgan.settings import Settings
from keras_srgan.srgan import SRGAN

DISCRIMINATORS = {"patch": Discriminator, "unet": UNetDiscriminator}
OPTIMIZERS = {"adam": keras.optimizers.Adam, "muon": Muon}

# === Networks ===


def load_start(start: str | None) -> keras.Model | None:
    """Returns the model to start from.

    Args:
        start: Preset, or path of a `.keras` file of an `SRGAN` or a
            generator.

    Returns:
        An `SRGAN` if its discriminator has been trained, else a generator;
        `None` without a start.

    Raises:
        ValueError: if the preset does not exist or is another model.
        OSError: if the file is missing or damaged.
    """
    if not start:
        return None
    generator = load_generator(start)
    if os.path.isfile(start):
        model = keras.saving.load_model(start)
        if isinstance(model, SRGAN) and model.adversarial_weight:
            return model
    return generator


def load_networks(path: pathlib.Path) -> tuple:
    """Returns the generator and the discriminator in a file.

    Each is `None` if the file does not have it or does not exist.
    """
    if not path.exists():
        return None, None
    model = keras.saving.load_model(path, compile=False)
    if isinstance(model, SRGAN):
        return model.generator, model.discriminator
    return model, None


def make_srgan(
    settings: Settings, start: pathlib.Path, measured: dict | None = None
) -> tuple[SRGAN, bool]:
    """Returns an `SRGAN` as configured, not compiled.

    Args:
        settings: `Settings`.
        start: Path of the file with the model to start from; it may be
            missing.
        measured: As for `make_degradation`.

    Returns:
        A tuple: the `SRGAN`, and whether a new discriminator is to train
        against a trained generator.
    """
    keras.utils.set_random_seed(settings.seed)
    generator, discriminator = load_networks(start)
    is_new = generator is not None and settings.adversarial_weight > 0
    if generator is None:
        generator = _make(
            Generator, "generator", settings.generator, settings.precision
        )
    else:
        generator = _with_precision(generator, "generator", settings.precision)
    if discriminator is None or settings.discriminator:
        discriminator = _make_discriminator(settings)
    else:
        discriminator = _with_precision(
            discriminator, "discriminator", settings.precision
        )
        is_new = False
    augmentation = _make(Augmentation, "augmentation", settings.augmentation)
    srgan = SRGAN(
        generator,
        discriminator,
        augmentation,
        make_degradation(settings, generator.scale, measured),
        compile=False,
        name="srgan",
    )
    return srgan, is_new


def make_degradation(
    settings: Settings, scale: int, measured: dict | None = None
) -> keras.Layer:
    """Returns the layer that makes LR images of HR photos.

    Args:
        settings: `Settings`.
        scale: Integer. The downscaling factor per side.
        measured: Dict of the arguments of `PhotoDegradation` that were
            measured when the run was created. Defaults to `None`: as
            configured.

    Raises:
        ValueError: if the degradation is unknown.
    """
    name = settings.degradation
    if name == "clean":
        return Degradation(scale, name="degradation")
    if measured is not None or name == "photos":
        arguments = measured or {}
    elif isinstance(name, dict):
        arguments = name
    else:
        try:
            steps = parse_degradation(name, seed=None)
        except ValueError as error:
            raise ValueError(
                "`degradation` must be 'clean', 'photos' or a folder of "
                f"photos, or name steps: {error}"
            ) from error
        return DegradationChain(
            [Degradation(scale, name="bicubic"), *steps.degradations],
            name="degradation",
        )
    return _make(PhotoDegradation, "degradation", {"scale": scale, **arguments})


def _make_discriminator(settings):
    arguments = dict(settings.discriminator)
    kind = arguments.pop("type", "patch")
    if kind not in DISCRIMINATORS:
        raise ValueError(
            f"The type of `discriminator` must be one of "
            f"{', '.join(DISCRIMINATORS)}. "
            f"Received: discriminator={settings.discriminator!r}"
        )
    return _make(
        DISCRIMINATORS[kind], "discriminator", arguments, settings.precision
    )


def _make(layer, name, arguments, dtype="float32"):
    """Returns a network or layer; an error names the setting."""
    try:
        known = inspect.signature(layer).parameters
        unknown = [key for key in arguments if key not in known]
        if unknown:
            # Keras silently ignores some arguments.
            raise TypeError(f"{', '.join(unknown)} is unknown")
        # Keras would number the names, so that files would differ.
        return layer(**{"dtype": dtype, "name": name, **arguments})
    except TypeError as error:
        raise ValueError(
            f"`{name}` must be arguments of `{layer.__name__}`: {error}. "
            f"Received: {name}={arguments!r}"
        ) from error


def _with_precision(network, name, precision):
    twin = type(network).from_config(
        {**network.get_config(), "dtype": precision, "name": name}
    )
    twin.set_weights(network.get_weights())
    return twin


# === Optimizers and losses ===


def compile_srgan(
    srgan: SRGAN,
    settings: Settings,
    delay_steps: int = 0,
    decay: tuple[int, int] | None = None,
) -> None:
    """Compiles an `SRGAN` as configured.

    Args:
        srgan: `SRGAN`.
        settings: `Settings`.
        delay_steps: Integer. First steps in which only the discriminator
            trains. Defaults to `0`.
        decay: The epochs between which the learning rates decay to zero.
            Defaults to `None`: they stay constant.
    """
    schedule = {"warmup_steps": settings.warmup_steps}
    if decay:
        first, last = decay
        schedule["decay_start"] = first * settings.steps_per_epoch
        schedule["decay_steps"] = (last - first) * settings.steps_per_epoch
    srgan.compile(
        OPTIMIZERS[settings.optimizer](
            WarmupStableDecay(
                settings.learning_rate, delay_steps=delay_steps, **schedule
            ),
            use_ema=settings.average > 0,
            ema_momentum=settings.average,
            name=f"generator_{settings.optimizer}",
        ),
        keras.optimizers.Adam(
            WarmupStableDecay(settings.discriminator_learning_rate, **schedule),
            name="discriminator_adam",
        ),
        content_loss=_make_content_loss(settings),
        adversarial_weight=settings.adversarial_weight,
        adversarial_loss=settings.adversarial_loss,
        pixel_weight=settings.pixel_weight,
        pixel_loss=settings.pixel_loss,
        grid_weight=settings.grid_weight,
        spectrum_weight=settings.spectrum_weight,
        metrics=[PSNR(shave=srgan.scale), SSIM(shave=srgan.scale)],
    )


def _make_content_loss(settings):
    if settings.content_loss != "vgg":
        return settings.content_loss
    try:
        return VGGContentLoss(
            **{
                "weights": settings.vgg_weights,
                "vgg_dtype": settings.precision,
                **settings.vgg,
            }
        )
    except TypeError as error:
        raise ValueError(
            f"`vgg` must be arguments of `VGGContentLoss`: {error}. "
            f"Received: vgg={settings.vgg!r}"
        ) from error


# === Photos ===


def find_files(settings: Settings, scale: int) -> tuple[list, list]:
    """Returns the files of LR images, if there are any, and of HR photos."""
    if settings.pairs:
        return match_pairs(*settings.pairs, scale)
    return [], find_photos(settings.photos)


def make_datasets(
    settings: Settings, scale: int
) -> tuple[EpochDataset, EpochDataset]:
    """Returns the photos to train on, in short epochs, and those held out.

    Raises:
        ValueError: if a size is too small for the scale, or no photos are
            left to train on.
    """
    for name in ("crop_size", "test_size"):
        size = getattr(settings, name)
        # SSIM leaves out `scale` border pixels, and has windows of 11.
        if size % scale or size < 2 * scale + 11:
            raise ValueError(
                f"`{name}` must be a multiple of {scale}, the scale, and at "
                f"least {2 * scale + 11}. Received: {name}={size}"
            )
    lr, hr = find_files(settings, scale)
    count = settings.held_out
    if len(hr) <= count:
        raise ValueError(
            "`held_out` must leave photos to train on. "
            f"Received: held_out={count} of {len(hr)} photos"
        )
    # A pass over a few photos has whole batches too.
    crops = math.ceil(4 * settings.batch_size / (len(hr) - count))
    training = {
        "crop_size": settings.crop_size,
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "cache_bytes": settings.cache_bytes,
    }
    held_out = {
        "crop_size": settings.test_size,
        "batch_size": count,
        "shuffle": False,
    }
    if lr:
        train = PairFolder(
            lr[:-count], hr[:-count], scale, crops_per_photo=crops, **training
        )
        test = PairFolder(lr[-count:], hr[-count:], scale, **held_out)
    else:
        shrink = {"max_megapixels": settings.max_megapixels}
        if settings.crop == "random":
            training["crops_per_photo"] = crops
            training["sampling"] = settings.sampling
        train = ImageFolder(
            hr[:-count], crop=settings.crop, **training, **shrink
        )
        test = ImageFolder(hr[-count:], **held_out, **shrink)
    return ShortEpochs(train, settings.steps_per_epoch), test


def measure(settings: Settings, systems: dict, scale: int) -> list[Row]:
    """Measures systems on the held-out photos; see `evaluate_images`."""
    lr, hr = find_files(settings, scale)
    count = settings.held_out
    return evaluate_images(
        systems, hr[-count:], lr[-count:] or None, scale=scale
    )


def check(
    settings: Settings,
    start: keras.Model | None,
    measured: dict | None = None,
) -> None:
    """Raises a `ValueError` if a run could not train with its settings."""
    srgan, _ = make_srgan(settings, pathlib.Path(os.devnull, "none"), measured)
    scale = srgan.scale if start is None else start.scale
    compile_srgan(srgan, settings)
    for dataset in make_datasets(settings, scale):
        dataset[0]
