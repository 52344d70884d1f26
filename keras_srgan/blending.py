import os
from pathlib import Path

import keras

from keras_srgan.checks import get_generator
from keras_srgan.loading import load_generator
from keras_srgan.preset import read_partners

# Entries of a generator's configuration that do not change its function.
NOT_ARCHITECTURE = {"name", "trainable", "dtype"}


def blend_generators(
    faithful: keras.Model, vivid: keras.Model, detail: float
) -> keras.Model:
    """Returns a generator whose weights lie between those of two others.

    Between a network trained for PSNR and the GAN that was trained from its
    weights, the blends trade fidelity for sharpness. Each weight is
    `(1 - detail) * faithful + detail * vivid`.

    Args:
        faithful: `Generator`, or an `SRGAN` or another model that holds one:
            the result at `detail=0`.
        vivid: The same, of the same architecture: the result at `detail=1`.
        detail: Float in [0, 1]. At 0 and 1, the weights are exactly those of
            one of the two.

    Returns:
        A new generator, with the dtype policy of `vivid`.

    Raises:
        ValueError: if the architectures differ, or `detail` is not in [0, 1].

    Example:

    ```python
    from keras_srgan import blend_generators, load_generator, upscale

    generator = blend_generators(
        load_generator("srresnet_x4_small"),
        load_generator("srgan_x4_small"),
        detail=0.5,
    )
    upscale(generator, "photo.jpg").save("large.png")
    ```

    Reference: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative
    Adversarial Networks" (2018), section 3.4,
    https://arxiv.org/abs/1809.00219
    """
    check_detail(detail)
    faithful, vivid = get_generator(faithful), get_generator(vivid)
    _check_architectures(faithful, vivid)
    pairs = zip(faithful.get_weights(), vivid.get_weights(), strict=True)
    blend = type(vivid).from_config(vivid.get_config())
    blend.set_weights([_blend(start, end, detail) for start, end in pairs])
    return blend


def load_blend(preset: str | os.PathLike, detail: float) -> keras.Model:
    """Loads the blend of a preset and its partner.

    The metadata of a preset names its partner: the faithful one of a vivid
    preset, or the reverse.

    Args:
        preset: Either preset of the pair, as for `Generator.from_preset`.
        detail: Float in [0, 1]: 0 is the faithful preset, 1 the vivid one.

    Returns:
        A `Generator`.

    Raises:
        ValueError: if the preset does not exist, it has no partner, the
            architectures of the two differ, or `detail` is not in [0, 1].
        OSError: if a file is missing, damaged or cannot be downloaded.

    Example:

    ```python
    from keras_srgan.blending import load_blend

    generator = load_blend("srgan_x4_small", detail=0.5)
    ```
    """
    check_detail(detail)
    pair = find_pair(preset)
    return blend_generators(
        load_generator(pair["faithful"]), load_generator(pair["vivid"]), detail
    )


def find_pair(
    preset: str | os.PathLike,
) -> dict[str, str | os.PathLike]:
    """Returns the faithful and the vivid preset of a pair.

    Args:
        preset: Either of them, as for `Generator.from_preset`.

    Returns:
        Dict of `"faithful"` and `"vivid"` to a preset.

    Raises:
        ValueError: if the preset does not exist or has no partner.
        OSError: if a file is missing, damaged or cannot be downloaded.

    Example:

    ```python
    from keras_srgan.blending import find_pair

    find_pair("srgan_x4_small")["faithful"]  # "srresnet_x4_small"
    ```
    """
    # A `.keras` file has no metadata.
    partners = {} if Path(preset).is_file() else read_partners(preset)
    pair = {"faithful": preset, "vivid": preset, **partners}
    if pair["faithful"] == pair["vivid"]:
        raise ValueError(
            "`preset` must have a faithful or a vivid partner, as the presets "
            f"that ship have. Received: preset={str(preset)!r}, without one"
        )
    return pair


def check_detail(detail: float) -> None:
    """Raises `ValueError` unless `detail` is a number in [0, 1]."""
    if not isinstance(detail, int | float) or not 0 <= detail <= 1:
        raise ValueError(
            f"`detail` must be a number in [0, 1]. Received: detail={detail!r}"
        )


def _check_architectures(faithful, vivid):
    ours, theirs = (
        {
            name: value
            for name, value in model.get_config().items()
            if name not in NOT_ARCHITECTURE
        }
        for model in (faithful, vivid)
    )
    if type(faithful) is type(vivid) and ours == theirs:
        return
    different = {
        name: (ours.get(name), theirs.get(name))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    }
    if not hasattr(faithful, "scale") or not hasattr(vivid, "scale"):
        different = f"{type(faithful).__name__} and {type(vivid).__name__}"
    raise ValueError(
        "`faithful` and `vivid` must have the same architecture. "
        f"Received: {different}"
    )


def _blend(start, end, detail):
    # 0 * x + y would turn -0.0 into 0.0.
    if detail == 0:
        return start
    if detail == 1:
        return end
    return (1 - detail) * start + detail * end
