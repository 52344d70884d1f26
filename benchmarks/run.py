"""Run the benchmarks of docs/performance.md and docs/export.md.

    python benchmarks/run.py
    python benchmarks/run.py --only inference many_photos
    python benchmarks/run.py --quick        # check that all benchmarks run

The first lines of the output name the machine and the package versions. Numbers
are comparable within a table, because its contenders take turns. All benchmarks
together take hours on two cores. `precision.py` and `choices.py` are not among
them, because they need training photos.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import shlex
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent
PACKAGES = (
    "keras-srgan",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "pillow",
    "onnxruntime",
)
# The commands of the two pages, and arguments that shorten them.
BENCHMARKS = [
    ("train_step.py --steps 1 --rounds 9", "--batch-size 1 --rounds 1"),
    (
        "train_step.py --batch-size 16 --steps 1 --rounds 4",
        "--batch-size 2 --rounds 1",
    ),
    (
        "train_step.py --vary batch --max-size 16 --steps 1 --rounds 2",
        "--max-size 1 --rounds 1",
    ),
    (
        "train_step.py --vary crop --steps 1 --rounds 2",
        "--batch-size 1 --rounds 1",
    ),
    ("weight_gradient.py", "--rounds 1"),
    ("inference.py", "--size 64 --rounds 2"),
    ("many_photos.py --photos 2000 --sizes 16 64", "--photos 40"),
    ("exports.py", "--rounds 2"),
    ("web_page.py", "--width 64 --height 48 --rounds 1"),
    ("input_pipeline.py", "--limit 60 --rounds 1"),
]


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = sorted({name(command) for command, _ in BENCHMARKS})
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, small sizes"
    )
    return parser


def name(command):
    return command.partition(".py")[0]


def describe():
    """Returns lines about this machine and its packages."""
    processor = platform.processor() or platform.machine()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(": ")[2]
    except OSError:  # not on Linux
        pass
    lines = [
        f"{processor}, {os.cpu_count()} logical cores, {platform.platform()}, "
        f"Python {platform.python_version()}"
    ]
    try:
        # On a shared machine, ratios are more reliable than seconds.
        lines[0] += f", load {os.getloadavg()[0]:.1f} at the start"
    except (AttributeError, OSError):
        pass
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            lines.append(torch.cuda.get_device_name())
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return [*lines, ", ".join(versions)]


if __name__ == "__main__":
    settings = make_parser().parse_args()
    print("\n\n".join(describe()), flush=True)
    failed = []
    for command, quick in BENCHMARKS:
        if name(command) not in settings.only:
            continue
        if settings.quick:
            command += f" {quick}"
        print(f"\n`python benchmarks/{command}`", flush=True)
        script, *arguments = shlex.split(command)
        result = subprocess.run([sys.executable, FOLDER / script, *arguments])
        if result.returncode:
            failed.append(command)
    for command in failed:
        print(f"failed: {command}", file=sys.stderr)
    sys.exit(1 if failed else 0)
