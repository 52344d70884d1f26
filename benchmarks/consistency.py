"""Measure --consistent: how often the bound is met, PSNR and time.

    python benchmarks/consistency.py --hr Set14/HR --lr Set14/LR_bicubic_x4
    python benchmarks/consistency.py --hr BSD100/HR --lr BSD100/LR_bicubic_x4 \
        --kinds photo JPEG

For each model and kind of photo, the table lists how many photos meet the bound
of half a level, the largest deviation over all photos before and after, the
mean PSNR before and after, and the mean times of the network and of
back-projection.
"""

import argparse
import io
import time

import numpy as np
from contest import show
from PIL import Image

from keras_srgan import Upscaler
from keras_srgan import load_generator
from keras_srgan import psnr
from keras_srgan.consistency import BOUND
from keras_srgan.consistency import make_consistent
from keras_srgan.consistency import measure_deviation
from keras_srgan.matching import MatchedPhotos

MODELS = ["srresnet_x4_small", "srgan_x4_small"]
SCALE = 4


def compress(lr):
    file = io.BytesIO()
    Image.fromarray(lr).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def add_alpha(lr):
    alpha = np.linspace(0, 255, lr.shape[1]).round().astype("uint8")
    return np.dstack([lr, np.broadcast_to(alpha, lr.shape[:2])])


KINDS = {
    "photo": lambda lr: lr,
    "JPEG": compress,
    "16 bits": lambda lr: lr.astype("uint16") * 257,
    "alpha": add_alpha,
    "odd size": lambda lr: lr[: (lr.shape[0] - 2) | 1, : (lr.shape[1] - 2) | 1],
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("--hr", required=True, metavar="DIR", help="HR photos")
add("--lr", required=True, metavar="DIR", help="their LR images")
add("--model", nargs="+", default=MODELS, help="default: %(default)s")
add("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
add("--photos", type=int, help="of the folder (default: all)")
settings = parser.parse_args()

photos = MatchedPhotos(settings.hr, settings.lr, {}, SCALE)
rows = []
for model in settings.model:
    upscaler = Upscaler(load_generator(model))
    for kind in settings.kinds:
        deviations, figures, seconds = [], [], []
        for name in photos.names[: settings.photos]:
            hr, lr, _ = photos.load(name)
            lr = KINDS[kind](lr)
            start = time.perf_counter()
            large = upscaler(lr)
            middle = time.perf_counter()
            result = make_consistent(large, lr, allow_deviation=True)
            seconds.append([middle - start, time.perf_counter() - middle])
            pair = large, result
            deviations.append([measure_deviation(p, lr).largest for p in pair])
            hr = hr[None, : large.shape[0], : large.shape[1]]
            if kind == "16 bits":
                pair = [np.rint(p / 257).astype("uint8") for p in pair]
            figures.append([psnr(hr, p[None, ..., :3], SCALE)[0] for p in pair])
        before, after = np.max(deviations, axis=0)
        held = sum(after <= BOUND for _, after in deviations)
        rows.append(
            [
                model,
                kind,
                f"{held} of {len(deviations)}",
                f"{before:.1f}",
                f"{after:.2f}",
                *(f"{figure:.2f}" for figure in np.mean(figures, axis=0)),
                *(f"{second:.2f}" for second in np.mean(seconds, axis=0)),
            ]
        )
show(
    settings.hr,
    [
        "model",
        "photos",
        "within 0.5",
        "deviation before",
        "after",
        "PSNR before (dB)",
        "after",
        "network (s)",
        "back-projection (s)",
    ],
    rows,
)
