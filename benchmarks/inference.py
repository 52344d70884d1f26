"""Measure upscaling against hand-written PyTorch and onnxruntime.

    python benchmarks/inference.py
    python benchmarks/inference.py --size 512 --precision bfloat16

A turn is one call of `upscale`, uint8 to uint8, tile by tile. The hand-written
program, `peer.py`, processes the photo in one piece, which is faster per pixel
but takes memory that grows with the photo. So does onnxruntime, with the
exported network.
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


def photo(settings):
    shape = (settings.size, settings.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def compare(settings):
    import torch

    arguments = pass_on(settings, "size", "precision")
    contenders = on_backends(settings.backends, arguments)
    if settings.precision == "float32":
        contenders.append(
            Contender(
                "onnxruntime",
                [*arguments, "--turns-of=onnxruntime"],
                {"KERAS_BACKEND": "tensorflow"},
            )
        )
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
    elif settings.turns_of:
        serve_peer(settings)
    else:
        compare(settings)
