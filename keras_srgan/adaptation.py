import collections
import os
import pathlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from keras_srgan import callbacks
from keras_srgan import recipe
from keras_srgan.degradations import PhotoMeasurement
from keras_srgan.degradations import PhotoReport
from keras_srgan.degradations import measure_photo
from keras_srgan.distribution import is_first
from keras_srgan.evaluation import save_tables
from keras_srgan.files import copy_file
from keras_srgan.files import replacing
from keras_srgan.held_out import MIN_GAINS
from keras_srgan.held_out import HeldOut
from keras_srgan.held_out import find_gains
from keras_srgan.lock import exclusive
from keras_srgan.photo import open_stored
from keras_srgan.photo import read_size
from keras_srgan.photo_files import find_photos
from keras_srgan.pictures import contact_sheet
from keras_srgan.pixels import quantize
from keras_srgan.preset import read_partners
from keras_srgan.preset import save_preset
from keras_srgan.settings import Settings
from keras_srgan.srgan import SRGAN
from keras_srgan.training import TrainingRun

MIN_PHOTOS = 12
MIN_SIDE = 96
MAX_MEGAPIXELS = 3.0
# A model that is trained on such photos learns their faults.
MIN_QUALITY = 60
MAX_BLUR = 1.5
MAX_NOISE = 10.0
MAX_ENLARGED = 1.2
# A state is kept if at least this share of the held-out photos is better.
MIN_BETTER = 2 / 3

# Short epochs, because each ends with an evaluation on the held-out photos.
SETTINGS = {
    "psnr": {"learning_rate": 1e-4, "steps_per_epoch": 50, "average": 0.99},
    "gan": {
        "learning_rate": 5e-5,
        "steps_per_epoch": 50,
        "average": 0.99,
        "batch_size": 8,
        "discriminator_steps": 100,
        # Those of the recipe srgan_x4_small.
        "adversarial_weight": 0.03,
        "pixel_loss": "mae",
        "pixel_weight": 0.5,
        "grid_weight": 100.0,
        "vgg": {
            "before_activation": True,
            "distance": "absolute",
            "feature_scale": 0.01736,
            "layer": {
                "block1_conv2": 0.02,
                "block2_conv2": 0.02,
                "block3_conv4": 0.2,
                "block4_conv4": 0.2,
                "block5_conv4": 0.2,
            },
        },
    },
}


@dataclass(frozen=True)
class Verdict:
    """Whether an adapted model is better than before.

    `str(verdict)` is a one-line summary.

    Attributes:
        better: Integer. The held-out photos on which it is better.
        count: Integer. All held-out photos.
    """

    better: int
    count: int

    @property
    def kept(self) -> bool:
        """Whether the adapted model is better, and was written."""
        return self.better >= MIN_BETTER * self.count

    def __str__(self):
        found = f"better on {self.better} of {self.count} held-out photos"
        if self.kept:
            return f"{found}: kept"
        if self.better:
            return f"no better ({found}): your model is unchanged"
        return "no better: your model is unchanged"


class Adaptation(TrainingRun):
    """A training run that adapts a model to a user's photos.

    It starts from a trained model and evaluates on held-out photos after each
    epoch: see `HeldOutCheckpoint`. `conclude` keeps the best state, if it is
    better than the model at the start. Like any `TrainingRun`, it can be
    killed and resumed at any time.

    Example:

    ```python
    from keras_srgan.adaptation import Adaptation, adaptation_settings

    settings, _ = adaptation_settings("photos", "srresnet_x4_small")
    adaptation = Adaptation.create("runs/photos", settings)
    adaptation.train(minutes=30)
    print(adaptation.conclude())  # better on 11 of 12 held-out photos: kept
    ```
    """

    @exclusive
    def conclude(self) -> Verdict:
        """Keeps the best state if it is better; draws and measures it.

        Writes `results.csv`, `results.md` and `sheet.png`, with the held-out
        photos before and after; and, if the verdict is to keep it, the model
        as `model.keras` and `preset/`.

        Returns:
            A `Verdict`.

        Raises:
            ValueError: if no epoch is done, or another process trains in the
                folder.
        """
        state = self._backup().read_state(callbacks.HeldOutCheckpoint)
        if not state:
            raise ValueError(
                "A run must have trained an epoch before it is concluded. "
                f"Received: {self.directory}"
            )
        before, after = state["before"], state["best"]
        better = 0
        if after:
            score = _get_score(self.settings)
            gains = find_gains(after, before, score)
            better = int(np.sum(gains > MIN_GAINS[score]))
        verdict = Verdict(better, len(before))
        if is_first():
            self._save_results(before, after)
            self._save_sheet(after is not None)
            if verdict.kept:
                self._save_model()
        self.log(str(verdict))
        return verdict

    def _make_checkpoints(self, lr, hr):
        settings = self.settings
        held_out = HeldOut(
            lr,
            hr,
            hr.shape[1] // lr.shape[1],
            _get_score(settings),
            settings.vgg_weights if _watches_features(settings) else None,
        )
        folder = self.directory / "checkpoints"
        return [callbacks.HeldOutCheckpoint(folder, held_out, log=self.log)]

    @property
    def _best(self):
        return self.directory / "checkpoints" / "best.keras"

    def _save_results(self, before, after):
        files = self.settings.photos[-self.settings.held_out :]
        names = [os.path.basename(file) for file in files]
        rows = [
            {"image": name, "system": system, **figures[i]}
            for i, name in enumerate(names)
            for system, figures in (("before", before), ("after", after))
            if figures
        ]
        save_tables(rows, self.directory, f"{len(names)} held-out photos")

    def _save_sheet(self, has_best):
        folder = self.directory / "pictures" / "test"
        lr, hr = (
            [open_stored(path) for path in find_photos(folder / name)]
            for name in ("lr", "hr")
        )
        columns = {
            "LR, bicubic": [
                image.resize(photo.size, Image.Resampling.BICUBIC)
                for image, photo in zip(lr, hr, strict=True)
            ],
            "before": _upscale(self._start, lr),
        }
        if has_best:
            columns["after"] = _upscale(self._best, lr)
        with replacing(self.directory / "sheet.png") as partial:
            scale = hr[0].width // lr[0].width
            contact_sheet({**columns, "HR": hr}, scale).save(partial)

    def _save_model(self):
        copy_file(self._best, self.directory / "model.keras")
        generator, _ = recipe.load_networks(self._best)
        save_preset(
            generator,
            self.directory / "preset",
            description="adapted by keras-srgan adapt, stage "
            f"{self.settings.stage}",
            version="1",
        )


def adaptation_settings(
    folder: str | os.PathLike, model: str, **given
) -> tuple[Settings, list[str]]:
    """Returns the settings of an `Adaptation` to the photos of a folder.

    All photos are measured. Those that would harm a model are left out: too
    small, blurred, noisy, strongly compressed or enlarged before. An eighth
    of the others, at least 4, is held out. LR images are degraded as the
    photos are.

    Args:
        folder: Path of the folder.
        model: Preset or `.keras` file to start from. One that has been trained
            with a discriminator is trained adversarially again, which needs
            the weights of VGG19; others keep the highest PSNR.
        **given: Further `Settings`, instead of the defaults.

    Returns:
        A tuple: `Settings`, and the lines of the measurement report.

    Raises:
        ValueError: if the folder holds fewer than 12 photos to learn from. The
            message gives the reasons. Also if the model does not exist.
        OSError: if the model is missing or damaged.
    """
    start = recipe.load_start(model)
    good, measurements, faults = _select(folder)
    lines = str(PhotoReport(measurements, [])).splitlines()
    reasons = "; ".join(
        f"{count} {reason}" for reason, count in faults.most_common()
    )
    if len(good) < MIN_PHOTOS:
        raise ValueError(
            f"`folder` must hold at least {MIN_PHOTOS} photos to learn from. "
            f"{len(good)} can be used"
            + (f"; of the others {reasons}" if reasons else "")
            + f". Received: folder={str(folder)!r}"
        )
    if reasons:
        lines.append(f"Photos that are not used: {reasons}.")
    vivid = isinstance(start, SRGAN) or (
        not os.path.isfile(model) and "faithful" in read_partners(model)
    )
    stage = given.get("stage", "gan" if vivid else "psnr")
    # Spread over the folder, whose order may have a meaning.
    files, count = list(good), max(4, len(good) // 8)
    held_out = files[:: len(files) // count][:count]
    used = [file for file in files if file not in held_out]
    smallest = min(256, *good.values())
    values = {
        "photos": [str(file) for file in used + held_out],
        "held_out": count,
        "max_megapixels": MAX_MEGAPIXELS,
        "test_size": smallest // start.scale * start.scale,
        "start": model,
        "stage": stage,
        "degradation": PhotoReport(measurements, []).settings(),
        **SETTINGS[stage],
    }
    if stage == "gan" and not isinstance(start, SRGAN):
        values["discriminator"] = {"filters": 32}
    settings = Settings(**{**values, **given})
    if not _watches_features(settings):
        lines.append(
            "Without a file of VGG19's weights, the layered distance of the "
            "held-out photos is not measured."
        )
    return settings, lines


def _select(folder):
    """Returns files with their shorter sides, measurements and faults."""
    good, measurements, faults = {}, [], collections.Counter()
    for file in find_photos(folder):
        try:
            width, height = read_size(file)
            measurement = measure_photo(file)
        except (OSError, ValueError):
            faults["unreadable or smaller than 64 pixels"] += 1
            continue
        measurements.append(measurement)
        reduction = 1
        # As `ImageFolder` does.
        while width * height > MAX_MEGAPIXELS * 1e6:
            width, height = width // 2, height // 2
            reduction *= 2
        side = min(width, height)
        fault = _find_fault(measurement, side, reduction)
        if fault:
            faults[fault] += 1
        else:
            good[file] = side
    return good, measurements, faults


def _find_fault(photo: PhotoMeasurement, side, reduction):
    """Returns the reason for excluding a photo, or `None`."""
    if side < MIN_SIDE:
        return f"smaller than {MIN_SIDE} pixels per side"
    if photo.quality and photo.quality < MIN_QUALITY:
        return f"compressed by a JPEG quality below {MIN_QUALITY}"
    if photo.enlarged / reduction > MAX_ENLARGED:
        return "enlarged before"
    if (photo.blur or 0) / reduction > MAX_BLUR:
        return "blurred"
    if (photo.noise or 0) / reduction > MAX_NOISE:
        return "noisy"
    return None


def _get_score(settings):
    return "layered" if settings.content_loss == "vgg" else "psnr"


def _watches_features(settings):
    # The default would cause an unrequested download.
    return settings.content_loss == "vgg" or settings.vgg_weights != "imagenet"


def _upscale(path: pathlib.Path, images):
    """Returns images enlarged by the model in a file."""
    generator, _ = recipe.load_networks(path)
    outputs = [
        generator.predict(np.asarray(image)[None], verbose=0)[0]
        for image in images
    ]
    return [
        Image.fromarray(quantize(np.nan_to_num(output), "uint8"))
        for output in outputs
    ]
