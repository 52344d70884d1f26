"""Enlarge one photo four times, with weights that ship.

python examples/upscale.py photo.jpg large.png
"""

import sys

from keras_srgan import Generator
from keras_srgan.photo import save_photo
from keras_srgan.upscaling import upscale

photo_file, large_file = sys.argv[1:]

# A model of your own: keras.saving.load_model("srgan.keras")
model = Generator.from_preset("srgan_x4")
large = upscale(
    model,
    photo_file,
    progress=lambda done: print(f"\r{done:4.0%}", end="", flush=True),
)
save_photo(large, large_file)
print(f"\r{large_file}: {large.width}x{large.height}")
