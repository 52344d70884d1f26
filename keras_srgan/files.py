import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

# Hidden, so that leftovers are never listed as photos.
PREFIX = ".keras-srgan-"


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Writes a file or a folder atomically.

    The content is written into a new hidden folder beside its destination and
    moved once it is complete. A process that is killed meanwhile leaves that
    folder behind; nothing reads it, and `remove_leftovers` deletes it.

    Args:
        path: The file or folder to write or replace.

    Yields:
        The path to write to, of the same name and suffix. Files written
        beside it are moved as well, before it.

    Example:

    ```python
    from keras_srgan.files import replacing

    with replacing("notes.txt") as partial:
        partial.write_text("All of it, or nothing.")
    ```
    """
    path = pathlib.Path(path)
    # The system chooses the name of the folder, so it cannot collide with a
    # user's folder, and the name of the file in it needs no extra characters.
    with tempfile.TemporaryDirectory(
        prefix=PREFIX, dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        partial = pathlib.Path(folder, path.name)
        yield partial
        files = sorted(
            partial.parent.iterdir(), key=lambda file: file == partial
        )
        if partial.is_dir() and path.is_dir():
            # A folder that is not empty cannot be replaced in one step.
            os.replace(path, pathlib.Path(tempfile.mkdtemp(dir=folder), "old"))
        for file in files:
            os.replace(file, path.with_name(file.name))


def remove_leftovers(directory: str | os.PathLike) -> None:
    """Deletes leftovers of processes that were killed while `replacing`.

    Args:
        directory: Path of a folder that no other process writes to. Its
            subfolders are searched, too.

    Example:

    ```python
    from keras_srgan.files import remove_leftovers

    remove_leftovers("runs/faces/backup")
    ```
    """
    for folder in list(pathlib.Path(directory).rglob(f"{PREFIX}*")):
        shutil.rmtree(folder, ignore_errors=True)


def copy_file(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Copies a file atomically.

    Args:
        source: Path of the file.
        target: Path of the copy. Its folder is made if missing.

    Example:

    ```python
    from keras_srgan.files import copy_file

    copy_file("runs/faces/history.csv", "results/faces.csv")
    ```
    """
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    with replacing(target) as partial:
        shutil.copyfile(source, partial)


def check_vacant(*own: str, **folder: str | os.PathLike) -> None:
    """Raises unless a folder is missing or empty.

    Args:
        *own: Names of files in it that may be replaced. So may hidden files.
        **folder: Its path, by the name of the argument that gave it.

    Raises:
        ValueError: if the folder holds other files, or is a file. The message
            names the argument.

    Example:

    ```python
    from keras_srgan.files import check_vacant

    check_vacant("log.txt", directory="runs/faces")
    ```
    """
    ((name, path),) = folder.items()
    path = pathlib.Path(path)
    if not path.exists():
        return
    received = f"Received: {name}={str(path)!r}"
    if not path.is_dir():
        raise ValueError(f"`{name}` must be a folder. {received}")
    taken = sorted(
        file.name
        for file in path.iterdir()
        if file.name not in own and not file.name.startswith(".")
    )
    if taken:
        raise ValueError(
            f"`{name}` must be missing or empty: nothing in it is replaced. "
            f"{received}, which holds {', '.join(taken[:5])}"
        )


def make_writable(**folder: str | os.PathLike) -> None:
    """Makes a folder, if missing, and checks that files can be written to it.

    Args:
        **folder: Its path, by the name of the argument that gave it.

    Raises:
        ValueError: if the folder cannot be written to. The message names the
            argument.

    Example:

    ```python
    from keras_srgan.files import make_writable

    make_writable(directory="runs/faces")
    ```
    """
    ((name, path),) = folder.items()
    try:
        os.makedirs(path, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise ValueError(
            f"`{name}` must be a folder that can be written to: {error}. "
            f"Received: {name}={str(path)!r}"
        ) from error
