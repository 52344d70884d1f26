"""Compare the map of --report with the actual error.

    python benchmarks/detail_map.py --hr BSD100/HR --lr BSD100/LR_bicubic_x4

Both networks upscale center crops of the LR images. The error is the difference
between the vivid result and HR, averaged over the same windows as the map. The
first table lists Spearman rank correlations, within each photo and over the
pixels of all photos. The baseline is the local contrast of the photo, which
uses no neural network. The second table lists the mean error by the level of
the map.
"""

import argparse

import numpy as np
from contest import show
from scipy.stats import spearmanr

from keras_srgan import Upscaler
from keras_srgan import load_generator
from keras_srgan.blending import find_pair
from keras_srgan.detail_map import WINDOW
from keras_srgan.detail_map import map_detail
from keras_srgan.matching import MatchedPhotos

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("--hr", required=True, metavar="DIR", help="HR photos")
add("--lr", required=True, metavar="DIR", help="their LR images")
add("--model", default="srgan_x4_small", help="preset (default: %(default)s)")
add("--crop", type=int, default=48, help="side in LR pixels (default: 48)")
add("--photos", type=int, help="of the folder (default: all)")
settings = parser.parse_args()

SCALE = 4
LEVELS = (0, 2, 4, 8, 16, 255)

pair = find_pair(settings.model)
vivid, faithful = (
    Upscaler(load_generator(pair[kind])) for kind in ("vivid", "faithful")
)


def local_contrast(lr):
    """Returns the standard deviation of windows of the photo."""
    border = (WINDOW // 2, WINDOW // 2)
    padded = np.pad(lr.astype("float32"), (border, border, (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (WINDOW, WINDOW), (0, 1)
    )
    return windows.std(axis=(-2, -1)).mean(axis=-1)


def join(maps):
    return np.concatenate([levels.ravel() for levels in maps])


photos = MatchedPhotos(settings.hr, settings.lr, {}, SCALE)
figures = {"difference": [], "deviation": [], "local contrast": []}
errors = []
for name in photos.names[: settings.photos]:
    hr, lr, _ = photos.load(name)
    top, left = (max(0, side - settings.crop) // 2 for side in lr.shape[:2])
    lr = lr[top : top + settings.crop, left : left + settings.crop]
    height, width = lr.shape[:2]
    hr = hr[SCALE * top :, SCALE * left :][: SCALE * height, : SCALE * width]
    result = vivid(lr)
    detail = map_detail(result, faithful(lr), lr)
    figures["difference"].append(detail.difference)
    figures["deviation"].append(detail.deviation)
    figures["local contrast"].append(local_contrast(lr))
    errors.append(map_detail(result, hr, lr).difference)

rows = []
for name, maps in figures.items():
    within = [
        spearmanr(a.ravel(), b.ravel())[0]
        for a, b in zip(maps, errors, strict=True)
    ]
    every = spearmanr(join(maps), join(errors))[0]
    rows.append(
        [name, *(f"{x:.2f}" for x in (np.mean(within), min(within), every))]
    )
show(
    f"{len(errors)} photos of {settings.hr}",
    ["rank correlation with the error", "mean", "lowest", "all pixels"],
    rows,
)
levels, error = join(figures["difference"]), join(errors)
rows = []
for low, high in zip(LEVELS, LEVELS[1:], strict=False):
    part = (levels >= low) & (levels < high)
    if part.any():
        rows.append(
            [f"{low}-{high}", f"{part.mean():.1%}", f"{error[part].mean():.1f}"]
        )
show(
    "Error by level of the map",
    ["difference, levels", "area", "mean error, levels"],
    rows,
)
