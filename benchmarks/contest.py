"""Contenders measured beside each other, in turns, on one machine.

Each contender is a process of its own, so that no two frameworks share
threads or memory. All are started and warmed up first; then each has its turn
in every round, so that what else the machine does falls on all alike.
"""

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


class Contender:
    """A process that has a turn whenever it is told to.

    Args:
        name: String, how it is called in the table.
        arguments: List of strings, those of the script that is running, for
            the process in which it serves turns (see `serve`).
        environment: Dict of environment variables.
    """

    def __init__(self, name, arguments, environment=None):
        self.name = name
        self.arguments = arguments
        self.environment = {**os.environ, **QUIET, **(environment or {})}
        self.seconds = []

    def start(self):
        # A pipe that nobody reads would stop a process that says much.
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
        """Wait for what the process has to say; `None` if it has failed."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def turn(self):
        """Have a turn; return whether it came to an end."""
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        message = self.receive()
        if message:
            self.seconds.append(message["seconds"])
        return message is not None

    def stop(self):
        """End the process; return the most memory it used, in bytes."""
        self.process.stdin.close()
        return self.receive()["peak_bytes"]

    def why(self):
        """Return the last line of what went wrong."""
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        if lines:
            return lines[-1]
        return f"it ended without a word, with status {self.process.returncode}"


def serve(turn):
    """Do turns as they are asked for; for the process of a contender.

    Args:
        turn: Callable without arguments: the work. Its first call is the
            warm-up.
    """

    def measure():
        start = time.perf_counter()
        turn()
        return time.perf_counter() - start

    def say(**message):
        print(json.dumps(message), flush=True)

    say(seconds=measure())
    for _ in sys.stdin:
        say(seconds=measure())
    say(peak_bytes=_peak_bytes())


def _peak_bytes():
    """Return the most memory used: the GPU's, or else the process's."""
    torch, jax, tf = map(sys.modules.get, ("torch", "jax", "tensorflow"))
    if torch and torch.cuda.is_available():
        if peak := torch.cuda.max_memory_allocated():
            return peak
    if jax and (memory := jax.devices()[0].memory_stats()):
        return memory["peak_bytes_in_use"]
    if tf and tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    # Linux counts in kilobytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(contenders, rounds):
    """Hold a contest; those that cannot take part are named and left out.

    Args:
        contenders: List of `Contender`. The last is the peer that the others
            are compared with.
        rounds: Integer, turns for each.

    Returns:
        A list of dicts, one a contender: `name`, `first` (seconds of its
        first turn, compilation included), `seconds` (of all other turns),
        `median`, `ratio` (the median of its turns over the peer's of the same
        rounds, NaN if it had none) and `peak_bytes`.
    """
    console = Console(stderr=True)
    ready = []
    # One after another: compiling is work too.
    for contender in contenders:
        with console.status(f"{contender.name}: getting ready"):
            contender.start()
            message = contender.receive()
        if message is None:
            console.print(f"{contender.name} is left out: {contender.why()}")
        else:
            contender.first = message["seconds"]
            ready.append(contender)
    for number in range(rounds):
        for contender in list(ready):
            status = f"round {number + 1} of {rounds}: {contender.name}"
            with console.status(status):
                done = contender.turn()
            if not done:
                console.print(f"{contender.name} gave up: {contender.why()}")
                ready.remove(contender)
    peer = contenders[-1]
    results = []
    for contender in ready:
        ratios = [
            ours / theirs
            for ours, theirs in zip(
                contender.seconds, peer.seconds, strict=False
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


def show(title, columns, rows):
    """Print a table, in Markdown where it is not a terminal."""
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
