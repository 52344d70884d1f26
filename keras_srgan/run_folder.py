import os
import pathlib

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


def check_unused(directory: str | os.PathLike) -> None:
    """Raises unless a folder can hold a new training run.

    Args:
        directory: Path of the folder, which may be missing.

    Raises:
        ValueError: The folder holds a run or other files, or is a file.
    """
    directory = pathlib.Path(directory)
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ValueError(
            "`directory` must be a folder. "
            f"Received: directory={str(directory)!r}"
        )
    if is_run(directory):
        raise ValueError(
            "`directory` holds a training run: resume it, or choose "
            f"another. Received: directory={str(directory)!r}"
        )
    # Killed before its settings were written, a run has no state.
    taken = [
        path.name
        for path in directory.iterdir()
        if path.name not in ("start.keras", "log.txt")
        and not path.name.startswith(".")
    ]
    if taken:
        raise ValueError(
            "`directory` must be missing or empty: nothing in it is "
            f"replaced. Received: directory={str(directory)!r}, "
            f"which holds {', '.join(sorted(taken)[:5])}"
        )
