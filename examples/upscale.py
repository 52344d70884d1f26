"""Upscale one photo 4x per side, with weights from the package.

python examples/upscale.py photo.jpg large.png
"""

import sys

from keras_srgan import load_generator
from keras_srgan import upscale
from keras_srgan.photo import save_photo

photo_file, large_file = sys.argv[1:]

# To use your own model, pass the path of its .keras file.
generator = load_generator("srgan_x4_base")
large = upscale(
    generator,
    photo_file,
    progress=lambda done: print(f"\r{done:4.0%}", end="", flush=True),
)
save_photo(large, large_file)
print(f"\r{large_file}: {large.width}x{large.height}")
