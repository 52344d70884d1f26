"""Compare exported models with Keras and hand-written PyTorch.

    python benchmarks/exports.py
    python benchmarks/exports.py --model srgan_x4 --photo photo.png

A turn upscales one whole photo, uint8 to uint8, on the CPU. Keras runs on each
backend. The hand-written program, `peer.py`, has different weights. The table
lists times and the differences from the output of Keras.
"""

import argparse
import os
import pathlib
import tempfile
import warnings

import numpy as np
from contest import Contender
from contest import format_times
from contest import run
from contest import serve
from contest import show
from PIL import Image

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("--model", help="preset or .keras file (default: random weights)")
add("--photo", help="small photo (default: 128 x 128 pixels of noise)")
add("--rounds", type=int, default=7, help="turns per contender (default: 7)")
add("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
add("--turns-of", nargs=2, help=argparse.SUPPRESS)

# Name, format, dtype, exporting backend.
EXPORTS = [
    ("ONNX", "onnx", "float32", "tensorflow"),
    ("ONNX, exported on torch", "onnx", "float32", "torch"),
    ("ONNX, float16", "onnx", "float16", "tensorflow"),
    ("LiteRT", "litert", "float32", "tensorflow"),
    ("LiteRT, float16", "litert", "float16", "tensorflow"),
    ("OpenVINO", "openvino", "float32", "tensorflow"),
    ("OpenVINO, default precision", "openvino-auto", "float32", "tensorflow"),
    ("SavedModel", "tf_saved_model", "float32", "tensorflow"),
    ("SavedModel, exported on JAX", "tf_saved_model", "float32", "jax"),
    ("torch.export", "torch", "float32", "torch"),
]


def load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda photos: session.run(["large"], {"photo": photos})[0]


def load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=os.cpu_count())
    photo = interpreter.get_input_details()[0]["index"]
    large = interpreter.get_output_details()[0]["index"]
    shape = ()

    def turn(photos):
        nonlocal shape
        if photos.shape != shape:
            interpreter.resize_tensor_input(photo, photos.shape)
            interpreter.allocate_tensors()
            shape = photos.shape
        interpreter.set_tensor(photo, photos)
        interpreter.invoke()
        return interpreter.get_tensor(large)

    return turn


def load_openvino(path, options=None):
    import openvino

    options = options or {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", options)
    return lambda photos: model(photos)[0]


def load_openvino_auto(path):
    return load_openvino(path, {"PERFORMANCE_HINT": "LATENCY"})


def load_saved_model(path):
    import tensorflow

    model = tensorflow.saved_model.load(path)
    return lambda photos: model.serve(photos).numpy()


def load_torch(path):
    import torch

    model = torch.export.load(path).module()

    @torch.inference_mode()
    def turn(photos):
        return model(torch.from_numpy(photos)).numpy()

    return turn


LOADERS = {
    "onnx": load_onnx,
    "litert": load_litert,
    "openvino": load_openvino,
    "openvino-auto": load_openvino_auto,
    "tf_saved_model": load_saved_model,
    "torch": load_torch,
}


def make_keras(generator):
    def turn(photos):
        large = generator.predict_on_batch(photos.astype("float32"))
        return np.rint(np.clip(large, 0, 255)).astype("uint8")

    return turn


def make_peer():
    import torch
    from peer import Generator

    generator = Generator().eval()

    @torch.inference_mode()
    def turn(photos):
        lr = torch.from_numpy(photos).permute(0, 3, 1, 2)
        sr = generator(lr.float() / 127.5 - 1)
        sr = (sr * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
        return sr.permute(0, 2, 3, 1).contiguous().numpy()

    return turn


def load_generator(folder):
    import keras

    import keras_srgan  # noqa: F401

    return keras.saving.load_model(folder / "model.keras", compile=False)


def take_turns(settings):
    format, dtype = settings.turns_of
    warnings.simplefilter("ignore")
    if format == "peer":
        turn = make_peer()
    elif format == "keras":
        turn = make_keras(load_generator(settings.folder))
    else:
        from keras_srgan.export import SUFFIXES

        kind = format.partition("-")[0]
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/model{SUFFIXES[kind]}"
            load_generator(settings.folder).export(path, kind, dtype=dtype)
            turn = LOADERS[format](path)
            # Some runtimes load their weights in the first call.
            turn(np.zeros((1, 8, 8, 3), "uint8"))
    photos = np.load(settings.folder / "photo.npy")
    name = f"{format} {dtype} {os.environ['KERAS_BACKEND']}.npy"
    np.save(settings.folder / name, turn(photos))
    serve(lambda: turn(photos))


def prepare(settings, folder):
    """Saves model and photo; returns the photo and Keras' output."""
    from keras_srgan import Generator
    from keras_srgan import load_generator
    from keras_srgan import upscale

    model = load_generator(settings.model) if settings.model else Generator()
    model.save(folder / "model.keras")
    if settings.photo:
        photo = np.asarray(Image.open(settings.photo).convert("RGB"))
    else:
        noise = np.random.default_rng(0)
        photo = noise.integers(0, 256, (128, 128, 3), "uint8")
    np.save(folder / "photo.npy", photo[None])
    return photo, upscale(model, photo)


def compare(settings, folder):
    photo, expected = prepare(settings, folder)
    shared = ["--folder", str(folder), "--turns-of"]
    contenders = []
    files = {}
    for name, format, dtype, backend in [
        *EXPORTS,
        ("Keras, TensorFlow", "keras", "float32", "tensorflow"),
        ("Keras, JAX", "keras", "float32", "jax"),
        ("Keras, torch", "keras", "float32", "torch"),
        ("PyTorch", "peer", "float32", "torch"),
    ]:
        files[name] = folder / f"{format} {dtype} {backend}.npy"
        contenders.append(
            Contender(
                name, [*shared, format, dtype], {"KERAS_BACKEND": backend}
            )
        )
    megapixels = expected.size / 3e6
    rows = []
    for result in run(contenders, settings.rounds):
        large = np.load(files[result["name"]])[0]
        difference = np.abs(large.astype(int) - expected)
        is_peer = result["name"] == "PyTorch"
        rows.append(
            [
                result["name"],
                *format_times(result, megapixels),
                f"{result['ratio']:.2f}",
                "" if is_peer else f"{difference.max()}",
                "" if is_peer else f"{difference.mean():.4f}",
            ]
        )
    show(
        f"{photo.shape[1]} x {photo.shape[0]} pixels to {megapixels:.2g} "
        "megapixels",
        [
            "",
            "s per megapixel",
            "spread",
            "over PyTorch",
            "max difference",
            "mean difference",
        ],
        rows,
    )


if __name__ == "__main__":
    settings = parser.parse_args()
    if settings.turns_of:
        take_turns(settings)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(settings, pathlib.Path(folder))
