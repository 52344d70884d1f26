import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import tomllib
import typing

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
PIXEL_LOSSES = ("mse", "mae", "charbonnier")
CONTENT_LOSSES = (*PIXEL_LOSSES, "vgg")
OPTIMIZERS = ("adam", "muon")

# Settings that differ between the two stages of training. Stage two starts from
# a model of stage one; its pixel loss prevents color drift.
STAGES = {
    "psnr": {
        "content_loss": "mae",
        "adversarial_weight": 0.0,
        "pixel_weight": 0.0,
        "learning_rate": 1e-3,
    },
    "gan": {
        "content_loss": "vgg",
        "adversarial_weight": 1e-3,
        "pixel_weight": 1.0,
        "learning_rate": 1e-4,
    },
}


def _setting(default, help):
    factory = {"default": default}
    if isinstance(default, dict):
        factory = {"default_factory": lambda: dict(default)}
    return dataclasses.field(**factory, metadata={"help": help})


@dataclasses.dataclass(kw_only=True)
class Settings:
    """The settings of a training run, as in a TOML file.

    Each is described by its `help`, which `keras-srgan train --help` prints.
    Those that default to `None` get the value of the stage, see `STAGES`, or
    the default of the class or method that takes them.

    Raises:
        ValueError: if a setting has the wrong type or value. The message
            names it.

    Example:

    ```python
    from keras_srgan.settings import Settings

    Settings(photos="photos", stage="gan", start="srresnet_x4")
    ```
    """

    # === Photos ===
    photos: str | list | None = _setting(
        None, "folder of HR photos, or list of files"
    )
    pairs: list | None = _setting(
        None, "folders of LR and HR photos, matched by name"
    )
    held_out: int = _setting(5, "last photos, for validation")
    test_size: int = _setting(192, "pixels per side of a held-out crop")
    sampling: str = _setting(
        "pixels",
        "sample random crops in proportion to pixels or photos",
    )
    max_megapixels: float = _setting(3.0, "halve photos larger than this")
    crop: str = _setting("random", "random or center")
    crop_size: int = _setting(96, "pixels per side of an HR crop")
    batch_size: int = _setting(16, "crops per step")
    steps_per_epoch: int = _setting(200, "steps between two saves")
    cache_bytes: int = _setting(2**30, "memory for decoded photos")
    degradation: str | dict = _setting(
        "clean",
        "degradation for LR images: clean (bicubic), photos "
        "(PhotoDegradation), a folder of photos to measure, or steps after "
        "bicubic such as blur:1+jpeg:50",
    )
    augmentation: dict = _setting(
        {
            "turn": True,
            "saturation": 0.0,
            "hue": 0.0,
            "brightness": 0.0,
            "contrast": 0.0,
        },
        "arguments of Augmentation",
    )

    # === Networks ===
    start: str | None = _setting(
        None, "preset or .keras file to start from, instead of new weights"
    )
    generator: dict = _setting({}, "arguments of Generator")
    discriminator: dict = _setting(
        {},
        'arguments of Discriminator or, with `type` "unet", of '
        "UNetDiscriminator",
    )
    precision: str = _setting("float32", ", ".join(PRECISIONS))

    # === Losses ===
    stage: str = _setting("psnr", "psnr or gan: the default losses and rate")
    content_loss: str | None = _setting(None, ", ".join(CONTENT_LOSSES))
    vgg_weights: str = _setting("imagenet", "file of VGG19's weights")
    vgg: dict = _setting({}, "further arguments of VGGContentLoss")
    adversarial_weight: float | None = _setting(None, "0: no discriminator")
    adversarial_loss: str = _setting(
        "vanilla", "vanilla, relativistic, hinge, least_squares"
    )
    pixel_weight: float | None = _setting(None, "weight of the pixel loss")
    pixel_loss: str = _setting("mse", ", ".join(PIXEL_LOSSES))
    grid_weight: float = _setting(0.0, "weight of the loss against a grid")
    spectrum_weight: float = _setting(0.0, "weight of the loss on texture")

    # === Optimizers ===
    optimizer: str = _setting(
        "adam", f"of the generator: {', '.join(OPTIMIZERS)}"
    )
    learning_rate: float | None = _setting(None, "constant learning rate")
    discriminator_learning_rate: float | None = _setting(
        None, "default: learning_rate"
    )
    warmup_steps: int = _setting(50, "steps of linear warm-up")
    discriminator_steps: int = _setting(
        200, "first steps of a new discriminator alone, with a start model"
    )
    average: float = _setting(0.999, "momentum of the averaged weights; 0: off")

    # === Output ===
    pictures_every: int = _setting(5, "epochs between two pictures")
    checkpoint_every: int = _setting(20, "epochs between two checkpoints")
    tensorboard: bool = _setting(False, "write TensorBoard logs")
    seed: int = _setting(0, "of weights, order, crops and augmentation")

    def __post_init__(self):
        for name, hint in typing.get_type_hints(type(self)).items():
            setattr(self, name, _convert(name, getattr(self, name), hint))
        _check_choice("stage", self.stage, STAGES)
        for name, value in STAGES[self.stage].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        if self.discriminator_learning_rate is None:
            self.discriminator_learning_rate = self.learning_rate
        _check_choice("content_loss", self.content_loss, CONTENT_LOSSES)
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("precision", self.precision, PRECISIONS)
        if (self.photos is None) == (self.pairs is None):
            raise ValueError(
                "Either `photos` or `pairs` must be set. "
                f"Received: photos={self.photos!r}, pairs={self.pairs!r}"
            )
        if self.pairs is not None and len(self.pairs) != 2:
            raise ValueError(
                "`pairs` must be two folders, of LR and of HR photos. "
                f"Received: pairs={self.pairs!r}"
            )
        if self.pairs is not None and self.degradation != "clean":
            raise ValueError(
                "`degradation` must be 'clean' with `pairs`, which have LR "
                f"images of their own. Received: "
                f"degradation={self.degradation!r}, pairs={self.pairs!r}"
            )
        if self.start and self.generator:
            raise ValueError(
                "`generator` must be empty with `start`, whose generator has "
                f"its own arguments. Received: generator={self.generator!r}, "
                f"start={self.start!r}"
            )
        if not 0 <= self.average < 1:
            raise ValueError(
                "`average` must be in [0, 1). "
                f"Received: average={self.average!r}"
            )
        for name, least in (
            ("held_out", 1),
            ("steps_per_epoch", 1),
            ("warmup_steps", 0),
            ("discriminator_steps", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"`{name}` must be at least {least}. "
                    f"Received: {name}={getattr(self, name)}"
                )
        # A run may be resumed from another folder.
        if self.start and os.path.exists(self.start):
            self.start = os.path.abspath(self.start)
        if self.vgg_weights != "imagenet":
            self.vgg_weights = os.path.abspath(self.vgg_weights)
            if not os.path.isfile(self.vgg_weights):
                raise ValueError(
                    "`vgg_weights` must be 'imagenet' or an existing file. "
                    f"Received: vgg_weights={self.vgg_weights!r}"
                )
        if isinstance(self.photos, str):
            self.photos = os.path.abspath(self.photos)
        elif self.photos:
            self.photos = [os.path.abspath(file) for file in self.photos]
        if self.degradation_folder:
            self.degradation = self.degradation_folder
        if self.pairs:
            self.pairs = [os.path.abspath(folder) for folder in self.pairs]

    @property
    def degradation_folder(self) -> str | None:
        """The folder whose photos `degradation` imitates, if it names one."""
        name = self.degradation
        if not isinstance(name, str) or name in ("clean", "photos"):
            return None
        return os.path.abspath(name) if os.path.isdir(name) else None

    def check_same(self, other: "Settings", names=None) -> None:
        """Raises unless another run would have the same settings.

        Args:
            other: `Settings`.
            names: Names of the settings to compare. Defaults to all.

        Raises:
            ValueError: if they differ. The message names the first setting
                that differs.
        """
        for name in names or [field.name for field in dataclasses.fields(self)]:
            mine, others = getattr(self, name), getattr(other, name)
            if mine != others:
                raise ValueError(
                    f"`{name}` must be {mine!r}, as the run started with it. "
                    "Choose another folder for a run with other settings. "
                    f"Received: {name}={others!r}"
                )

    def save(self, path: str | os.PathLike) -> None:
        """Writes the settings, and the versions in use, as a TOML file."""
        values = dataclasses.asdict(self)
        tables = {k: v for k, v in values.items() if isinstance(v, dict) and v}
        lines = [
            f"{name} = {_toml(value)}"
            for name, value in values.items()
            if value is not None and not isinstance(value, dict)
        ]
        for title, table in {**tables, "versions": _versions()}.items():
            lines += ["", f"[{title}]"]
            lines += [
                f"{name} = {_toml(value)}" for name, value in table.items()
            ]
        # An empty table differs from the default.
        for name, value in values.items():
            if value == {}:
                lines += ["", f"[{name}]"]
        pathlib.Path(path).write_text("\n".join(lines) + "\n", "utf-8")


def read_settings(path: str | os.PathLike) -> dict:
    """Returns the settings in a TOML file, to be arguments of `Settings`.

    Args:
        path: Path of the file.

    Raises:
        ValueError: if the file is not TOML, or has an unknown setting. The
            message names the file and the setting.
        OSError: if it cannot be read.
    """
    try:
        values = tomllib.loads(pathlib.Path(path).read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
    # Informative only.
    values.pop("versions", None)
    known = [field.name for field in dataclasses.fields(Settings)]
    for name, value in values.items():
        if name not in known:
            raise ValueError(
                f"{path}: the settings are {', '.join(known)}. "
                f"Received: {name}={value!r}"
            )
    return values


def _convert(name, value, hint):
    types = typing.get_args(hint) or (hint,)
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if float in types:
            value = float(value)
    if type(value) not in types:
        names = [t.__name__ for t in types if t is not type(None)]
        raise ValueError(
            f"`{name}` must be of type {' or '.join(names)}. "
            f"Received: {name}={value!r}"
        )
    return value


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. "
            f"Received: {name}={value!r}"
        )


def _toml(value):
    """Returns a value in TOML, which writes most as JSON does."""
    if isinstance(value, dict):
        items = (f"{name} = {_toml(item)}" for name, item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _versions():
    # Here, so that the command line can list the settings without Keras.
    import keras

    backend = keras.backend.backend()
    versions = {"python": platform.python_version(), "backend": backend}
    for package in ("keras-srgan", "keras", backend, "numpy", "pillow"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "unknown"
    return versions
