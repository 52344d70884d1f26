"""Compare the complete GAN step with hand-written PyTorch.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --batch-size 30 --precision bfloat16
    python benchmarks/train_step.py --backends jax --vary batch

A turn is a `fit` on photos in memory: transfer to the device, augmentation,
both networks, VGG19 (with random weights, which take the same time), both
updates and the metrics. The hand-written program, `peer.py`, does less work. It
also runs in channels-last layout and, on a GPU, with `torch.compile`.
"""

import time

import numpy as np
from contest import Contender
from contest import format_times
from contest import make_parser
from contest import on_backends
from contest import pass_on
from contest import run
from contest import serve
from contest import show

SIZES = {"batch": [1, 4, 16, 64], "crop": [64, 128, 256]}

parser = make_parser(__doc__)
add = parser.add_argument
add("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
add("--batch-size", type=int, default=4, help="default: 4")
add("--crop-size", type=int, default=128, help="default: 128")
add("--precision", default="float32", choices=["float32", "bfloat16"])
add("--steps", type=int, default=2, help="steps per turn (default: 2)")
add("--vary", choices=SIZES, help="measure the cost by batch or crop size")
add("--max-size", type=int, default=64, help="largest batch of --vary batch")


def serve_ours(settings):
    import keras

    if settings.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    from keras_srgan import SRGAN
    from keras_srgan import VGGContentLoss

    srgan = SRGAN()
    srgan.compile(content_loss=VGGContentLoss(weights=None))
    x = photos(settings)
    serve(lambda: srgan.fit(x, batch_size=settings.batch_size, verbose=0))


def serve_peer(settings):
    import torch
    from peer import SRGAN

    srgan = SRGAN(
        device="cuda" if torch.cuda.is_available() else "cpu",
        dtype=getattr(torch, settings.precision),
        channels_last="channels last" in settings.turns_of,
        compiled="compiled" in settings.turns_of,
    )
    x = photos(settings)

    def turn():
        for start in range(0, len(x), settings.batch_size):
            losses = srgan.step(x[start : start + settings.batch_size])
        # Wait for the losses, as `fit` does.
        [float(loss) for loss in losses]

    serve(turn)


def photos(settings):
    count = settings.steps * settings.batch_size
    shape = (count, settings.crop_size, settings.crop_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def count_flops(settings):
    """Returns the floating-point operations of one photo's step."""
    import torch
    from peer import SRGAN
    from torch.utils.flop_counter import FlopCounterMode

    def count(work):
        with FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops()

    srgan = SRGAN("cpu", torch.float32)
    size = settings.crop_size
    photo = np.zeros((1, size, size, 3), "uint8")
    generated = torch.zeros(1, 3, size, size)
    # keras_srgan's discriminator sees generated photos once, the peer's twice.
    return count(lambda: srgan.step(photo)) - count(
        lambda: srgan.discriminator(generated)
    )


def measure_peak(settings):
    """Returns the FLOP/s of a large matrix product on this machine."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    side = 16384 if device == "cuda" else 4096
    dtype = getattr(torch, settings.precision)
    torch.backends.cuda.matmul.allow_tf32 = True
    a = torch.randn(side, side, dtype=dtype, device=device)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def measure(settings, peers=()):
    """Measures keras_srgan on all backends, and the given kinds of peers."""
    arguments = pass_on(
        settings, "batch_size", "crop_size", "precision", "steps"
    )
    contenders = on_backends(settings.backends, arguments)
    for kind in peers:
        contenders.append(
            Contender(f"PyTorch, {kind}", [*arguments, f"--turns-of={kind}"])
        )
    return run(contenders, settings.rounds)


def compare(settings):
    import torch

    gpu = torch.cuda.is_available()
    peers = ["channels last", "peer"]
    if gpu:
        peers = ["compiled", "compiled, channels last", *peers]
    results = measure(settings, peers)
    flops = count_flops(settings)
    peak = measure_peak(settings)
    images = settings.steps * settings.batch_size
    show(
        f"GAN step, batch {settings.batch_size}, crops of "
        f"{settings.crop_size}, {settings.precision}: "
        f"{flops / 1e9:.0f} GFLOP per image, matrix product "
        f"{peak / 1e12:.2f} TFLOP/s",
        [
            "",
            "s per step",
            "spread",
            "over PyTorch",
            "images/s",
            "of peak",
            "peak GB",
            "compiling, s",
        ],
        [
            [
                result["name"],
                *format_times(result, settings.steps),
                f"{result['ratio']:.2f}",
                f"{images / result['median']:.3g}",
                f"{flops * images / result['median'] / peak:.0%}",
                f"{result['peak_bytes'] / 1e9:.1f}",
                f"{result['first'] - result['median']:.1f}",
            ]
            for result in results
        ],
    )


def vary(settings):
    name = f"{settings.vary}_size"
    rows = []
    for size in SIZES[settings.vary]:
        if settings.vary == "batch" and size > settings.max_size:
            continue
        setattr(settings, name, size)
        # Ideally, the cost per pixel does not depend on the size.
        pixels = settings.batch_size * settings.crop_size**2 * settings.steps
        for result in measure(settings):
            rows.append(
                [
                    str(size),
                    result["name"],
                    f"{result['median'] / settings.steps:.3g}",
                    f"{result['median'] / pixels * 128**2:.3g}",
                    f"{result['first'] - result['median']:.1f}",
                ]
            )
    show(
        f"GAN step by {settings.vary} size",
        [
            settings.vary,
            "",
            "s per step",
            "s per 128 x 128 pixels",
            "compiling, s",
        ],
        rows,
    )


if __name__ == "__main__":
    settings = parser.parse_args()
    if settings.turns_of == "ours":
        serve_ours(settings)
    elif settings.turns_of:
        serve_peer(settings)
    elif settings.vary:
        vary(settings)
    else:
        compare(settings)
