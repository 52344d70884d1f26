"""Types of command-line options, for argparse.

They return the value of a text, or raise `argparse.ArgumentTypeError`.
"""

import argparse
import math
import re
from collections.abc import Callable


def integer(low: int, high: float = math.inf) -> Callable[[str], int]:
    """Returns the type of integers between two bounds."""

    def parse(text):
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"must be an integer from {low} to {high}, not {text!r}"
                if high < math.inf
                else f"must be an integer, at least {low}, not {text!r}"
            )
        return int(text)

    return parse


def positive(text: str) -> float:
    """Returns a positive number."""
    number = _parse_float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"must be a positive number, not {text!r}"
        )
    return number


def fraction(text: str) -> float:
    """Returns a number in [0, 1]."""
    number = _parse_float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(
            f"must be a number from 0 to 1, not {text!r}"
        )
    return number


def size(text: str) -> tuple[int, int]:
    """Returns `(width, height)` of a text such as `"1920x1080"`."""
    match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"must be like 1920x1080, not {text!r}"
        )
    return int(match[1]), int(match[2])


def _parse_float(text):
    try:
        return float(text)
    except ValueError:
        return math.nan
