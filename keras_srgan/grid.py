import numpy as np

from keras_srgan.checks import check_integer

# Flat areas: where the 17x17 variance of Y is below this.
FLAT_VARIANCE = 30


def grid_strength(image: np.ndarray, scale: int = 4) -> float:
    """Returns the strength of the grid that an upscaled photo shows.

    Upscaling networks draw a faint pattern that repeats with the pixels of the
    small photo. It is most visible on flat areas, such as skin and sky. This
    takes Y less its 9x9 mean, averages it over the flat areas at each of the
    `scale * scale` positions modulo `scale`, and returns the standard
    deviation of these averages. Flat areas are where the 17x17 variance of Y
    is below 30. An original photo has about 0.1; above 0.3 the grid is visible
    when the photo is enlarged.

    Args:
        image: uint8 or float array of shape `(height, width, 3)`, RGB in [0,
            255], at least 17 pixels high and wide, whose first pixel is the
            first of a block of `scale` by `scale` pixels.
        scale: Integer, at least 2. Period of the grid in pixels. Defaults to
            `4`.

    Returns:
        Float, in levels of Y, at least 0. NaN if one of the positions has no
        flat area; with few flat pixels, mostly noise.

    Raises:
        ValueError: if `image` or `scale` is not as above.

    Example:

    ```python
    import numpy as np
    from keras_srgan.grid import grid_strength

    image = np.full((64, 64, 3), 100, "uint8")
    grid_strength(image)  # 0.0
    image[::4, ::4] += 4
    grid_strength(image)  # 0.79
    ```
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or min(image.shape[:2]) < 17:
        raise ValueError(
            "`image` must have shape (height, width, 3), at least 17 pixels "
            f"high and wide. Received: image.shape={image.shape}"
        )
    check_integer(2, scale=scale)
    # Y of BT.601 less its offset, not rounded.
    y = image.astype("float64") @ [65.481, 128.553, 24.966] / 255
    detail = y[8:-8, 8:-8] - _box_mean(y, 9)[4:-4, 4:-4]
    variance = _box_mean(y**2, 17) - _box_mean(y, 17) ** 2
    flat = variance < FLAT_VARIANCE
    means = []
    for row in range(scale):
        for column in range(scale):
            # The first 8 rows and columns have no complete window.
            inside = np.s_[(row - 8) % scale :: scale]
            across = np.s_[(column - 8) % scale :: scale]
            values = detail[inside, across][flat[inside, across]]
            means.append(values.mean() if values.size else np.nan)
    return float(np.std(means))


def _box_mean(y, size):
    """Returns the means of all complete windows of `size` by `size`."""
    for _ in range(2):
        total = np.cumsum(np.pad(y, ((1, 0), (0, 0))), axis=0)
        y = ((total[size:] - total[:-size]) / size).T
    return y
