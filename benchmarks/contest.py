"""Interleaved measurements of several programs on one machine.

Each contender runs in its own process, so frameworks do not share threads or
memory. All contenders are first started and warmed up. Then each has one turn
per round, so other load on the machine affects all of them equally.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"}


def make_parser(description, **rounds):
    """Returns a parser with the options that all benchmarks share.

    Args:
        description: String, the docstring of the benchmark.
        **rounds: `default` and `help` of `--rounds`, if they differ.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rounds = {
        "default": 7,
        "help": "turns per contender (default: %(default)s)",
        **rounds,
    }
    parser.add_argument("--rounds", type=int, **rounds)
    parser.add_argument("--turns-of", help=argparse.SUPPRESS)
    return parser


def pass_on(settings, *names):
    """Returns settings as arguments for the process of a contender."""
    return [
        f"--{name.replace('_', '-')}={getattr(settings, name)}"
        for name in names
    ]


class Contender:
    """A process that runs one turn per request.

    Args:
        name: String, the name in the table.
        arguments: List of strings, the arguments with which the running script
            serves turns (see `serve`).
        environment: Dict of environment variables to add. Defaults to `None`.
    """

    def __init__(self, name, arguments, environment=None):
        self.name = name
        self.arguments = arguments
        self.environment = {**os.environ, **QUIET, **(environment or {})}
        self.seconds = []

    def start(self):
        # A file, because a full pipe would block the process.
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, sys.argv[0], *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=self.environment,
        )

    def receive(self):
        """Returns the next message of the process, or `None` if it failed."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def turn(self):
        """Runs one turn and returns whether it succeeded."""
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        message = self.receive()
        if message:
            self.seconds.append(message["seconds"])
        return message is not None

    def stop(self):
        """Ends the process and returns its peak memory in bytes."""
        self.process.stdin.close()
        return self.receive()["peak_bytes"]

    def get_error(self):
        """Returns the last line of the error output."""
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        if lines:
            return lines[-1]
        return f"exit status {self.process.returncode}, without a message"


def on_backends(backends, arguments):
    """Returns a `Contender` for keras_srgan on each backend.

    Args:
        backends: List of strings, values of `KERAS_BACKEND`.
        arguments: List of strings, to which `--turns-of=ours` is added.
    """
    return [
        Contender(
            f"keras_srgan, {backend}",
            [*arguments, "--turns-of=ours"],
            {"KERAS_BACKEND": backend},
        )
        for backend in backends
    ]


def serve(turn):
    """Runs turns on request. Call it in the process of a contender.

    Args:
        turn: Callable without arguments that does the work. The first call is
            the warm-up.
    """

    def measure():
        start = time.perf_counter()
        turn()
        return time.perf_counter() - start

    def send(**message):
        print(json.dumps(message), flush=True)

    send(seconds=measure())
    for _ in sys.stdin:
        send(seconds=measure())
    send(peak_bytes=_peak_bytes())


def _peak_bytes():
    """Returns the peak memory of the GPU or, without one, of the process."""
    torch, jax, tf = map(sys.modules.get, ("torch", "jax", "tensorflow"))
    if torch and torch.cuda.is_available():
        if peak := torch.cuda.max_memory_allocated():
            return peak
    if jax and (memory := jax.devices()[0].memory_stats()):
        return memory["peak_bytes_in_use"]
    if tf and tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    # In kilobytes on Linux.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(contenders, rounds):
    """Runs all contenders in turns. Contenders that fail are reported.

    Args:
        contenders: List of `Contender`. The last one is the baseline.
        rounds: Integer, the number of turns of each.

    Returns:
        A list of dicts, one per contender: `name`, `first` (seconds of the
        first turn, with compilation), `seconds` (of all other turns),
        `median`, `ratio` (the median of the ratios to the baseline's turns in
        the same rounds, NaN without a baseline) and `peak_bytes`.
    """
    console = Console(stderr=True)
    ready = []
    # One after another, because compilation also takes computing time.
    for contender in contenders:
        with console.status(f"{contender.name}: warming up"):
            contender.start()
            message = contender.receive()
        if message is None:
            console.print(f"{contender.name} failed: {contender.get_error()}")
        else:
            contender.first = message["seconds"]
            ready.append(contender)
    for number in range(rounds):
        for contender in list(ready):
            status = f"round {number + 1} of {rounds}: {contender.name}"
            with console.status(status):
                done = contender.turn()
            if not done:
                console.print(
                    f"{contender.name} failed: {contender.get_error()}"
                )
                ready.remove(contender)
    baseline = contenders[-1]
    results = []
    for contender in ready:
        ratios = [
            ours / theirs
            for ours, theirs in zip(
                contender.seconds, baseline.seconds, strict=False
            )
        ]
        results.append(
            {
                "name": contender.name,
                "first": contender.first,
                "seconds": contender.seconds,
                "median": statistics.median(contender.seconds),
                "ratio": statistics.median(ratios) if ratios else math.nan,
                "peak_bytes": contender.stop(),
            }
        )
    return results


def format_times(result, unit):
    """Returns the columns for the median and the range of a result's times.

    Args:
        result: Dict that `run` returned.
        unit: Number by which the seconds are divided.
    """
    low, high = min(result["seconds"]), max(result["seconds"])
    return [
        f"{result['median'] / unit:.3g}",
        f"{low / unit:.3g}-{high / unit:.3g}",
    ]


def show(title, columns, rows):
    """Prints a table, as Markdown if the output is not a terminal."""
    console = Console()
    if not console.is_terminal:
        print(f"\n{title}\n\n| {' | '.join(columns)} |")
        print(f"|{'---|' * len(columns)}")
        for row in rows:
            print(f"| {' | '.join(row)} |")
        return
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)
