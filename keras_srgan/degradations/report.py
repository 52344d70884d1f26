import os
from dataclasses import dataclass

import numpy as np

from keras_srgan.degradations.measurement import PhotoMeasurement
from keras_srgan.degradations.measurement import measure_photo
from keras_srgan.photo_files import find_photos

# Clean photos measure up to this.
MIN_NOISE = 3.0
MIN_BLUR = 0.6


@dataclass(frozen=True)
class PhotoReport:
    """How the photos of a folder were degraded.

    `str(report)` is a summary of a few lines; `settings()` are the arguments of
    `PhotoDegradation` for such photos.

    Attributes:
        measurements: List of `PhotoMeasurement`.
        skipped: List of strings, why further files were not measured.
    """

    measurements: list[PhotoMeasurement]
    skipped: list[str]

    @classmethod
    def of_folder(cls, folder: str | os.PathLike) -> "PhotoReport":
        """Measures the photos of a folder, up to 200 of them.

        Args:
            folder: Path of a folder of photos.

        Raises:
            ValueError: if the folder does not exist or none of its files can be
                measured.
        """
        files = find_photos(folder)
        # Spread over the folder, whose order may have a meaning.
        files = files[:: max(1, -(-len(files) // 200))]
        measurements, skipped = [], []
        for file in files:
            try:
                measurements.append(measure_photo(file))
            except (OSError, ValueError) as error:
                skipped.append(str(error))
        if not measurements:
            raise ValueError(
                "`folder` must hold photos that can be measured"
                + (f" ({skipped[0]})" if skipped else "")
                + f". Received: folder={str(folder)!r}"
            )
        return cls(measurements, skipped)

    def settings(self) -> dict:
        """Returns the arguments of `PhotoDegradation` for such photos."""
        files = self.measurements
        settings = {
            "strength": 0.0,
            "noise": self._range("noise", MIN_NOISE),
            "blur": self._range("blur", MIN_BLUR),
            "jpeg": self._share("quality"),
        }
        qualities = [m.quality for m in files if m.quality]
        if qualities:
            low, high = np.percentile(qualities, (5, 95))
            settings["quality"] = int(low), int(np.ceil(high))
            kinds = {m.subsampling for m in files if m.subsampling}
            settings["subsampling"] = tuple(sorted(kinds)) or ("4:2:0",)
        # Ten factors, in proportion.
        factors = np.quantile(
            [round(1 / m.enlarged, 2) for m in files],
            (np.arange(10) + 0.5) / 10,
            method="nearest",
        )
        if min(factors) < 1:
            settings["factors"] = tuple(factors.tolist())
        return settings

    def _share(self, name):
        values = [getattr(m, name) is not None for m in self.measurements]
        return float(np.mean(values))

    def _range(self, name, least):
        values = self._measured(name)
        if not values:
            return 0.0
        # Texture is sometimes mistaken for noise, and smooth subjects for
        # blur: the largest values are the least reliable.
        low, high = np.percentile(values, (10, 75)).tolist()
        if high < least:
            return 0.0
        return (0.0 if low < least else round(low, 2)), round(high, 2)

    def _measured(self, name):
        values = [getattr(m, name) for m in self.measurements]
        return [value for value in values if value is not None]

    def __str__(self):
        lines = [f"{_count(self.measurements, 'photo')} measured."]
        lines.append(f"Compression: {self._describe_compression()}.")
        for name, title, unit in (
            ("noise", "Noise", "levels"),
            ("blur", "Blur", "pixels"),
        ):
            lines.append(f"{title}: {self._describe(name, unit)}.")
        factors = [m.enlarged for m in self.measurements if m.enlarged > 1]
        if factors:
            lines.append(
                f"Earlier enlarging: {_count(factors, 'photo')}, by "
                f"{min(factors):.2g} to {max(factors):.2g} per side."
            )
        else:
            lines.append("Earlier enlarging: none found.")
        if self.skipped:
            lines.append(
                f"{_count(self.skipped, 'file')} skipped: {self.skipped[0]}"
            )
        return "\n".join(lines)

    def _describe_compression(self):
        files = [m for m in self.measurements if m.quality]
        if not files:
            return "none; no photo is a JPEG file"
        qualities = [m.quality for m in files]
        text = (
            f"{_count(files, 'JPEG file')} of quality "
            f"{min(qualities)} to {max(qualities)} "
            f"(median {np.median(qualities):.0f})"
        )
        others = sum(not m.exact for m in files)
        if others:
            text += (
                f"; {others} with other quantization tables than libjpeg's, "
                "for which the nearest quality is given"
            )
        return text

    def _describe(self, name, unit):
        values = self._measured(name)
        unknown = [m for m in self.measurements if getattr(m, name) is None]
        setting = self.settings()[name]
        if not values:
            return "could not be measured in any photo"
        if setting == 0:
            text = "none found"
        else:
            low, high = setting
            text = (
                f"standard deviation of {low:.2g} to {high:.2g} {unit} "
                f"(median {np.median(values):.2g})"
            )
        if unknown:
            text += f"; not measurable in {_count(unknown, 'photo')}"
        return text


def _count(items, noun):
    return f"{len(items)} {noun}{'s' if len(items) != 1 else ''}"
