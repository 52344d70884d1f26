import os
import pathlib

from keras_srgan.files import check_vacant

SETTINGS = "settings.toml"


def is_run(directory: str | os.PathLike) -> bool:
    """Returns whether a folder holds a training run.

    Args:
        directory: Path of the folder, which may be missing.

    Example:

    ```python
    from keras_srgan.run_folder import is_run

    is_run("runs/faces")  # False before training.
    ```
    """
    return pathlib.Path(directory, SETTINGS).is_file()


def check_unused(directory: str | os.PathLike, *own: str) -> None:
    """Raises unless a folder can hold a new training run.

    Args:
        directory: Path of the folder, which may be missing.
        *own: Names of files that a run has written before its settings.

    Raises:
        ValueError: if the folder holds a run or other files, or is a file.
    """
    if is_run(directory):
        raise ValueError(
            "`directory` holds a training run: resume it, or choose "
            f"another. Received: directory={str(directory)!r}"
        )
    # A run killed before its settings were written has no state.
    check_vacant("log.txt", *own, directory=directory)
