import dataclasses
import functools
import math

# A side of the smallest window is at most this long.
SMALLEST_WINDOW = 16


@dataclasses.dataclass(frozen=True)
class Ladder:
    """The few sides of windows for which a network is compiled.

    JAX compiles a network for each input shape, which can take longer than
    computing a small photo. With a ladder, photos of any size are covered
    by windows of a few shapes: long sides by several windows, in a mixture of
    the longest rungs, and short sides by one window, in which the photo is
    padded.

    Args:
        rungs: Tuple of integers. Sides of windows, in descending order.
        mixed: Integer. How many of the longest rungs cover long sides.
        halo: Integer. Positions that the network sees to either side.
        next: The `Ladder` of the network's later stage, if there is one.
    """

    rungs: tuple[int, ...]
    mixed: int
    halo: int
    next: "Ladder | None" = None

    @classmethod
    def from_tiles(
        cls, tile_size: int, halo: int, later: tuple[int, int] | None = None
    ) -> "Ladder":
        """Returns the ladder of a network.

        The three longest rungs are windows of four, two and one times the same
        number of positions, beside the halo of the later stage. So the later
        stage covers each of them with windows of one size.

        Args:
            tile_size: Integer. Positions that a window contributes, at most.
            halo: Integer. Positions that the network sees to either side.
            later: Tile size and halo of the later stage, if there is one.
        """
        tile_size = max(tile_size, SMALLEST_WINDOW)
        later_size, later_halo = later or (tile_size, 0)
        edge = 2 * later_halo
        unit = (tile_size + 2 * halo - edge) // 4
        # One window of the later stage too many would be mostly overlap.
        count = max(1, math.ceil(0.9 * unit / later_size))
        later_size = min(later_size, unit // count)
        if later:
            unit = count * later_size
        longest = max(4 * unit + edge, 2 * halo + SMALLEST_WINDOW)
        rungs = [longest, 2 * unit + edge, unit + edge]
        while rungs[-1] > SMALLEST_WINDOW:
            rungs.append(rungs[-1] // 2)
        following = None
        if later:
            window = later_size + edge
            shorter = [rung for rung in rungs if rung < window]
            following = cls((window, *shorter), 1, later_halo)
        return cls(tuple(rungs), 3, halo, following)

    def fit(self, length: int) -> int:
        """Returns the shortest rung that holds a side."""
        return min(rung for rung in self.rungs if rung >= length)

    def cover(self, length: int) -> list[int]:
        """Returns the windows for a side, longest first.

        They are as short as possible in total, and overlap by at least twice
        the halo.
        """
        long = self.rungs[: self.mixed]
        if length <= long[-1]:
            return [self.fit(length)]
        # At least half of a shorter window should be kept.
        long = long[:1] + tuple(r for r in long[1:] if r >= 4 * self.halo)
        total, windows = _cover(length, long, self.halo)
        if length <= self.rungs[0] and self.fit(length) <= total:
            return [self.fit(length)]
        return sorted(windows, reverse=True)


@functools.lru_cache(maxsize=4096)
def _cover(length, rungs, halo):
    """Returns the least total length of windows for a side, and the windows."""
    longest = rungs[0]
    kept = longest - 2 * halo
    # Whole numbers of the longest window keep the recursion shallow.
    count = (length - 2 * longest) // kept
    if count > 0:
        total, windows = _cover(length - count * kept, rungs, halo)
        return total + count * longest, (*[longest] * count, *windows)
    choices = [(rung, (rung,)) for rung in rungs if rung >= length]
    for rung in rungs:
        if rung < length:
            total, windows = _cover(length - rung + 2 * halo, rungs, halo)
            choices.append((rung + total, (rung, *windows)))
    return min(choices)
