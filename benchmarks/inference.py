"""Compare upscaling with hand-written PyTorch, onnxruntime and ncnn.

    python benchmarks/inference.py
    python benchmarks/inference.py --size 512 --precision bfloat16

A turn is one call of `upscale`, uint8 to uint8, tile by tile. The hand-written
program, `peer.py`, processes the whole photo at once, which is faster per
pixel, but needs memory that grows with the photo. onnxruntime does the same
with the exported network. ncnn, the runtime of realesrgan-ncnn, runs the
hand-written network on tiles of 64x64 pixels without overlap, because its 9x9
convolutions take 3 GB for each tile. It needs `pip install ncnn pnnx`.
"""

import numpy as np
from contest import Contender
from contest import format_times
from contest import make_parser
from contest import on_backends
from contest import pass_on
from contest import run
from contest import serve
from contest import show

parser = make_parser(__doc__)
add = parser.add_argument
add("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
add("--size", type=int, default=256, help="pixels per side (default: 256)")
add("--precision", default="float32", choices=["float32", "bfloat16"])


def serve_ours(settings):
    import keras

    if settings.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    from keras_srgan import Generator
    from keras_srgan import Upscaler

    upscaler = Upscaler(Generator())
    x = photo(settings)
    serve(lambda: upscaler(x))


def serve_onnxruntime(settings):
    import tempfile

    from exports import load_onnx

    from keras_srgan import Generator

    with tempfile.TemporaryDirectory() as folder:
        Generator().export(f"{folder}/model.onnx")
        network = load_onnx(f"{folder}/model.onnx")
    x = photo(settings)[None]
    serve(lambda: network(x))


def serve_peer(settings):
    import torch
    from peer import Generator

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, settings.precision)
    generator = Generator().to(device).eval()
    if settings.turns_of == "compiled":
        generator = torch.compile(generator)
    x = photo(settings)

    @torch.inference_mode()
    def turn():
        lr = torch.from_numpy(x).to(device).permute(2, 0, 1)[None]
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            sr = generator(lr.float() / 127.5 - 1).float()
        sr = (sr * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
        sr[0].permute(1, 2, 0).contiguous().cpu().numpy()

    serve(turn)


def serve_ncnn(settings):
    import contextlib
    import itertools
    import os
    import tempfile

    import ncnn
    import pnnx
    import torch
    from peer import Generator

    x = photo(settings)
    tile = 64
    network = ncnn.Net()
    network.opt.num_threads = os.cpu_count()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        example = torch.zeros(1, 3, tile, tile)
        pnnx.export(Generator().eval(), "model.pt", (example,))
        network.load_param("model.ncnn.param")
        network.load_model("model.ncnn.bin")

    def enlarge(lr):
        lr = np.moveaxis(lr.astype("float32") / 127.5 - 1, -1, 0)
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(np.ascontiguousarray(lr)))
        status, sr = extractor.extract("out0")
        if status:
            raise RuntimeError(f"ncnn failed with status {status}")
        levels = np.rint(np.array(sr) * 127.5 + 127.5).clip(0, 255)
        return np.moveaxis(levels.astype("uint8"), 0, -1)

    def turn():
        steps = range(0, settings.size, tile)
        for top, left in itertools.product(steps, steps):
            enlarge(x[top : top + tile, left : left + tile])

    serve(turn)


def photo(settings):
    shape = (settings.size, settings.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def compare(settings):
    import torch

    arguments = pass_on(settings, "size", "precision")
    contenders = on_backends(settings.backends, arguments)
    if settings.precision == "float32":
        contenders += [
            Contender(
                name,
                [*arguments, f"--turns-of={name}"],
                {"KERAS_BACKEND": "tensorflow"},
            )
            for name in ("onnxruntime", "ncnn")
        ]
    kinds = ["compiled", "peer"] if torch.cuda.is_available() else ["peer"]
    for kind in kinds:
        contenders.append(
            Contender(f"PyTorch, {kind}", [*arguments, f"--turns-of={kind}"])
        )
    megapixels = 16 * settings.size**2 / 1e6
    show(
        f"{settings.size} x {settings.size} pixels to {megapixels:.2g} "
        f"megapixels, {settings.precision}",
        [
            "",
            "s per megapixel",
            "spread",
            "over PyTorch",
            "peak GB",
            "first, s",
        ],
        [
            [
                result["name"],
                *format_times(result, megapixels),
                f"{result['ratio']:.2f}",
                f"{result['peak_bytes'] / 1e9:.1f}",
                f"{result['first']:.1f}",
            ]
            for result in run(contenders, settings.rounds)
        ],
    )


if __name__ == "__main__":
    settings = parser.parse_args()
    if settings.turns_of == "ours":
        serve_ours(settings)
    elif settings.turns_of == "onnxruntime":
        serve_onnxruntime(settings)
    elif settings.turns_of == "ncnn":
        serve_ncnn(settings)
    elif settings.turns_of:
        serve_peer(settings)
    else:
        compare(settings)
