"""Presets: trained generators in folders that keras-hub reads too.

A preset is a folder with the architecture of a generator, its weights in half
precision and a card. This module reads and writes it without keras-hub, which
reads it as an `SRGANImageUpscaler`.

| file | content |
|---|---|
| `config.json` | `SRGANBackbone` and its arguments |
| `task.json` | `SRGANImageUpscaler`, with its backbone and preprocessor |
| `preprocessor.json`, `image_converter.json` | the preprocessor, its part |
| `model.weights.h5`, `task.weights.h5` | weights of backbone and head |
| `metadata.json` | description, version, partners, SHA-256 of the weights |
| `README.md` | the card, with a YAML header |
"""

import hashlib
import io
import json
import os
import warnings
from pathlib import Path

import numpy as np

from keras_srgan.download import get_file
from keras_srgan.files import replacing
from keras_srgan.preset_layout import from_hub_config
from keras_srgan.preset_layout import named_layers
from keras_srgan.preset_layout import read_weights
from keras_srgan.preset_layout import to_hub_config
from keras_srgan.preset_layout import write_weights

FOLDER = Path(__file__).parent / "weights"
CONFIG = "config.json"
TASK = "task.json"
PREPROCESSOR = "preprocessor.json"
IMAGE_CONVERTER = "image_converter.json"
METADATA = "metadata.json"
BACKBONE_WEIGHTS = "model.weights.h5"
TASK_WEIGHTS = "task.weights.h5"
CARD = "README.md"
FILES = (
    CONFIG,
    TASK,
    PREPROCESSOR,
    IMAGE_CONVERTER,
    METADATA,
    BACKBONE_WEIGHTS,
    TASK_WEIGHTS,
    CARD,
)
# Of the format of version 0.1, beside config.json.
OLD_WEIGHTS = "weights.npz"

CARD_TEMPLATE = """\
---
library_name: keras-hub
pipeline_tag: image-to-image
tags:
- super-resolution
- srgan
---

# {name}

{description}
"""


def presets() -> dict[str, dict]:
    """Returns the trained generators that the package ships.

    Only JSON files are read.

    Returns:
        Dict of name to a dict: `"description"`, a sentence; `"scale"`, the
        upscaling factor per side; `"parameters"`, the number of parameters;
        `"version"`, a string that changes whenever the weights do;
        `"partners"`, a dict of `"faithful"` or `"vivid"` to the name of the
        preset that favors fidelity or sharpness instead. The card of each,
        `keras_srgan/weights/NAME/README.md`, documents its training data,
        recipe, figures and limitations.

    Example:

    ```python
    from keras_srgan import presets

    for name, about in presets().items():
        print(name, about["description"])
    ```
    """
    return {name: _describe(FOLDER / name) for name in _names()}


def read_preset(preset: str | os.PathLike) -> tuple[dict, dict | list]:
    """Reads a preset and verifies the checksums of its weights.

    Args:
        preset: A name in `presets()`, the path of a preset's folder, or a
            handle: `"hf://user/model"` or
            `"kaggle://user/model/keras/variation"`.

    Returns:
        A tuple: dict of the arguments of the `Generator`, and its weights, for
        `set_weights`.

    Raises:
        ValueError: if the preset does not exist. The message lists the names.
        OSError: if a file is missing, damaged or cannot be downloaded.
        ImportError: if the package for a handle is not installed.
    """
    preset = _find(preset)
    config = _read_json(preset, CONFIG)
    if "generator" in config:
        return _read_old_preset(preset, config)
    task, metadata = _read_json(preset, TASK), _read_json(preset, METADATA)
    try:
        arguments = from_hub_config(task)
    except (KeyError, TypeError, ValueError) as error:
        raise OSError(
            f"{TASK} of preset {preset} must describe an SRGANImageUpscaler: "
            f"{error!r}"
        ) from error
    weights = {}
    for name in BACKBONE_WEIGHTS, TASK_WEIGHTS:
        file = get_file(preset, name)
        # Folders that keras-hub has saved have no checksums.
        digest = metadata.get("sha256", {}).get(name)
        try:
            weights.update(read_weights(_read_verified(file, digest)))
        except ValueError as error:
            raise OSError(f"{file} is damaged: {error}") from error
    return arguments, weights


def read_partners(preset: str | os.PathLike) -> dict[str, str]:
    """Returns the partners that a preset names: see `presets`.

    Args:
        preset: As for `read_preset`.

    Returns:
        Dict of `"faithful"` or `"vivid"` to a preset, empty without partners.

    Raises:
        ValueError: if the preset does not exist. The message lists the names.
        OSError: if a file is missing, damaged or cannot be downloaded.
    """
    preset = _find(preset)
    # Presets of version 0.1 have no metadata.
    if "generator" in _read_json(preset, CONFIG):
        return {}
    # Those that keras-hub has saved name no partners.
    return _read_json(preset, METADATA).get("partners", {})


def set_weights(generator, weights: dict | list) -> None:
    """Assigns the weights of a preset to a generator.

    Args:
        generator: A `Generator` with the preset's arguments.
        weights: The weights that `read_preset` returned.

    Raises:
        OSError: if they are not the weights of such a generator.
    """
    if isinstance(weights, list):  # from a preset of version 0.1
        generator.set_weights(weights)
        return
    layers = dict(named_layers(generator))
    if layers.keys() != weights.keys():
        raise OSError(
            "The preset's weights do not belong to its architecture: layers "
            f"{sorted(layers.keys() ^ weights.keys())} are in one of them only"
        )
    for name, layer in layers.items():
        shapes = [tuple(weight.shape) for weight in layer.weights]
        try:
            arrays = [
                array.reshape(shape)
                for array, shape in zip(weights[name], shapes, strict=True)
            ]
        except ValueError as error:
            raise OSError(
                f"The preset's weights of layer {name!r} must have shapes "
                f"{shapes}. Received: {[a.shape for a in weights[name]]}"
            ) from error
        layer.set_weights(arrays)


def save_preset(
    generator,
    folder: str | os.PathLike,
    *,
    description: str,
    version: str,
    card: str | os.PathLike | None = None,
    partners: dict[str, str] | None = None,
) -> None:
    """Writes a generator as a preset.

    Weights are rounded to half precision. The folder is written atomically. If
    it is a preset already, it is replaced.

    Args:
        generator: A `Generator`.
        folder: Path of the folder. It must be missing, empty or a preset.
        description: String, a sentence for `presets()`.
        version: String. Change it whenever the weights change.
        card: Path of the card, a Markdown file. It should start with a YAML
            header, from which Hugging Face reads license and tags. Defaults to
            the card of the replaced preset, or else to a minimal one.
        partners: Dict of `"faithful"` or `"vivid"` to the name of another
            preset, see `presets`. Defaults to no partners.

    Raises:
        ValueError: if an argument is invalid, the folder holds anything but a
            preset, or a weight does not fit in half precision.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.preset import save_preset

    save_preset(
        Generator(num_blocks=5),
        "my_preset",
        description="untrained",
        version="1",
    )
    generator = Generator.from_preset("my_preset")
    ```
    """
    folder = Path(folder).absolute()
    for name, value in ("description", description), ("version", version):
        if not isinstance(value, str) or not value:
            raise ValueError(
                f"`{name}` must be a string that is not empty. "
                f"Received: {name}={value!r}"
            )
    _check_replaceable(folder)
    if card is None and (folder / CARD).is_file():
        card = folder / CARD
    if card is None:
        text = CARD_TEMPLATE.format(name=folder.name, description=description)
    else:
        text = Path(card).read_text(encoding="utf-8")

    config, task = to_hub_config(generator.get_config())
    preprocessor = task["config"]["preprocessor"]
    layers = list(named_layers(generator))
    is_head = [name.startswith(("upscale_", "rgb_")) for name, _ in layers]
    head = is_head.index(True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as partial:
        partial.mkdir()
        write_weights(layers[:head], partial / BACKBONE_WEIGHTS)
        write_weights(layers[head:], partial / TASK_WEIGHTS)
        metadata = {
            "description": description,
            "version": version,
            "partners": partners or {},
            "parameter_count": generator.count_params(),
            "tasks": ["ImageUpscaler"],
            "sha256": {
                name: hashlib.sha256((partial / name).read_bytes()).hexdigest()
                for name in (BACKBONE_WEIGHTS, TASK_WEIGHTS)
            },
        }
        for name, content in (
            (CONFIG, config),
            (TASK, task),
            (PREPROCESSOR, preprocessor),
            (IMAGE_CONVERTER, preprocessor["config"]["image_converter"]),
            (METADATA, metadata),
        ):
            _write_text(partial / name, json.dumps(content, indent=4) + "\n")
        _write_text(partial / CARD, text)


def _names():
    return [file.parent.name for file in sorted(FOLDER.glob(f"*/{METADATA}"))]


def _describe(folder):
    task, metadata = _read_json(folder, TASK), _read_json(folder, METADATA)
    return {
        "description": metadata["description"],
        "scale": task["config"]["upscale_factor"],
        "parameters": metadata["parameter_count"],
        "version": metadata["version"],
        "partners": metadata["partners"],
    }


def _find(preset):
    """Returns the folder of a preset, or a handle as it is."""
    if "://" in str(preset):
        return str(preset)
    folder = FOLDER / preset if preset in _names() else Path(preset)
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"`preset` must be one of {_names()}, the path of a preset's "
            "folder, or a handle that starts with 'hf://' or 'kaggle://'. "
            f"Received: preset={str(preset)!r}"
        )
    return folder


def _check_replaceable(folder):
    if not folder.exists():
        return
    names = set(os.listdir(folder)) if folder.is_dir() else {folder.name}
    allowed = {*FILES, OLD_WEIGHTS} if CONFIG in names else set()
    if not names <= allowed:
        raise ValueError(
            "`folder` must be missing, empty or a preset, which is then "
            f"replaced. Received: folder={str(folder)!r} with "
            f"{sorted(names - allowed)}"
        )


def _read_json(preset, name):
    file = get_file(preset, name)
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise OSError(f"Cannot read preset {file}: {error}") from error
    if not isinstance(content, dict):
        raise OSError(f"Cannot read preset {file}: it must be a JSON object")
    return content


def _read_verified(file, digest):
    content = Path(file).read_bytes()
    received = hashlib.sha256(content).hexdigest()
    if digest is not None and received != digest:
        raise OSError(
            f"{file} is damaged, or does not belong to this version of the "
            f"preset: its SHA-256 must be {digest}. Received: {received}"
        )
    return content


def _read_old_preset(preset, config):
    warnings.warn(
        f"Preset {preset} has the format of keras-srgan 0.1, which the next "
        "version will not read. Load it with `Generator.from_preset` and "
        "write it with `keras_srgan.preset.save_preset`.",
        DeprecationWarning,
        stacklevel=4,
    )
    file = get_file(preset, OLD_WEIGHTS)
    content = _read_verified(file, config["sha256"])
    with np.load(io.BytesIO(content)) as arrays:
        return config["generator"], list(arrays.values())


def _write_text(file, text):
    file.write_text(text, encoding="utf-8", newline="\n")
