import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_srgan.self_test import make_test_photos
from keras_srgan.self_test import read_self_test

# Azure's provider sends photos to a service on the network.
REMOTE = {"AzureExecutionProvider"}


class Verification(NamedTuple):
    """The result of running the test of an exported model.

    Attributes:
        provider: String, the part of the runtime that computed: see `verify`.
        difference: Integer, the largest difference from the expected result,
            in levels of 255.
        tolerance: Integer, the largest difference allowed.
    """

    provider: str
    difference: int
    tolerance: int

    @property
    def passed(self) -> bool:
        """Whether the result is right."""
        return self.difference <= self.tolerance


def verify(
    path: str | os.PathLike, provider: str | None = None
) -> list[Verification]:
    """Runs the test that an exported model carries.

    A graphics card, a driver or a converter may compute wrong pictures
    without any error. The test compares the result for a photo of 32x32
    pixels with that of Keras.

    Args:
        path: An ONNX or LiteRT file, as `export` writes it.
        provider: String, the part of the runtime that computes: an execution
            provider of ONNX Runtime, such as `"CPUExecutionProvider"` or
            `"cpu"`, or `"cpu"` for LiteRT. Defaults to all that this machine
            has.

    Returns:
        A list with one `Verification` per provider.

    Raises:
        ValueError: if the file carries no test, or there is no such provider.
        OSError: if the file is missing, damaged or has been changed.
        ImportError: if the runtime is not installed.
        RuntimeError: if the runtime cannot run the file.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.verification import verify

    Generator(num_blocks=5).export("generator.onnx")
    for result in verify("generator.onnx"):
        print(result.provider, result.difference, result.passed)
    ```
    """
    path = Path(path)
    test = read_self_test(path)
    run = _run_onnx if path.suffix == ".onnx" else _run_litert
    find = _find_onnx if path.suffix == ".onnx" else _find_litert
    try:
        available = find()
    except ImportError as error:
        raise ImportError(
            f"To run {path}: pip install keras-srgan[export] ({error})"
        ) from error
    results = []
    for name in _choose(available, provider):
        try:
            result = run(str(path), name, test.photo)
        except Exception as error:  # runtimes raise their own
            raise RuntimeError(f"{name} cannot run {path}: {error}") from error
        height, width = test.result.shape[:2]
        result = result[0, :height, :width].astype(int)
        if result.shape != test.result.shape:
            raise RuntimeError(
                f"{name} computes a result of shape {result.shape} for the "
                f"test of {path}, not {test.result.shape}"
            )
        difference = int(np.abs(result - test.result).max())
        results.append(Verification(name, difference, test.tolerance))
    return results


def _choose(available, provider):
    if provider is None:
        return [name for name in available if name not in REMOTE]
    for name in available:
        short = name.removesuffix("ExecutionProvider")
        if provider.lower() in (name.lower(), short.lower()):
            return [name]
    raise ValueError(
        f"`provider` must be one of {available} on this machine. "
        f"Received: provider={provider!r}"
    )


def _find_onnx():
    import onnxruntime

    return onnxruntime.get_available_providers()


def _run_onnx(path, provider, photo):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=[provider])
    # ONNX Runtime falls back to the CPU with a warning only.
    if session.get_providers()[0] != provider:
        raise RuntimeError("it could not be started")
    (given,) = session.get_inputs()
    shape = [side if isinstance(side, int) else None for side in given.shape]
    return session.run(None, {given.name: make_test_photos(shape, photo)})[0]


def _find_litert():
    import ai_edge_litert.interpreter  # noqa: F401

    return ["cpu"]


def _run_litert(path, provider, photo):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    (given,) = interpreter.get_input_details()
    (large,) = interpreter.get_output_details()
    shape = [
        None if side < 0 else int(side) for side in given["shape_signature"]
    ]
    photos = make_test_photos(shape, photo)
    if None in shape:
        interpreter.resize_tensor_input(given["index"], photos.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], photos)
    interpreter.invoke()
    return interpreter.get_tensor(large["index"])
