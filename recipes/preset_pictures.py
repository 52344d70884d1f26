"""Create the pictures of the presets: crops of photos from scikit-image.

    python recipes/preset_pictures.py examples/pictures/presets.png
    python recipes/preset_pictures.py examples/pictures/presets_300.png --zoom 3
    python recipes/preset_pictures.py examples/pictures/photos.png \
        --presets srgan_x4_base srresnet_x4_photos srgan_x4_photos \
        --degradation jpeg:50 noise:10 blur:1+noise:5+jpeg:75

The presets were not trained on these photos.
"""

import argparse

import numpy as np
import skimage
from PIL import Image
from PIL import ImageDraw

from keras_srgan import Upscaler
from keras_srgan import load_generator
from keras_srgan.degradations import degrade_photo

# Photo, and the left and top of the crop, by zoom.
CROPS = {
    1: (
        ("chelsea.png", 120, 90),
        ("astronaut.png", 150, 60),
        ("coffee.png", 280, 60),
    ),
    3: (
        ("chelsea.png", 280, 140),  # fur
        ("astronaut.png", 190, 90),  # skin and hair
        ("page.png", 150, 60),  # letters
        ("brick.png", 210, 210),
        ("grass.png", 210, 210),
        ("rocket.jpg", 300, 180),  # a structure against a plain sky
    ),
}
WIDTH, HEIGHT, GAP, TITLE = 200, 140, 4, 18

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("out", metavar="FILE")
add(
    "--presets",
    nargs="+",
    default=["srresnet_x4_base", "srgan_x4_base"],
    help="default: %(default)s",
)
add(
    "--degradation",
    nargs="+",
    metavar="STEPS",
    help="also degrade the LR images, one per photo: see keras-srgan evaluate",
)
add("--zoom", type=int, choices=CROPS, default=1, help="default: %(default)s")
options = parser.parse_args()

upscalers = [Upscaler(load_generator(name)) for name in options.presets]
titles = ("bicubic", *options.presets, "original")
crops = CROPS[options.zoom]
step_x, step_y = WIDTH + GAP, HEIGHT + GAP
sheet = Image.new(
    "RGB", (len(titles) * step_x, TITLE + len(crops) * step_y), "white"
)
draw = ImageDraw.Draw(sheet)
for i, title in enumerate(titles):
    draw.text((i * step_x + GAP, GAP), title, fill="black")
for row, (name, left, top) in enumerate(crops):
    photo = Image.open(f"{skimage.data_dir}/{name}").convert("RGB")
    size = [side // 4 * 4 for side in photo.size]
    photo = photo.crop((0, 0, *size))
    small = photo.resize([side // 4 for side in size], Image.Resampling.BICUBIC)
    if options.degradation:
        steps = options.degradation[row % len(options.degradation)]
        small = Image.fromarray(degrade_photo(np.asarray(small), steps))
    images = [
        small.resize(size, Image.Resampling.BICUBIC),
        *(Image.fromarray(u(np.asarray(small))) for u in upscalers),
        photo,
    ]
    right, bottom = left + WIDTH // options.zoom, top + HEIGHT // options.zoom
    for i, image in enumerate(images):
        crop = image.crop((left, top, right, bottom))
        crop = crop.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)
        sheet.paste(crop, (i * step_x, TITLE + row * step_y))
sheet.save(options.out, optimize=True)
