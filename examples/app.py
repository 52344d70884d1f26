"""A web page that upscales photos on the server.

pip install -e '.[app]'
python examples/app.py                  # then open http://127.0.0.1:7860
python examples/app.py srgan.keras      # your own model
"""

import argparse
import sys
from pathlib import Path

import gradio as gr
from PIL import Image

from keras_srgan import Upscaler
from keras_srgan import load_generator
from keras_srgan.photo import open_photo
from keras_srgan.photo import upright

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "model",
    nargs="?",
    default="srgan_x4_base",
    help="a preset, or a .keras file (default: %(default)s)",
)
parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
parser.add_argument("--port", type=int, default=7860, help="default: 7860")
parser.add_argument(
    "--max-megapixels",
    type=float,
    default=4,
    help="largest photo accepted (default: %(default)s)",
)
settings = parser.parse_args()
try:
    upscaler = Upscaler(load_generator(settings.model))
except (ImportError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")


def error_message(text):
    return gr.Error(text, duration=None, print_exception=False)


def enlarge(path, progress=gr.Progress()):  # noqa: B008
    name = Path(path).name
    try:
        photo = upright(open_photo(path))
    except OSError as error:
        raise error_message(f"{error}.".replace(path, name)) from error
    if photo.mode == "F":
        raise error_message(
            f"{name} has float levels of unknown range, which this page does "
            "not accept."
        )
    megapixels = photo.width * photo.height / 1e6
    if megapixels > settings.max_megapixels:
        raise error_message(
            f"{name} has {megapixels:.1f} megapixels, and this page "
            f"takes at most {settings.max_megapixels:g}."
        )
    large = upscaler(
        photo, progress=lambda done: progress(done, desc="Enlarging")
    )
    return photo.resize(large.size, Image.Resampling.BICUBIC), large


with gr.Blocks(title="Enlarge a photo", analytics_enabled=False) as app:
    gr.Markdown(
        f"# Enlarge a photo\n{upscaler.scale}x per side, by a neural network."
    )
    source = gr.File(label="Photo")
    result = gr.ImageSlider(
        label="Left: bicubic. Right: enlarged by the network.",
        format="png",
        max_height=800,
        interactive=False,
    )
    source.upload(enlarge, source, result)

app.launch(server_name=settings.host, server_port=settings.port)
