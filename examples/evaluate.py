"""Compare a model with bicubic interpolation, as in the literature.

python examples/evaluate.py srgan.keras Set5/HR    # or a preset: srgan_x4_small
"""

import sys

from keras_srgan import load_generator
from keras_srgan.evaluation import evaluate_images
from keras_srgan.evaluation import mean_rows

name_or_file, hr_folder = sys.argv[1:]

systems = {"bicubic": "bicubic", "model": load_generator(name_or_file)}
rows = evaluate_images(systems, hr_folder)
for row in rows + mean_rows(rows):
    print(
        f"{row['image']:16} {row['system']:8} "
        f"{row['psnr']:6.2f} dB  {row['ssim']:.4f}"
    )
