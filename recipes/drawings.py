"""Render drawings for training or testing.

    apt install openclipart-svg librsvg2-bin
    python recipes/drawings.py /usr/share/openclipart/svg --out drawings
    python recipes/drawings.py /usr/share/openclipart/svg --out unseen \
        --offset 9 --every 162

A small share of line art in the training data makes edges clean. With other
values of --offset and --every, as above, the command renders other drawings.
"""

import argparse
import io
import pathlib
import subprocess

from PIL import Image
from rich.progress import track

# File sizes in bytes. Most smaller files are simple shapes, and some larger
# files take minutes.
SMALLEST = 10_000
LARGEST = 200_000

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("folder", metavar="DRAWINGS", help="folder of SVG files")
add("--out", required=True, metavar="DIR")
add("--every", type=int, default=18, help="take every Nth file")
add("--offset", type=int, default=0, help="number of the first file")
add("--size", type=int, default=640, help="pixels of the longer side")
settings = parser.parse_args()
out = pathlib.Path(settings.out)
out.mkdir(parents=True, exist_ok=True)

files = [
    file
    for file in sorted(pathlib.Path(settings.folder).rglob("*.svg"))
    if SMALLEST <= file.stat().st_size <= LARGEST
]
files = files[settings.offset :: settings.every]
count = 0
for number, file in enumerate(track(files, "Rendering")):
    size = str(settings.size)
    command = ["rsvg-convert", "-a", "-w", size, "-h", size]
    result = subprocess.run(
        [*command, "-b", "white", str(file)], capture_output=True
    )
    if result.returncode:
        print(f"{file}: {result.stderr.decode(errors='replace').strip()}")
        continue
    drawing = Image.open(io.BytesIO(result.stdout)).convert("RGB")
    drawing.save(out / f"drawing-{number:04d}-{file.stem}.png")
    count += 1
print(f"{count} drawings in {out}")
