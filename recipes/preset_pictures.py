"""Draw the picture of the presets in README: crops of scikit-image's photos.

    python recipes/preset_pictures.py examples/pictures/presets.png

No recipe trains on these photos. They are shown at 100 %.
"""

import argparse

import numpy as np
import skimage
from PIL import Image
from PIL import ImageDraw

from keras_srgan import Upscaler
from keras_srgan import load_generator

PRESETS = ("srresnet_x4_small", "srgan_x4_small")
# Photo, and the left and top of the crop.
CROPS = (
    ("chelsea.png", 120, 90),
    ("astronaut.png", 150, 60),
    ("coffee.png", 280, 60),
)
WIDTH, HEIGHT, GAP, TITLE = 200, 140, 4, 18

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("out", metavar="FILE")
options = parser.parse_args()

upscalers = [Upscaler(load_generator(name)) for name in PRESETS]
titles = ("bicubic", *PRESETS, "original")
step_x, step_y = WIDTH + GAP, HEIGHT + GAP
sheet = Image.new(
    "RGB",
    (len(titles) * step_x, TITLE + len(CROPS) * step_y),
    "white",
)
draw = ImageDraw.Draw(sheet)
for i, title in enumerate(titles):
    draw.text((i * step_x + GAP, GAP), title, fill="black")
for row, (name, left, top) in enumerate(CROPS):
    photo = Image.open(f"{skimage.data_dir}/{name}").convert("RGB")
    size = [side // 4 * 4 for side in photo.size]
    photo = photo.crop((0, 0, *size))
    small = photo.resize([side // 4 for side in size], Image.Resampling.BICUBIC)
    images = [
        small.resize(size, Image.Resampling.BICUBIC),
        *(Image.fromarray(u(np.asarray(small))) for u in upscalers),
        photo,
    ]
    for i, image in enumerate(images):
        crop = image.crop((left, top, left + WIDTH, top + HEIGHT))
        sheet.paste(crop, (i * step_x, TITLE + row * step_y))
sheet.save(options.out, optimize=True)
