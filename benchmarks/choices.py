"""Train with different settings for the same time, and compare the models.

    python benchmarks/choices.py PHOTOS --hr Set14/HR --lr Set14/LR_bicubic_x4
    python benchmarks/choices.py PHOTOS --hr ... --lr ... --table generators
    python benchmarks/choices.py PHOTOS --hr ... --lr ... --only recipe adam

Each run trains for `--minutes`, two fifths of which are the decay of the
learning rate, and its model is evaluated on the pairs of HR and LR images. All
settings take turns, once per seed. A run that is already in `--out` is
continued or, if it is finished, only evaluated. Time is that of the clock, so
the machine should have no other work.
"""

import argparse
import pathlib
import re
import statistics
import time
import tomllib

import keras
import numpy as np
from contest import show
from run import describe

from keras_srgan import Upscaler
from keras_srgan import load_generator
from keras_srgan.evaluation import evaluate_images
from keras_srgan.evaluation import mean_rows
from keras_srgan.evaluation import pixel_metrics
from keras_srgan.perceptual import LAYERS
from keras_srgan.perceptual import VGGDistances
from keras_srgan.run_folder import is_run
from keras_srgan.settings import Settings
from keras_srgan.training import TrainingRun

RECIPES = pathlib.Path(__file__).parent.parent / "recipes"
# Two fifths of all steps.
DECAY = 2 / 3
# The distance that `keras-srgan evaluate` calls layered.
NORMALIZED = {
    "before_activation": False,
    "distance": "normalized",
    "layer": dict.fromkeys(LAYERS, 0.5),
}


def with_generator(filters, upsampling):
    return {"generator": {"filters": filters, "upsampling": upsampling}}


# Table to recipe and settings; each setting replaces those of the recipe.
TABLES = {
    "stage-one": (
        "srresnet_x4_small",
        {
            "recipe": {},
            "adam": {"optimizer": "adam", "learning_rate": 1e-3},
            "half the rate": {"learning_rate": 1e-3},
            "twice the rate": {"learning_rate": 4e-3},
            "4 crops of 192": {"batch_size": 4, "crop_size": 192},
            "64 crops of 48": {"batch_size": 64, "crop_size": 48},
            "squared error": {"content_loss": "mse"},
            "Charbonnier": {"content_loss": "charbonnier"},
            "flips only": {"augmentation": {"turn": False}},
            "no drawings": {},
        },
    ),
    "generators": (
        "srresnet_x4_small",
        {
            "compact, 32 filters": with_generator(32, "pixel_shuffle_direct"),
            "compact, 64 filters": with_generator(64, "pixel_shuffle_direct"),
            "reference, 32 filters": with_generator(32, "pixel_shuffle"),
            "reference, 64 filters": with_generator(64, "pixel_shuffle"),
        },
    ),
    "stage-two": (
        "srgan_x4_small",
        {
            "recipe": {},
            "muon": {"optimizer": "muon", "learning_rate": 2e-4},
            "adversarial weight 0.1": {"adversarial_weight": 0.1},
            "relativistic": {"adversarial_loss": "relativistic"},
            "U-Net": {"discriminator": {"type": "unet", "filters": 32}},
            "after activation": {"vgg": {"before_activation": False}},
            "normalized distance": {"vgg": NORMALIZED},
            "spectrum loss": {"spectrum_weight": 0.3, "grid_weight": 25.0},
        },
    ),
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("photos", metavar="PHOTOS", help="folder of HR photos to train on")
add("--hr", required=True, metavar="DIR", help="HR photos to evaluate on")
add("--lr", required=True, metavar="DIR", help="their LR images")
add("--table", choices=TABLES, default="stage-one", help="default: stage-one")
add("--only", nargs="+", metavar="SETTING", help="rows (default: all)")
add("--minutes", type=float, default=30, help="per run (default: 30)")
add("--seeds", type=int, default=2, help="runs per setting (default: 2)")
add("--steps-per-epoch", type=int, default=50, help="default: 50")
add(
    "--no-drawings",
    metavar="PHOTOS",
    help="photos of that row, which is left out without them",
)
add("--start", default="srresnet_x4_small", help="start of stage two")
add("--vgg-weights", default="imagenet", help="of stage two")
add("--out", default="runs/choices", help="default: %(default)s")
options = parser.parse_args()
recipe, choices = TABLES[options.table]
if options.no_drawings is None:
    choices.pop("no drawings", None)
for name in options.only or ():
    if name not in choices:
        parser.error(
            f"--only must name settings of the table: {', '.join(choices)}. "
            f"Received: {name}"
        )
choices = {n: s for n, s in choices.items() if n in (options.only or choices)}


def make_settings(name, seed):
    settings = tomllib.loads((RECIPES / f"{recipe}.toml").read_text("utf-8"))
    settings["photos"] = options.photos
    if name == "no drawings":
        settings["photos"] = options.no_drawings
    if recipe.startswith("srgan"):
        settings["start"] = options.start
        settings["vgg_weights"] = options.vgg_weights
    settings["steps_per_epoch"] = options.steps_per_epoch
    settings = vars(Settings(**settings, seed=seed))
    for key, value in choices[name].items():
        # Tables keep their other values, also those that are defaults.
        if isinstance(value, dict):
            value = {**settings[key], **value}
        settings[key] = value
    return Settings(**settings)


def train(directory, settings):
    """Trains what is left of a run, and returns it."""
    if is_run(directory):
        run = TrainingRun.open(directory)
        run.train()
    else:
        run = TrainingRun.create(directory, settings)
        run.train(minutes=options.minutes / (1 + DECAY))
    run.finish(DECAY)
    return run


def evaluate(generator):
    """Returns means over the pairs."""
    metrics = pixel_metrics()
    if options.table == "stage-two":
        metrics["vgg"] = VGGDistances(options.vgg_weights, crop=192)
    rows = evaluate_images(
        {"model": generator}, options.hr, options.lr, metrics=metrics
    )
    return mean_rows(rows)[0]


def measure_cost(generator):
    """Returns parameters, operations per LR pixel and time per megapixel."""
    operations = 0
    for weight in generator.trainable_variables:
        if weight.name != "kernel":
            continue
        scale = 1
        if generator.upsampling == "pixel_shuffle":
            # The reference upsamples before its last convolutions.
            layer = weight.path.split("/")[0]
            scale = {"upscale_1_conv": 2, "rgb_conv": 4}.get(layer, 1)
        operations += int(np.prod(weight.shape)) * scale**2
    # Enlarged to a megapixel.
    photo = np.random.default_rng(0).integers(0, 256, (250, 250, 3), "uint8")
    upscaler = Upscaler(generator)
    upscaler(photo)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        upscaler(photo)
        seconds.append(time.perf_counter() - start)
    return generator.count_params(), operations, statistics.median(seconds)


results = {name: [] for name in choices}
costs, steps = {}, {}
for seed in range(options.seeds):
    for name in choices:
        settings = make_settings(name, seed)
        folder = re.sub(r"\W+", "-", f"{options.table}-{name}-{seed}")
        run = train(pathlib.Path(options.out, folder), settings)
        generator = load_generator(run.directory / "model.keras")
        results[name].append(evaluate(generator))
        if options.table == "generators":
            costs[name] = measure_cost(generator)
        steps.setdefault(name, []).append(
            round(run.epochs_done * (1 + DECAY)) * options.steps_per_epoch
        )
        keras.utils.clear_session()

columns = ["setting", "steps"]
if costs:
    columns += ["parameters", "operations", "s per megapixel"]
columns += [f"PSNR, seed {seed}" for seed in range(options.seeds)] + ["mean"]
distances = ()
if options.table == "stage-two":
    distances = ("layered", "vgg54", "grid", "spectrum")
columns += distances
rows = []
for name, measured in results.items():
    row = [name, " ".join(map(str, steps[name]))]
    if costs:
        parameters, operations, seconds = costs[name]
        row += [f"{parameters:,}", f"{operations:,}", f"{seconds:.2f}"]
    psnr = [m["psnr"] for m in measured]
    row += [f"{value:.2f}" for value in (*psnr, statistics.mean(psnr))]
    row += [
        f"{statistics.mean(m[distance] for m in measured):.3f}"
        for distance in distances
    ]
    rows.append(row)
print("\n".join(describe()))
show(
    f"{options.table}: {options.minutes:g} minutes per run, "
    f"{keras.backend.backend()}",
    columns,
    rows,
)
