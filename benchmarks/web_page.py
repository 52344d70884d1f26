"""Measure the web page: the time to upscale a photo on the CPU.

    pip install -e '.[tensorflow,export,browser]'    # and Chromium
    npm install --prefix examples/web
    KERAS_BACKEND=tensorflow python benchmarks/web_page.py

Upscales one photo in Chromium without WebGPU: first with the threads that
serve.py enables, then with the single thread that other servers allow.
onnxruntime on the same CPU, without tiles, shows the cost of WebAssembly.
"""

import http.server
import os
import pathlib
import runpy
import shutil
import statistics
import tempfile
import time

import numpy as np
from contest import make_parser
from contest import show
from PIL import Image

WEB = pathlib.Path(__file__).parents[1] / "examples" / "web"
SERVE = runpy.run_path(str(WEB / "serve.py"))

parser = make_parser(__doc__, default=3, help="photos (default: %(default)s)")
add = parser.add_argument
add("--model", default="srgan_x4_small", help="default: %(default)s")
add("--width", type=int, default=640, help="default: %(default)s")
add("--height", type=int, default=480, help="default: %(default)s")


class PlainHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files as `python -m http.server` does."""

    def log_message(self, *args):
        pass


def make_site(folder, settings):
    from keras_srgan import load_generator

    for file in WEB.iterdir():
        if file.suffix != ".onnx":
            (folder / file.name).symlink_to(file)
    generator = load_generator(settings.model)
    generator.export(folder / "model.onnx")
    shape = (settings.height, settings.width, 3)
    photo = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    Image.fromarray(photo).save(folder / "photo.png")
    # Each weight of a compact generator is used once per pixel of the photo.
    operations = 2 * generator.count_params() * photo[..., 0].size
    return photo, operations


def in_browser(browser, folder, handler, rounds):
    """Returns the time of each photo after the first, in seconds."""
    seconds = []
    with SERVE["serving"](folder, handler) as address:
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(address)
        for _ in range(1 + rounds):
            start = time.perf_counter()
            page.set_input_files("#file", folder / "photo.png")
            page.wait_for_selector("#work", state="visible")
            page.wait_for_selector("#result", state="visible")
            seconds.append(time.perf_counter() - start)
        threads = page.evaluate(
            "crossOriginIsolated ? navigator.hardwareConcurrency : 1"
        )
        page.close()
    return f"Chromium, threads: {threads}", seconds[1:]


def in_onnxruntime(folder, photo, rounds):
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    name = session.get_inputs()[0].name
    seconds = []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        session.run(None, {name: photo[None]})
        seconds.append(time.perf_counter() - start)
    return f"onnxruntime, threads: {os.cpu_count()}", seconds[1:]


def main():
    from playwright.sync_api import sync_playwright

    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        photo, operations = make_site(folder, settings)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu"],
            )
            results = [
                in_browser(browser, folder, handler, settings.rounds)
                for handler in (SERVE["Handler"], PlainHandler)
            ]
            browser.close()
        results.append(in_onnxruntime(folder, photo, settings.rounds))
    show(
        f"{settings.model}, {settings.width} x {settings.height} pixels, "
        f"{operations / 1e9:.0f} GFLOP",
        ["", "s", "spread", "GFLOP/s"],
        [
            [
                name,
                f"{statistics.median(seconds):.1f}",
                f"{min(seconds):.1f}-{max(seconds):.1f}",
                f"{operations / statistics.median(seconds) / 1e9:.0f}",
            ]
            for name, seconds in results
        ],
    )


if __name__ == "__main__":
    main()
