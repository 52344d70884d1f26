import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Writes a file beside its place, and puts it there once it is whole.

    Args:
        path: The file to write or replace.

    Yields:
        The path to write to meanwhile, in the same folder and of the same
        suffix. It is gone afterwards, whatever happens.

    Example:

    ```python
    from keras_srgan.files import replacing

    with replacing("notes.txt") as partial:
        partial.write_text("All of it, or nothing.")
    ```
    """
    path = pathlib.Path(path)
    # Always the same: what a killed process has left is written over.
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def make_writable(**folder: str | os.PathLike) -> None:
    """Makes a folder, if missing, and sees that files can be written to it.

    Args:
        **folder: Its path, by the name of the argument that gave it.

    Raises:
        ValueError: if it cannot be written to; the message has the name.

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
