import os

CLEAN = "srgan_x4_base"
PHOTOS = "srgan_x4_photos"
SCALE = 4
# On Set14, `PHOTOS` is closer to the original at a JPEG quality of 90, and
# `CLEAN` at 95. In the texture of clean photos, up to this noise is measured.
MIN_QUALITY = 93
MAX_NOISE = 5.0
MAX_BLUR = 1.0
MAX_ENLARGED = 1.1


def choose_preset(path: str | os.PathLike) -> tuple[str, str]:
    """Chooses the preset for a photo by how the photo was degraded.

    Args:
        path: Path of the photo.

    Returns:
        A tuple: `"srgan_x4_base"` for clean photos, or `"srgan_x4_photos"`
        for those that are compressed, noisy, blurred or enlarged before; and
        the reason as a text. Photos that cannot be measured, because they are
        smaller than 64 pixels per side, count as clean.

    Raises:
        OSError: if the file is not a photo.

    Example:

    ```python
    from keras_srgan import load_generator, upscale
    from keras_srgan.model_choice import choose_preset

    name, reason = choose_preset("photo.jpg")
    upscale(load_generator(name), "photo.jpg").save("large.png")
    ```
    """
    # Here, so that the command line starts without Keras.
    from keras_srgan.degradations import measure_photo

    try:
        photo = measure_photo(path)
    except ValueError:
        return CLEAN, "too small to be measured"
    if photo.quality and photo.quality < MIN_QUALITY:
        return PHOTOS, f"JPEG quality {photo.quality}"
    if photo.enlarged > MAX_ENLARGED:
        return PHOTOS, f"enlarged {photo.enlarged:.1f} times before"
    if (photo.noise or 0) > MAX_NOISE:
        return PHOTOS, f"noise of {photo.noise:.0f} levels"
    if (photo.blur or 0) > MAX_BLUR:
        return PHOTOS, f"blur of {photo.blur:.1f} pixels"
    return CLEAN, "clean"
