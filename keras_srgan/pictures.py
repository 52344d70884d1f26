import math
from collections.abc import Mapping

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from keras_srgan.checks import check_integer
from keras_srgan.metrics import psnr

MARGIN = 24
GAP = 12
CELL_WIDTH = 192
INK = (33, 37, 41)
GRAY = (108, 117, 125)


def contact_sheet(
    columns: dict[str, list[Image.Image]], shave: int
) -> Image.Image:
    """Returns a sheet of photos: one row per photo, one column per method.

    Small photos are enlarged by an integer factor, the same for all. The
    caption of each photo is its PSNR on Y against the last column.

    Args:
        columns: Dict of title to list of RGB photos. The last column is the
            ground truth. All photos of a row have the same size.
        shave: Integer, at least 0. Border pixels that the PSNR ignores.

    Returns:
        A `PIL.Image.Image`.
    """
    titles, photos = list(columns), list(columns.values())
    rows = list(zip(*photos, strict=True))
    truths = photos[-1]

    # === Layout ===
    width = max(truth.width for truth in truths)
    zoom = math.ceil(CELL_WIDTH / width)
    width *= zoom
    # Large enough to read when a viewer shrinks the picture to the screen.
    title_size, caption_size = max(18, width // 16), max(13, width // 24)
    title_font = ImageFont.load_default(title_size)
    caption_font = ImageFont.load_default(caption_size)
    head, foot = 2 * title_size, 2 * caption_size
    heights = [zoom * truth.height + foot + GAP for truth in truths]
    sheet = Image.new(
        "RGB",
        (
            2 * MARGIN + len(columns) * (width + GAP) - GAP,
            MARGIN + head + sum(heights),
        ),
        "white",
    )
    draw = ImageDraw.Draw(sheet)

    # === Drawing ===
    for i, title in enumerate(titles):
        center = MARGIN + i * (width + GAP) + width // 2
        top = MARGIN // 2 + head
        draw.text(
            (center, top - head // 2), title, INK, title_font, anchor="mm"
        )
        for row, height in zip(rows, heights, strict=True):
            photo, truth = row[i], row[-1]
            size = zoom * photo.width, zoom * photo.height
            sheet.paste(
                photo.resize(size, Image.Resampling.NEAREST),
                (center - size[0] // 2, top),
            )
            if photo is not truth:
                figure = psnr(
                    np.asarray(truth)[None], np.asarray(photo)[None], shave
                )
                draw.text(
                    (center, top + size[1] + foot // 2),
                    f"{float(figure[0]):.2f} dB",
                    GRAY,
                    caption_font,
                    anchor="mm",
                )
            top += height
    return sheet


def difference_sheet(
    hr: np.ndarray, images: Mapping[str, np.ndarray], size: int = 96
) -> Image.Image:
    """Draws the crop where systems differ most, side by side with HR.

    With one system, it is the crop where that differs most from HR.

    Args:
        hr: The HR photo, uint8 array `(height, width, 3)`.
        images: Dict of title to a system's image, arrays of the same shape
            and dtype.
        size: Integer, at least 1. Side of the crop in pixels; crops under 192
            pixels are magnified. Defaults to `96`.

    Returns:
        A Pillow image of the crops, labeled with their PSNR.

    Raises:
        ValueError: if `size` is not an integer, at least 1.
    """
    check_integer(1, size=size)
    compared = list(images.values())
    if len(compared) == 1:
        compared.append(hr)
    gray = [np.asarray(Image.fromarray(i).convert("L")) for i in compared]
    difference = np.var(np.stack(gray), axis=0, dtype="float32")
    # Sums over all windows, as differences of two-dimensional running sums.
    sums = np.pad(difference, ((1, 0), (1, 0))).astype("float64")
    sums = sums.cumsum(0).cumsum(1)
    height, width = (min(size, side) for side in hr.shape[:2])
    sums = sums[height:] - sums[:-height]
    sums = sums[:, width:] - sums[:, :-width]
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    return contact_sheet(
        {
            title: [
                Image.fromarray(image[top : top + height, left : left + width])
            ]
            for title, image in {**images, "HR": hr}.items()
        },
        shave=0,
    )


def curves(rows: list[dict[str, float]]):
    """Plots the logs of a training run over its epochs.

    The generator's losses share one panel, the discriminator's another, and
    each other log has its own. Validation is dashed.

    Args:
        rows: List of dicts, one per epoch: `"epoch"`, counted from one, and
            the logs.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    # The object-oriented interface does not touch the user's `pyplot` state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        if name != "epoch":
            panels.setdefault(_panel(name), []).append(name)

    figure = Figure(figsize=(8, 3 * len(panels) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, (title, names) in zip(axes, panels.items(), strict=True):
        colors = {}
        seen = []
        for name in names:
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            seen += [value for _, value in points if math.isfinite(value)]
            base = name.removeprefix("val_")
            axis.plot(
                *zip(*points, strict=True),
                color=colors.setdefault(base, f"C{len(colors)}"),
                linestyle="-" if name == base else "--",
                marker="." if len(points) < 30 else None,
                label=name,
            )
        if "loss" in title and seen and 0 < 10 * min(seen) < max(seen):
            axis.set_yscale("log")
        axis.set_title(title, loc="left")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        # Beside the panel, where it covers no curve.
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(
        MaxNLocator(integer=True, steps=[1, 2, 5, 10])
    )
    return figure


def _panel(name):
    name = name.removeprefix("val_")
    if "discriminator" in name:
        return "Discriminator loss" if "loss" in name else "Discriminator"
    if "loss" in name:
        return "Generator losses"
    return {"psnr": "PSNR (dB)", "ssim": "SSIM"}.get(name, name)
