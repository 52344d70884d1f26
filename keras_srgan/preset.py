import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np

from keras_srgan.files import replacing

FOLDER = Path(__file__).parent / "weights"
CONFIG = "config.json"
WEIGHTS = "weights.npz"


def presets() -> dict[str, dict]:
    """Return the trained generators that the package ships.

    Returns:
        Dict of name to a dict: `"description"`, a sentence that says what it
        is for; `"scale"`, how many times larger it makes a photo;
        `"parameters"`, how many numbers were trained. A card beside the
        weights of each, `keras_srgan/weights/NAME/README.md`, says what it
        was trained on, how, and where it fails.

    Example:

    ```python
    from keras_srgan import presets

    for name, about in presets().items():
        print(name, about["description"])
    ```
    """
    configs = {
        file.parent.name: _read_config(file)
        for file in sorted(FOLDER.glob(f"*/{CONFIG}"))
    }
    return {
        name: {
            "description": config["description"],
            "scale": config["generator"]["scale"],
            "parameters": config["parameters"],
        }
        for name, config in configs.items()
    }


def read_preset(preset: str | os.PathLike) -> tuple[dict, list]:
    """Find a preset, and see that its weights are whole.

    Args:
        preset: One of the names in `presets()`, or the path of a folder that
            `recipes/pack.py` wrote.

    Returns:
        A tuple: dict of the arguments of its `Generator`, and list of its
        weights, float16 arrays in the order of `get_weights`.

    Raises:
        ValueError: if there is no such preset. The message lists the names.
        OSError: if a file is missing or damaged. The message names it.
    """
    names = list(presets())
    folder = FOLDER / preset if preset in names else Path(preset)
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"`preset` must be one of {names} or the path of a preset's "
            f"folder. Received: preset={str(preset)!r}"
        )
    config = _read_config(folder / CONFIG)
    content = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != config["sha256"]:
        raise OSError(
            f"{folder / WEIGHTS} is damaged, or not the file that {CONFIG} "
            f"beside it tells of: its SHA-256 must be {config['sha256']}. "
            f"Received: {digest}"
        )
    with np.load(io.BytesIO(content)) as arrays:
        return config["generator"], list(arrays.values())


def _read_config(file):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OSError(f"Cannot read preset {file}: {error}") from error


def save_preset(
    generator,
    folder: str | os.PathLike,
    *,
    description: str,
    version: str,
) -> None:
    """Writes a generator as a preset, with weights in half precision.

    Args:
        generator: `Generator`.
        folder: Path of the folder; a preset in it is replaced.
        description: String, a sentence for `presets()`.
        version: String. Change it whenever the weights change.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.preset import save_preset

    save_preset(Generator(), "mine", description="untrained", version="1")
    Generator.from_preset("mine")
    ```
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = generator.get_config()
    for name in "name", "trainable", "dtype":
        del config[name]
    with replacing(folder / WEIGHTS) as partial, open(partial, "wb") as file:
        np.savez(file, *[w.astype("float16") for w in generator.get_weights()])
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    about = {
        "description": description,
        "version": version,
        "generator": config,
        "parameters": generator.count_params(),
        "sha256": digest,
    }
    with replacing(folder / CONFIG) as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n", "utf-8")
