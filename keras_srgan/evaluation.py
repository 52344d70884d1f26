import csv
import io
import os
import pathlib
import re
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image

from keras_srgan import pictures
from keras_srgan.degradation import Degradation
from keras_srgan.files import replacing
from keras_srgan.metrics import psnr
from keras_srgan.metrics import ssim
from keras_srgan.photo import load_image
from keras_srgan.photo_files import find_photos
from keras_srgan.upscaling import upscale

# How a figure is headed and written; others are headed by their names.
HEADINGS = {
    "image": "Image",
    "system": "System",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "shift_red": "R shift",
    "shift_green": "G shift",
    "shift_blue": "B shift",
    "vgg": "VGG",
    "lpips": "LPIPS",
    "niqe": "NIQE",
}
FORMATS = {
    "psnr": ".2f",
    "shift_red": "+.2f",
    "shift_green": "+.2f",
    "shift_blue": "+.2f",
    "niqe": ".2f",
}

# What the names of HR photos have that those of other images of the same
# subject lack: img_001_SRF_4_HR.png, img_001_SRF_4_LR.png.
HR_SUFFIX = re.compile(r"([_-]SRF[_-]\d+)?([_-](HR|GT))?$", re.IGNORECASE)

Files = str | os.PathLike | Sequence[str | os.PathLike]
Metric = Callable[[np.ndarray, np.ndarray], float]
Row = dict[str, str | float]


def pixel_metrics(channel: str = "y") -> dict[str, Metric]:
    """Returns the metrics that need nothing but the pixels.

    Args:
        channel: `"y"` or `"rgb"`: where PSNR and SSIM are taken. Defaults to
            `"y"`.

    Returns:
        Dict of name to a function of `hr` and `sr`, uint8 arrays of one shape
        `(height, width, 3)`, that returns a float: `"psnr"` in dB, `"ssim"`,
        and `"shift_red"`, `"shift_green"` and `"shift_blue"`, how many levels
        `sr` is brighter than `hr` on average.

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

    return {
        "psnr": figure(psnr),
        "ssim": figure(ssim),
        "shift_red": shift(0),
        "shift_green": shift(1),
        "shift_blue": shift(2),
    }


def evaluate_images(
    systems: Mapping[str, keras.Model | str | os.PathLike],
    hr: Files,
    lr: Files | None = None,
    *,
    scale: int = 4,
    shave: int | None = None,
    metrics: Mapping[str, Metric] | None = None,
    on_image: Callable[[str, np.ndarray, dict], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Row]:
    """Measure super-resolution systems against HR photos, side by side.

    As in the literature, right and bottom of an HR photo are cut off to make
    its sides multiples of the scale, whole levels are compared, and `shave`
    border pixels do not count. Photos may be of any size: see `upscale`.

    Files belong together by name: another image is of the HR photo with whose
    name its own begins. So `baby.png`, `babyx4.png` and `baby_SwinIR.png` are
    of `baby.png`, and `img_001_SRF_4_LR.png` is of `img_001_SRF_4_HR.png`.

    Args:
        systems: Dict of title to what is measured: a model as `upscale` takes
            it, `"bicubic"`, or the path of a folder with the images that
            another system made of the LR images.
        hr: Path of the folder with the HR photos, or a list of files.
        lr: The same with their LR images. Defaults to `None`: they are made
            by `Degradation`, the bicubic that training uses.
        scale: Integer, at least 2. How many times larger HR is than LR.
            Defaults to `4`.
        shave: Integer, at least 0. Pixels left out at each border, by all
            metrics. Defaults to `scale`.
        metrics: Dict of name to function, as `pixel_metrics` returns it, the
            default. `keras_srgan.perceptual` has others.
        on_image: Function to call after each photo with its name, its HR
            photo and a dict of title to image, uint8 arrays `(height, width,
            3)`. `difference_sheet` draws them.
        progress: Function to call with the fraction that is done, from time
            to time until it is 1.

    Returns:
        A dict an image and system: `"image"`, `"system"`, and a float a
        metric.

    Raises:
        ValueError: if an argument is not as above, an image is missing or
            does not have the size that its HR photo asks for. All files are
            checked first.
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
        isinstance(system, keras.Model | str | os.PathLike)
        for system in systems.values()
    ):
        raise ValueError(
            "`systems` must be a dict of title to a model, 'bicubic' or the "
            f"path of a folder. Received: systems={systems!r}"
        )
    enlarge = {
        title: _enlarger(system, title, scale)
        for title, system in systems.items()
        if system == "bicubic" or isinstance(system, keras.Model)
    }
    folders = {
        title: system
        for title, system in systems.items()
        if title not in enlarge
    }
    photos = _Photos(hr, lr, folders, scale)
    shave = scale if shave is None else shave
    if not isinstance(shave, int) or shave < 0:
        raise ValueError(
            f"`shave` must be a non-negative integer. Received: shave={shave!r}"
        )
    inside = slice(shave, -shave or None)
    metrics = pixel_metrics() if metrics is None else metrics
    progress = progress or (lambda fraction: None)
    # Better an error now than after an hour.
    for name in photos.names:
        photos.load(name)

    rows = []
    total = len(photos.names) * len(systems)
    for name in photos.names:
        hr_image, lr_image, images = photos.load(name)
        if lr_image is None and enlarge:
            lr_image = photos.degrade(hr_image)
        for title in systems:

            def step(fraction):
                progress((len(rows) + fraction) / total)

            if title in enlarge:
                images[title] = enlarge[title](lr_image, step)
            row = {"image": name, "system": title}
            for metric, measure in metrics.items():
                try:
                    row[metric] = measure(
                        hr_image[inside, inside], images[title][inside, inside]
                    )
                except ValueError as error:
                    raise ValueError(
                        f"No {metric} of {photos.hr[name]}: {error}"
                    ) from error
            step(1)
            rows.append(row)
        if on_image:
            on_image(
                name, hr_image, {title: images[title] for title in systems}
            )
    return rows


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Returns the mean over images of each system's figures.

    Args:
        rows: What `evaluate_images` returns.

    Returns:
        A dict a system, as in `rows`, whose `"image"` is `"mean"`.
    """
    systems = {}
    for row in rows:
        systems.setdefault(row["system"], []).append(row)
    return [
        {
            "image": "mean",
            "system": system,
            **{
                metric: float(np.mean([row[metric] for row in group]))
                for metric in group[0]
                if metric not in ("image", "system")
            },
        }
        for system, group in systems.items()
    ]


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Returns the rows as text: a list of headings, a list of cells a row.

    Args:
        rows: What `evaluate_images` or `mean_rows` returns.
    """
    headings = [HEADINGS.get(name, name) for name in rows[0]]
    return headings, [
        [
            value
            if isinstance(value, str)
            else format(value, FORMATS.get(name, ".4f"))
            for name, value in row.items()
        ]
        for row in rows
    ]


def save_tables(
    rows: Sequence[Row], directory: str | os.PathLike, caption: str
) -> None:
    """Write `results.csv` and `results.md`, the mean of each system included.

    Args:
        rows: What `evaluate_images` returns.
        directory: Path of the folder to write to; made if missing.
        caption: String. How the figures were measured; it heads the Markdown.
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


def difference_sheet(
    hr: np.ndarray, images: Mapping[str, np.ndarray], size: int = 96
) -> Image.Image:
    """Draw the place where systems differ most, side by side with the truth.

    Where there is only one, it is where that differs most from the HR photo.

    Args:
        hr: The HR photo, uint8 array `(height, width, 3)`.
        images: Dict of title to what a system made of it, arrays of the same
            shape and dtype.
        size: Integer, at least 1. Pixels shown, along a side; fewer than 192
            are magnified. Defaults to `96`.

    Returns:
        The picture, with the PSNR of what is shown.

    Raises:
        ValueError: if `size` is not positive.
    """
    if size < 1:
        raise ValueError(
            f"`size` must be a positive integer. Received: size={size!r}"
        )
    compared = list(images.values())
    if len(compared) == 1:
        compared.append(hr)
    grey = [np.asarray(Image.fromarray(i).convert("L")) for i in compared]
    difference = np.var(np.stack(grey), axis=0, dtype="float32")
    # Sums over all windows, as differences of sums over what is above and left.
    sums = np.pad(difference, ((1, 0), (1, 0))).astype("float64")
    sums = sums.cumsum(0).cumsum(1)
    height, width = (min(size, side) for side in hr.shape[:2])
    sums = sums[height:] - sums[:-height]
    sums = sums[:, width:] - sums[:, :-width]
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    return pictures.contact_sheet(
        {
            title: [
                Image.fromarray(image[top : top + height, left : left + width])
            ]
            for title, image in {**images, "HR": hr}.items()
        },
        shave=0,
    )


# === Files ===


class _Photos:
    """The HR photos, and the files that belong to each."""

    def __init__(self, hr, lr, folders, scale):
        self.scale = scale
        self.degradation = Degradation(scale)
        self.hr = {}
        for file in _files(hr):
            name = HR_SUFFIX.sub("", file.stem)
            if name in self.hr:
                raise ValueError(
                    f"Two HR photos are named {name!r}: {self.hr[name]} and "
                    f"{file}. Received: hr={str(hr)!r}"
                )
            self.hr[name] = file
        self.names = list(self.hr)
        self.lr = None if lr is None else self._match("LR", lr)
        self.outputs = {
            title: self._match(title, folder)
            for title, folder in folders.items()
        }

    def load(self, name):
        """Returns the HR photo, its LR image, if any, and others' outputs."""
        hr = load_image(self.hr[name])
        height, width = (side // self.scale for side in hr.shape[:2])
        hr = hr[: height * self.scale, : width * self.scale]
        if not hr.size:
            raise ValueError(
                f"The HR photo {self.hr[name]} is smaller than `scale`. "
                f"Received: scale={self.scale}"
            )
        lr = None
        if self.lr:
            lr = self._load(self.lr[name], name, (height, width))
        return (
            hr,
            lr,
            {
                title: self._load(files[name], name, hr.shape[:2])
                for title, files in self.outputs.items()
            },
        )

    def degrade(self, hr):
        lr = self.degradation(hr[None])
        return keras.ops.convert_to_numpy(lr)[0].astype("uint8")

    def _load(self, file, name, shape):
        image = load_image(file)
        if image.shape[:2] != shape:
            raise ValueError(
                f"The image {file} must be {shape[1]}x{shape[0]} pixels to fit "
                f"{self.hr[name]}, whose sides are cut to multiples of "
                f"`scale`={self.scale}. "
                f"Received: {image.shape[1]}x{image.shape[0]} pixels"
            )
        return image

    def _match(self, title, images):
        """Returns the file that belongs to each HR photo."""
        # The longest first: img_1_2.png is of img_1_2.png, not of img_1.png.
        names = sorted(self.names, key=len, reverse=True)
        pattern = re.compile(
            rf"({'|'.join(map(re.escape, names))})(x\d|[^a-zA-Z0-9]|$)"
        )
        files = {name: [] for name in self.names}
        for file in _files(images):
            match = pattern.match(file.stem)
            if match:
                files[match[1]].append(file)
        for name, found in files.items():
            exact = [file for file in found if file.stem == name]
            if len(exact or found) != 1:
                raise ValueError(
                    f"There must be one {title} image of {self.hr[name]}. "
                    f"Received: {', '.join(map(str, found)) or 'none'} in "
                    f"{str(images)!r}"
                )
            files[name] = (exact or found)[0]
        return files


def _files(files):
    return find_photos(files)


def _markdown(rows):
    headings, cells = table(rows)
    rule = ["---"] * 2 + ["---:"] * (len(headings) - 2)
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

    def enlarge(lr, progress):
        image = upscale(system, lr, progress=progress)
        if image.shape[0] != scale * lr.shape[0]:
            raise ValueError(
                f"The model {title!r} enlarges "
                f"{image.shape[0] // lr.shape[0]} times. "
                f"Received: scale={scale}"
            )
        return image

    return enlarge
