"""Evaluate blends of a faithful and a vivid preset, as made by --detail.

    python benchmarks/detail.py --hr Set14/HR --lr Set14/LR_bicubic_x4 \
        --vgg-weights imagenet

Only center crops of 48x48 pixels of the LR images are upscaled, so the
perceptual distances differ from those of whole photos. The table lists means
over the photos.
"""

import argparse

import numpy as np
from contest import show
from PIL import Image

from keras_srgan import Upscaler
from keras_srgan import psnr
from keras_srgan.blending import load_blend
from keras_srgan.matching import MatchedPhotos
from keras_srgan.perceptual import VGGDistances
from keras_srgan.pictures import contact_sheet

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("--hr", required=True, metavar="DIR", help="HR photos")
add("--lr", required=True, metavar="DIR", help="their LR images")
add("--vgg-weights", required=True, help="imagenet or a file of VGG19")
add("--model", default="srgan_x4_small", help="preset (default: %(default)s)")
add("--photos", type=int, default=10, help="of the folder (default: 10)")
add("--crop", type=int, default=48, help="side in LR pixels (default: 48)")
add("--picture", metavar="FILE", help="write the crops of the first photos")
add("--pictured", type=int, default=3, help="photos drawn (default: 3)")
settings = parser.parse_args()

DETAILS = (0, 0.25, 0.5, 0.75, 1)
SCALE = 4


def crop(image, side):
    top, left = ((length - side) // 2 for length in image.shape[:2])
    # A multiple of the scale, so that HR and LR crops are aligned.
    top, left = top // SCALE * SCALE, left // SCALE * SCALE
    return image[top : top + side, left : left + side], top, left


photos = MatchedPhotos(settings.hr, settings.lr, {}, SCALE)
crops = []
for name in photos.names[: settings.photos]:
    hr, lr, _ = photos.load(name)
    hr, top, left = crop(hr, SCALE * settings.crop)
    top, left = top // SCALE, left // SCALE
    side = settings.crop
    crops.append((hr, lr[top : top + side, left : left + side]))

distances = VGGDistances(settings.vgg_weights)
pictures = {}
rows = []
for detail in DETAILS:
    upscaler = Upscaler(load_blend(settings.model, detail))
    figures = []
    pictures[f"{detail}"] = []
    for hr, lr in crops:
        sr = upscaler(lr)
        pictures[f"{detail}"].append(Image.fromarray(sr))
        inside = slice(SCALE, -SCALE)
        figures.append(
            [
                psnr(hr[None], sr[None], SCALE)[0],
                *distances(hr[inside, inside], sr[inside, inside]).values(),
            ]
        )
    mean = np.mean(figures, axis=0)
    rows.append(
        [f"{detail}", f"{mean[0]:.2f}", f"{mean[1]:.3f}", f"{mean[2]:.3f}"]
    )
show(
    f"{settings.model}, {len(crops)} photos",
    ["detail", "PSNR (dB)", "VGG54", "layered"],
    rows,
)
if settings.picture:
    pictures["original"] = [Image.fromarray(hr) for hr, _ in crops]
    pictures = {
        title: images[: settings.pictured] for title, images in pictures.items()
    }
    contact_sheet(pictures, shave=0).save(settings.picture, optimize=True)
