import csv
import io
import itertools
import math
import os
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image

from keras_srgan.checks import check_integer
from keras_srgan.degradations import degrade_photo
from keras_srgan.degradations import parse_degradation
from keras_srgan.files import replacing
from keras_srgan.grid import grid_strength
from keras_srgan.matching import Files
from keras_srgan.matching import MatchedPhotos
from keras_srgan.metrics import psnr
from keras_srgan.metrics import ssim
from keras_srgan.pictures import difference_sheet as difference_sheet
from keras_srgan.spectrum import SpectrumLoss
from keras_srgan.upscaling import Upscaler

# Headings and formats of table columns. Others have their name and ".4f".
HEADINGS = {
    "image": "Image",
    "degradation": "Degradation",
    "system": "System",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "shift_red": "R shift",
    "shift_green": "G shift",
    "shift_blue": "B shift",
    "color_shift": "Color shift",
    "low_frequency": "Low-frequency error",
    "grid": "Grid",
    "spectrum": "Spectrum (dB)",
    "vgg54": "VGG54",
    "layered": "Layered",
    "lpips": "LPIPS",
    "niqe": "NIQE",
}
FORMATS = {
    "psnr": ".2f",
    "shift_red": "+.2f",
    "shift_green": "+.2f",
    "shift_blue": "+.2f",
    "color_shift": ".2f",
    "low_frequency": ".2f",
    "grid": ".2f",
    "spectrum": ".2f",
    "niqe": ".2f",
}

Metric = Callable[[np.ndarray, np.ndarray], float | dict[str, float]]
Row = dict[str, str | float]


def pixel_metrics(channel: str = "y", scale: int = 4) -> dict[str, Metric]:
    """Returns the metrics that are computed from pixels alone.

    Args:
        channel: `"y"` or `"rgb"`, the channels of PSNR and SSIM. Defaults to
            `"y"`.
        scale: Integer, at least 2. The period of the grid, and the scale of
            `SpectrumLoss`. Defaults to `4`.

    Returns:
        Dict of name to a function of `hr` and `sr`, uint8 arrays of the same
        shape `(height, width, 3)`, that returns a float: `"psnr"` in dB,
        `"ssim"`, `"shift_red"`, `"shift_green"` and `"shift_blue"`, the mean
        of `sr` minus that of `hr` in levels, `"grid"`, the `grid_strength`
        of `sr` in levels, NaN without flat areas, and `"spectrum"`, the
        `SpectrumLoss` in dB, NaN for photos that are smaller than 32 pixels.

    Example:

    ```python
    import numpy as np
    from keras_srgan.evaluation import pixel_metrics

    photo = np.random.randint(0, 246, (64, 96, 3), "uint8")
    pixel_metrics()["shift_red"](photo, photo + 10)  # 10.0
    ```
    """

    def figure(fn):
        return lambda hr, sr: float(fn(hr[None], sr[None], channel=channel)[0])

    def shift(i):
        return lambda hr, sr: float(sr[..., i].mean() - hr[..., i].mean())

    def grid(hr, sr):
        if min(sr.shape[:2]) < 17:
            return math.nan
        return grid_strength(sr, scale)

    spectrum_loss = SpectrumLoss(scale)

    def spectrum(hr, sr):
        if min(sr.shape[:2]) < 2 * spectrum_loss.window:
            return math.nan
        images = (image[None].astype("float32") for image in (hr, sr))
        # From the natural logarithm of an amplitude.
        return 20 / math.log(10) * float(spectrum_loss(*images))

    return {
        "psnr": figure(psnr),
        "ssim": figure(ssim),
        "shift_red": shift(0),
        "shift_green": shift(1),
        "shift_blue": shift(2),
        "grid": grid,
        "spectrum": spectrum,
    }


def evaluate_images(
    systems: Mapping[str, keras.Model | Upscaler | str | os.PathLike],
    hr: Files,
    lr: Files | None = None,
    *,
    scale: int = 4,
    shave: int | None = None,
    metrics: Mapping[str, Metric] | None = None,
    degradations: Sequence[str] = (),
    on_image: Callable[[str, np.ndarray, dict], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Row]:
    """Measures super-resolution systems against HR photos, side by side.

    The protocol is that of the literature: HR photos are cropped at the right
    and bottom to multiples of the scale, images are compared in whole levels,
    and `shave` border pixels are left out. Photos may have any size.

    Files are matched by name: an image belongs to the HR photo whose name its
    own name starts with. `baby.png`, `babyx4.png` and `baby_SwinIR.png` belong
    to `baby.png`, and `img_001_SRF_4_LR.png` to `img_001_SRF_4_HR.png`.

    Args:
        systems: Dict of title to a system: an `Upscaler`, a model that it
            takes, `"bicubic"`, or the path of a folder with the images that
            another system made from the LR images.
        hr: Path of the folder of HR photos, or a list of files.
        lr: The same for their LR images. Defaults to `None`: `Degradation`
            makes them, the bicubic that training uses.
        scale: Integer, at least 2. The HR size divided by the LR size, per
            side. Defaults to `4`.
        shave: Integer, at least 0. Pixels left out at each border, by all
            metrics. Defaults to `scale`.
        metrics: Dict of name to function, such as `pixel_metrics` returns,
            the default. A function of `hr` and `sr` returns a float, or a dict
            of name to float, such as `keras_srgan.perceptual.VGGDistances`.
        degradations: Strings, as for `parse_degradation`. All systems are
            also measured on LR images that are degraded by each, by the same
            noise in each evaluation. Defaults to none.
        on_image: Function that is called after each photo with its name, its
            HR photo and a dict of title to image, uint8 arrays `(height,
            width, 3)`. `difference_sheet` draws them. With degradations, it
            is called for each of them, and the name is followed by it, as in
            `"baby, jpeg:50"`.
        progress: Function that is called with the fraction done, from time
            to time until it is 1.

    Returns:
        A list with one dict per image and system: `"image"`, `"system"`, and
        a float per metric. With degradations, there is one for each of them
        and for `"clean"`, under `"degradation"`.

    Raises:
        ValueError: if an argument is not as above, or an image is missing or
            does not have the size that fits its HR photo. All files are
            checked before any work.
        OSError: if a file cannot be read. The message names it.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.evaluation import evaluate_images
    from keras_srgan.evaluation import mean_rows

    systems = {"bicubic": "bicubic", "untrained": Generator()}
    rows = evaluate_images(systems, "Set5/HR")
    for row in mean_rows(rows):
        print(row["system"], row["psnr"], row["ssim"])
    ```
    """
    if not systems or not all(
        isinstance(system, keras.Model | Upscaler | str | os.PathLike)
        for system in systems.values()
    ):
        raise ValueError(
            "`systems` must be a dict of title to a model, 'bicubic' or the "
            f"path of a folder. Received: systems={systems!r}"
        )
    enlarge = {
        title: _enlarger(system, title, scale)
        for title, system in systems.items()
        if system == "bicubic" or isinstance(system, keras.Model | Upscaler)
    }
    folders = {
        title: system
        for title, system in systems.items()
        if title not in enlarge
    }
    # Checked before any work.
    for text in degradations:
        parse_degradation(text)
    if degradations and folders:
        raise ValueError(
            "`systems` must be models with `degradations`: the images in a "
            "folder were made from other LR images. "
            f"Received: systems={systems!r}, degradations={degradations!r}"
        )
    photos = MatchedPhotos(hr, lr, folders, scale)
    shave = scale if shave is None else shave
    check_integer(0, shave=shave)
    inside = slice(shave, -shave or None)
    metrics = pixel_metrics(scale=scale) if metrics is None else metrics
    progress = progress or (lambda fraction: None)
    # Report bad files now rather than after an hour.
    for name in photos.names:
        photos.load(name)

    rows = []
    total = len(photos.names) * len(systems) * (1 + len(degradations))
    for name, degradation in itertools.product(
        photos.names, ("clean", *degradations)
    ):
        hr_image, lr_image, images = photos.load(name)
        if lr_image is None and enlarge:
            lr_image = photos.degrade(hr_image)
        if degradation != "clean":
            lr_image = degrade_photo(lr_image, degradation)
        for title in systems:

            def step(fraction):
                progress((len(rows) + fraction) / total)

            if title in enlarge:
                try:
                    images[title] = enlarge[title](lr_image, step)
                except FloatingPointError as error:
                    raise FloatingPointError(
                        f"{title}, {photos.hr[name]}: {error}"
                    ) from error
            row = {"image": name, "degradation": degradation, "system": title}
            if not degradations:
                del row["degradation"]
            for metric, measure in metrics.items():
                try:
                    value = measure(
                        hr_image[inside, inside], images[title][inside, inside]
                    )
                except ValueError as error:
                    raise ValueError(
                        f"No {metric} of {photos.hr[name]}: {error}"
                    ) from error
                row |= value if isinstance(value, dict) else {metric: value}
            step(1)
            rows.append(row)
        if on_image:
            label = "" if degradation == "clean" else f", {degradation}"
            on_image(
                name + label,
                hr_image,
                {title: images[title] for title in systems},
            )
    return rows


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Returns each system's mean over the images, without NaN.

    Args:
        rows: List of dicts, as `evaluate_images` returns.

    Returns:
        A list with one dict per system and degradation, as in `rows`, whose
        `"image"` is `"mean"`.
    """
    groups = {}
    for row in rows:
        names = {k: v for k, v in row.items() if isinstance(v, str)}
        names["image"] = "mean"
        groups.setdefault(tuple(names.items()), []).append(row)
    return [
        {
            **dict(names),
            **{
                metric: _mean([row[metric] for row in group])
                for metric in group[0]
                if metric not in dict(names)
            },
        }
        for names, group in groups.items()
    ]


def _mean(values):
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Returns rows as text: a list of headings, and a list of cells per row.

    Args:
        rows: List of dicts, as `evaluate_images` or `mean_rows` returns.
    """
    headings = [HEADINGS.get(name, name) for name in rows[0]]
    return headings, [
        [_format(name, value) for name, value in row.items()] for row in rows
    ]


def _format(name, value):
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "–"
    return format(value, FORMATS.get(name, ".4f"))


def save_tables(
    rows: Sequence[Row], directory: str | os.PathLike, caption: str
) -> None:
    """Writes `results.csv` and `results.md`, with the mean of each system.

    Args:
        rows: List of dicts, as `evaluate_images` returns.
        directory: Path of the folder to write to. It is created if missing.
        caption: String that says how the values were measured, the first line
            of the Markdown file.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    means = mean_rows(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, *means])
    _write(directory / "results.csv", text.getvalue())

    parts = [caption, _markdown(means), _markdown(rows)]
    _write(directory / "results.md", "\n\n".join(parts) + "\n")


# === Text ===


def _markdown(rows):
    headings, cells = table(rows)
    rule = [
        "---" if isinstance(value, str) else "---:"
        for value in rows[0].values()
    ]
    return "\n".join(
        f"| {' | '.join(line)} |" for line in [headings, rule, *cells]
    )


def _write(path, text):
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


# === Systems ===


def _enlarger(system, title, scale):
    """Returns a function of an LR image and `progress`."""
    if isinstance(system, str):
        return lambda lr, progress: np.asarray(
            Image.fromarray(lr).resize(
                (scale * lr.shape[1], scale * lr.shape[0]),
                Image.Resampling.BICUBIC,
            )
        )
    upscaler = system if isinstance(system, Upscaler) else Upscaler(system)
    if upscaler.scale != scale:
        raise ValueError(
            f"The scale of the model {title!r} is {upscaler.scale}. "
            f"Received: scale={scale}"
        )
    return lambda lr, progress: upscaler(lr, progress=progress)
