import contextlib
import functools
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterator

from keras_srgan.distribution import is_first
from keras_srgan.files import remove_leftovers

try:
    import fcntl
except ImportError:
    fcntl = None
    import msvcrt

NAME = ".lock"


@contextlib.contextmanager
def locked(directory: str | os.PathLike) -> Iterator[None]:
    """Keeps other processes from writing to a folder while the context is open.

    The system releases the lock of a process that is killed. File systems
    without locks, such as some network drives, are not protected.

    Args:
        directory: Path of the folder, which must exist. A hidden file `.lock`
            is added to it.

    Raises:
        ValueError: if another process has locked the folder.

    Example:

    ```python
    import os
    from keras_srgan.lock import locked

    os.makedirs("runs/faces", exist_ok=True)
    with locked("runs/faces"):
        ...  # Write to the folder.
    ```
    """
    with open(pathlib.Path(directory, NAME), "ab") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError) as error:
            raise ValueError(
                "`directory` must not be in use by another process. "
                f"Received: directory={str(directory)!r}"
            ) from error
        except OSError:
            pass  # A file system without locks.
        yield


def exclusive(method: Callable) -> Callable:
    """Decorates a method that writes to the `directory` of its object.

    The folder is locked while the method runs, after leftovers of killed
    processes are deleted. In a distributed run only the first process writes
    and locks.
    """

    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        if not is_first():
            return method(self, *args, **kwargs)
        with locked(self.directory):
            remove_leftovers(self.directory)
            return method(self, *args, **kwargs)

    return wrapper


def _lock(descriptor):
    # Both locks end when the file is closed.
    if fcntl:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
