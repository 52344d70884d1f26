"""Show the effect of each degradation on a photo, and measure its time.

    python recipes/degradations.py --out degradations.png

Writes a picture with a clean LR image and the LR image of each layer,
magnified. Prints the time of bicubic downscaling and of each layer for a batch
of 16 HR crops of 96x96 pixels. Needs scikit-image.
"""

import argparse
import time

import keras
import numpy as np
from PIL import Image
from PIL import ImageDraw
from skimage import data

from keras_srgan.degradations import Degradation
from keras_srgan.degradations import DegradationChain
from keras_srgan.degradations import GaussianBlur
from keras_srgan.degradations import JPEGCompression
from keras_srgan.degradations import PhotoDegradation
from keras_srgan.degradations import RandomResize
from keras_srgan.degradations import SensorNoise
from keras_srgan.degradations import SincFilter

MAGNIFICATION = 3
COLUMNS = 4


def chain(*layers):
    return DegradationChain([*layers])


SYSTEMS = {
    "Degradation (bicubic)": Degradation(4),
    "GaussianBlur(6)": chain(GaussianBlur(6), Degradation(4)),
    "RandomResize(4, (0.4,))": chain(RandomResize(4, (0.4,), ("bicubic",))),
    "SensorNoise(10, gain=0.3)": chain(Degradation(4), SensorNoise(10, 0.3)),
    "SincFilter(1.2)": chain(Degradation(4), SincFilter(1.2)),
    "JPEGCompression(30)": chain(Degradation(4), JPEGCompression(30)),
    "PhotoDegradation()": PhotoDegradation(seed=2),
    "PhotoDegradation(order=2)": PhotoDegradation(order=2, seed=9),
}


def draw(photo):
    """Returns a Pillow image with one labeled panel per system."""
    panels = []
    for title, layer in SYSTEMS.items():
        lr = keras.ops.convert_to_numpy(layer(photo[None]))[0]
        panel = Image.fromarray(lr.astype("uint8"))
        size = panel.width * MAGNIFICATION, panel.height * MAGNIFICATION
        panels.append((title, panel.resize(size, Image.Resampling.NEAREST)))
    width, height = panels[0][1].size
    rows = -(-len(panels) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * (height + 20)), "white")
    for i, (title, panel) in enumerate(panels):
        y, x = divmod(i, COLUMNS)
        sheet.paste(panel, (x * width, y * (height + 20) + 20))
        place = x * width + 4, y * (height + 20) + 4
        ImageDraw.Draw(sheet).text(place, title, fill="black")
    return sheet


def milliseconds(layer, batch):
    """Returns the median time of the compiled layer for a batch."""
    model = keras.Sequential([keras.Input(batch.shape[1:]), layer])
    times = []
    for _ in range(12):
        start = time.perf_counter()
        model.predict_on_batch(batch)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[2:]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--no-times", action="store_true")
    settings = parser.parse_args()

    photo = data.astronaut()[32:288, 96:352]
    draw(photo).save(settings.out)
    if settings.no_times:
        return
    batch = np.stack([photo[i : i + 96, i : i + 96] for i in range(16)])
    for title, layer in SYSTEMS.items():
        print(f"{title:28}{milliseconds(layer, batch):6.1f} ms")


if __name__ == "__main__":
    main()
