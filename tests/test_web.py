"""Both pages, driven in a browser as a person would."""

import contextlib
import http.server
import io
import os
import runpy
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import Generator
from keras_srgan import upscale
from keras_srgan.export import BACKENDS

ROOT = Path(__file__).parents[1]
WEB = ROOT / "examples" / "web"
serve = runpy.run_path(str(WEB / "serve.py"))["serving"]
# Two levels of 255 is what the page may differ by; it is seen to be one.
TOLERANCE = 2


# === The browser ===


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip(
        "playwright.sync_api",
        reason="NO PAGE TESTED: pip install keras-srgan[browser]",
    )
    with api.sync_playwright() as playwright:
        try:
            browser = launch(playwright.chromium)
        except api.Error as error:
            pytest.skip(f"NO PAGE TESTED: no Chromium is found: {error}")
        with browser:
            yield browser


def launch(chromium, *arguments):
    """Start the system's Chromium, or else the one that Playwright brought."""
    names = "chromium", "chromium-browser", "google-chrome"
    return chromium.launch(
        executable_path=next(filter(None, map(shutil.which, names)), None),
        args=["--no-sandbox", *arguments],
    )


@pytest.fixture
def page(browser):
    """A page that may talk to this machine only."""
    with contextlib.closing(browser.new_page()) as page:
        page.set_default_timeout(60_000)
        said = []
        page.on("request", lambda request: said.append(request.url))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        yield page
        local = "http://127.0.0.1:", "blob:", "data:"
        assert [text for text in said if not text.startswith(local)] == []


def shoot(page, name):
    """Keep what the page looks like, for a person who wants to see it."""
    folder = os.environ.get("KERAS_SRGAN_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


# === Photos ===


@pytest.fixture(scope="module")
def generator():
    return make_generator()


def make_generator(**kwargs):
    """A generator with contrasts, as a trained one has, on any backend."""
    generator = Generator(num_blocks=1, filters=4, **kwargs)
    random = np.random.default_rng(0)
    for weight in generator.weights:
        width = max(1, np.prod(weight.shape[:-1])) ** 0.5
        bump = random.normal(size=weight.shape) / width
        weight.assign(keras.ops.convert_to_numpy(weight) + bump)
    return generator


@pytest.fixture
def photo(tmp_path):
    # Of a size that takes several tiles, which do not come out even.
    return make_photo(tmp_path / "photo.png", 451, 233)


def make_photo(path, width, height):
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x % 256, y % 256, (x * y // 16) % 256], -1)
    Image.fromarray(pixels.astype("uint8")).save(path)
    return path


def make_unfit(kind, folder):
    """A file that cannot be enlarged."""
    if kind == "text":
        path = folder / "notes.txt"
        path.write_text("These are notes.")
        return path
    if kind == "corrupt":
        whole = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), "uint8")
        Image.fromarray(noise).save(whole, "PNG")
        path = folder / "cut.png"
        path.write_bytes(whole.getvalue()[:5000])
        return path
    path = folder / "huge.png"
    Image.new("RGB", (6000, 4000), "red").save(path, compress_level=1)
    return path


def assert_same(large, generator, file):
    expected = upscale(generator, np.asarray(Image.open(file).convert("RGB")))
    assert large.shape == expected.shape
    assert np.ptp(expected) > 100
    assert np.abs(large.astype(int) - expected).max() <= TOLERANCE


# === The page without a server ===


@pytest.fixture(scope="module")
def site(generator, tmp_path_factory):
    """Address of the page, served by examples/web/serve.py."""
    if keras.backend.backend() not in BACKENDS["onnx"]:
        pytest.skip(f"{keras.backend.backend()} writes no ONNX")
    if not (WEB / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("PAGE NOT TESTED: run npm install in examples/web")
    folder = tmp_path_factory.mktemp("site")
    for file in WEB.iterdir():
        if file.suffix != ".onnx":
            (folder / file.name).symlink_to(file)
    try:
        generator.export(folder / "model.onnx")
    except ImportError as error:
        pytest.skip(f"PAGE NOT TESTED: {error}")
    with serve(folder) as address:
        yield address


def download(page):
    with page.expect_download() as event:
        page.click("#download")
    image = Image.open(event.value.path())
    return event.value.suggested_filename, np.asarray(image.convert("RGB"))


def test_page_enlarges_a_photo(page, site, generator, photo):
    page.goto(site)
    shoot(page, "page-empty")
    page.set_input_files("#file", photo)
    page.wait_for_selector("#result", state="visible")
    shoot(page, "page-result")
    name, large = download(page)
    assert name == "photo-x4.png"
    assert_same(large, generator, photo)
    assert "451 × 233 → 1804 × 932" in page.inner_text("#caption")
    # The network is there already for the next one.
    small = make_photo(photo.with_name("small.png"), 7, 5)
    page.set_input_files("#file", small)
    page.wait_for_selector("text=7 × 5 → 28 × 20")
    name, large = download(page)
    assert name == "small-x4.png"
    assert_same(large, generator, small)


def test_page_runs_the_compact_generator(page, site, photo, tmp_path):
    for file in WEB.iterdir():
        if file.suffix != ".onnx":
            (tmp_path / file.name).symlink_to(file)
    compact = make_generator(upsampling="pixel_shuffle_direct")
    compact.export(tmp_path / "model.onnx")
    with serve(tmp_path) as address:
        page.goto(address)
        page.set_input_files("#file", photo)
        page.wait_for_selector("text=451 × 233 → 1804 × 932")
        assert_same(download(page)[1], compact, photo)


def test_page_needs_no_special_server(page, site, generator, photo, tmp_path):
    page.goto(site)
    assert page.evaluate("crossOriginIsolated")
    for file in WEB.iterdir():
        if file.suffix != ".onnx":
            (tmp_path / file.name).symlink_to(file)
    generator.export(tmp_path / "model.onnx")
    plain = http.server.SimpleHTTPRequestHandler
    with serve(tmp_path, handler=plain) as address:
        page.goto(address)
        assert not page.evaluate("crossOriginIsolated")
        page.set_input_files("#file", make_photo(photo, 30, 20))
        page.wait_for_selector("text=30 × 20 → 120 × 80")
        assert_same(download(page)[1], generator, photo)


def test_slider_moves_the_line(page, site, photo):
    page.goto(site)
    page.set_input_files("#file", make_photo(photo, 60, 40))
    page.wait_for_selector("#result", state="visible")
    box = page.locator("#compare").bounding_box()
    y = box["y"] + box["height"] / 2
    for part in (0.25, 0.75):
        page.mouse.click(box["x"] + part * box["width"], y)
        line = page.locator("#handle").bounding_box()["x"]
        assert abs(line - box["x"] - part * box["width"]) < 12


def test_photo_can_be_dropped(page, site, generator, photo):
    page.goto(site)
    data = page.evaluate_handle(
        """async (bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "photo.png",
                                    { type: "image/png" }));
            return data;
        }""",
        list(make_photo(photo, 30, 20).read_bytes()),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    page.wait_for_selector("#result", state="visible")
    assert_same(download(page)[1], generator, photo)


def test_turned_and_transparent_photos(page, site, generator, photo):
    page.goto(site)
    upright = Image.open(make_photo(photo, 30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photo.with_name("turned.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    page.set_input_files("#file", turned)
    page.wait_for_selector("text=30 × 20 → 120 × 80")
    assert_same(download(page)[1], generator, photo)

    hole = photo.with_name("hole.png")
    clear = Image.new("RGBA", (31, 20), (255, 0, 0, 0))
    clear.paste(upright.convert("RGBA"))
    clear.save(hole)
    white = Image.new("RGB", (31, 20), "white")
    white.paste(upright)
    white.save(photo)
    page.set_input_files("#file", hole)
    page.wait_for_selector("text=31 × 20 → 124 × 80")
    assert_same(download(page)[1], generator, photo)


def test_page_on_a_graphics_card(browser, site, generator, photo):
    # One that Chromium emulates on the processor.
    emulation = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    with launch(browser.browser_type, *emulation) as browser:
        page = browser.new_page()
        page.goto(site)
        if not page.evaluate("navigator.gpu?.requestAdapter().then(Boolean)"):
            pytest.skip("WEBGPU NOT TESTED: this Chromium has none")
        page.set_input_files("#file", make_photo(photo, 40, 30))
        page.wait_for_selector("text=on the GPU")
        page.wait_for_selector("text=40 × 30 → 160 × 120", timeout=60_000)
        assert_same(download(page)[1], generator, photo)


# A runtime that computes black pictures, with another that works.
BLACK = """
import * as wasm from "./working.mjs";
export const { env, Tensor } = wasm;
export const InferenceSession = {
  async create(model) {
    const session = await wasm.InferenceSession.create(model, {
      executionProviders: ["wasm"],
    });
    return {
      async run(inputs) {
        const { large } = await session.run(inputs);
        large.data.fill(0);
        return { large };
      },
      release: () => session.release(),
    };
  },
};
"""


@pytest.fixture
def broken(site, generator, tmp_path):
    """Function that serves the page with a broken runtime for a device."""

    @contextlib.contextmanager
    def get(device):
        for file in WEB.iterdir():
            if file.suffix != ".onnx" and file.name != "node_modules":
                (tmp_path / file.name).symlink_to(file)
        runtime = "node_modules/onnxruntime-web/dist"
        (tmp_path / runtime).mkdir(parents=True)
        name = f"ort.{device}.min.mjs"
        for file in (WEB / runtime).iterdir():
            if file.name != name:
                (tmp_path / runtime / file.name).symlink_to(file)
        working = WEB / runtime / "ort.wasm.min.mjs"
        (tmp_path / runtime / "working.mjs").symlink_to(working)
        (tmp_path / runtime / name).write_text(BLACK)
        # Not every Chromium has a graphics card, and some have one.
        adapter = "{}" if device == "webgpu" else "null"
        worker = tmp_path / "upscaling.js"
        text = worker.read_text()
        worker.unlink()
        worker.write_text(
            "Object.defineProperty(self.navigator, 'gpu', { value: "
            f"{{ requestAdapter: async () => ({adapter}) }} }});\n{text}"
        )
        generator.export(tmp_path / "model.onnx")
        with serve(tmp_path) as address:
            yield address

    return get


def test_a_card_that_computes_black_is_not_used(page, broken, generator, photo):
    with broken("webgpu") as address:
        page.goto(address)
        page.set_input_files("#file", make_photo(photo, 40, 30))
        page.wait_for_selector("text=40 × 30 → 160 × 120")
        shoot(page, "page-fallback")
        caption = page.inner_text("#caption")
        assert "levels off, so the processor is used." in caption
        assert_same(download(page)[1], generator, photo)


def test_a_browser_that_computes_black_hands_out_nothing(page, broken, photo):
    with broken("wasm") as address:
        page.goto(address)
        page.set_input_files("#file", make_photo(photo, 40, 30))
        page.wait_for_selector("#message", state="visible")
        message = page.inner_text("#message")
        assert "This browser computes wrong pictures" in message
        assert page.is_hidden("#result")


@pytest.mark.parametrize("kind", ["text", "corrupt", "huge"])
def test_page_says_what_is_wrong(page, site, kind, tmp_path):
    page.goto(site)
    page.set_input_files("#file", make_unfit(kind, tmp_path))
    page.wait_for_selector("#message", state="visible")
    shoot(page, f"page-{kind}")
    text = page.inner_text("#message")
    words = {
        "text": "notes.txt is not a photo.",
        "corrupt": "Cannot read cut.png. It is damaged",
        "huge": "huge.png has 24.0 megapixels. This page accepts at most 4.0",
    }
    assert words[kind] in text
    assert page.is_hidden("#work") and page.is_hidden("#result")


def test_largest_photo_of_another_scale(page, site, tmp_path):
    """The first photo already is judged by the scale of the network."""
    for file in WEB.iterdir():
        if file.suffix != ".onnx":
            (tmp_path / file.name).symlink_to(file)
    double = Generator(scale=2, num_blocks=0, filters=1)
    double.export(tmp_path / "model.onnx")
    with serve(tmp_path) as address:
        page.goto(address)
        Image.new("RGB", (4100, 4000)).save(tmp_path / "huge.png")
        page.set_input_files("#file", tmp_path / "huge.png")
        page.wait_for_selector("text=accepts at most 16.0")
        Image.new("RGB", (3000, 3000)).save(tmp_path / "large.png")
        page.set_input_files("#file", tmp_path / "large.png")
        page.wait_for_selector("text=Upscaling large.png")


def test_work_can_be_stopped(page, site, photo):
    page.goto(site)
    page.set_input_files("#file", make_photo(photo, 1600, 1200))
    page.wait_for_selector("#cancel", state="visible")
    page.wait_for_function("document.getElementById('progress').value > 0")
    shoot(page, "page-working")
    page.click("#cancel")
    assert page.inner_text("#message") == "Stopped."
    page.set_input_files("#file", make_photo(photo, 8, 6))
    page.wait_for_selector("text=8 × 6 → 32 × 24")


def test_page_without_its_files_says_what_to_do(page, site, photo, tmp_path):
    for file in WEB.iterdir():
        if file.is_file() and file.suffix != ".onnx":
            (tmp_path / file.name).symlink_to(file)
    with serve(tmp_path) as address:
        page.goto(address)
        page.set_input_files("#file", photo)
        page.wait_for_selector("#message", state="visible")
        assert "keras-srgan export" in page.inner_text("#message")
        (tmp_path / "model.onnx").write_bytes(b"no such network")
        page.set_input_files("#file", photo)
        page.wait_for_selector("text=damaged")


# === The page with a server ===


@pytest.fixture(scope="module")
def app(generator, tmp_path_factory):
    """Address of examples/app.py, which takes 0.2 megapixels."""
    pytest.importorskip(
        "gradio", reason="APP NOT TESTED: pip install keras-srgan[app]"
    )
    folder = tmp_path_factory.mktemp("app")
    generator.save(folder / "model.keras")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, ROOT / "examples" / "app.py"]
    command += [folder / "model.keras", "--port", str(port)]
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(
            [*command, "--max-megapixels", "0.2"],
            stdout=log,
            stderr=log,
            env={**os.environ, "GRADIO_TEMP_DIR": str(folder / "gradio")},
        ) as process,
    ):
        try:
            for _ in range(600):
                assert process.poll() is None, (folder / "log").read_text()
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


def give(page, app, path):
    page.goto(app)
    page.wait_for_selector("text=Enlarge a photo")
    page.locator("input[type=file]").first.set_input_files(path)


def test_app_enlarges_a_photo(page, app, generator, photo):
    give(page, app, photo)
    images = page.locator("img[src*='/file=']")
    images.nth(1).wait_for()
    shoot(page, "app-result")
    before, after = (
        np.asarray(
            Image.open(io.BytesIO(page.request.get(source).body())).convert(
                "RGB"
            )
        )
        for source in (images.nth(i).get_attribute("src") for i in (0, 1))
    )
    assert before.shape == after.shape
    bicubic = Image.open(photo).resize((1804, 932), Image.Resampling.BICUBIC)
    # The slider may have either picture first.
    if np.array_equal(after, bicubic):
        after = before
    assert_same(after, generator, photo)


@pytest.mark.parametrize("kind", ["text", "corrupt", "huge"])
def test_app_says_what_is_wrong(page, app, kind, tmp_path):
    give(page, app, make_unfit(kind, tmp_path))
    message = page.locator(".toast-body")
    message.wait_for()
    shoot(page, f"app-{kind}")
    words = {
        "text": "Cannot read photo notes.txt: cannot identify its format",
        "corrupt": "Cannot read photo cut.png: image file is truncated",
        "huge": "huge.png has 24.0 megapixels, and this page takes at most 0.2",
    }
    assert words[kind] in message.inner_text()
