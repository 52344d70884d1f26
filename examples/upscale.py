"""Enlarge one photo four times.

python examples/upscale.py srgan.keras photo.jpg large.png
"""

import sys

import keras

from keras_srgan.photo import save_photo
from keras_srgan.upscaling import upscale

model_file, photo_file, large_file = sys.argv[1:]

model = keras.saving.load_model(model_file)
large = upscale(
    model,
    photo_file,
    progress=lambda done: print(f"\r{done:4.0%}", end="", flush=True),
)
save_photo(large, large_file)
print(f"\r{large_file}: {large.width}x{large.height}")
