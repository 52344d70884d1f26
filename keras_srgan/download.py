import os
from pathlib import Path


def get_file(source: str | os.PathLike, name: str) -> Path:
    """Returns the path of one file of a preset, downloaded if necessary.

    Args:
        source: Path of a folder, or a handle: `"hf://user/model"`, through
            `huggingface_hub`, or `"kaggle://user/model/keras/variation"`,
            through `kagglehub`. Both cache their downloads.
        name: String. Name of the file.

    Raises:
        ImportError: if the package for the handle is not installed.
        OSError: if the file does not exist or cannot be downloaded.
        ValueError: if the handle is malformed.

    Example:

    ```python
    from keras_srgan.download import get_file

    get_file("my_preset", "config.json")
    get_file("hf://user/model", "config.json")
    ```
    """
    scheme, separator, handle = str(source).partition("://")
    if not separator:
        file = Path(source, name)
        if not file.is_file():
            raise FileNotFoundError(
                f"The preset must contain {name}: {file} does not exist"
            )
        return file
    if scheme not in _DOWNLOADS:
        raise ValueError(
            "A handle must start with 'hf://' or 'kaggle://'. "
            f"Received: preset={str(source)!r}"
        )
    form, package, download = _DOWNLOADS[scheme]
    parts = handle.split("/")
    if len(parts) not in form.values() or not all(parts):
        raise ValueError(
            f"A handle of this kind must have the form {list(form)[0]!r}. "
            f"Received: preset={str(source)!r}"
        )
    try:
        return Path(download(handle, name))
    except ImportError as error:
        raise ImportError(
            f"Loading {source} needs the package {package}: "
            f"`pip install {package}`"
        ) from error
    # Each client raises exceptions of its own, for whose classes it would
    # have to be imported.
    except Exception as error:
        raise OSError(f"Cannot download {name} of {source}: {error}") from error


def _download_from_hugging_face(handle, name):
    from huggingface_hub import hf_hub_download

    return hf_hub_download(repo_id=handle, filename=name)


def _download_from_kaggle(handle, name):
    from kagglehub import model_download

    return model_download(handle, name)


# Scheme to the forms of its handles and their numbers of parts, the package
# that downloads and the function that calls it.
_DOWNLOADS = {
    "hf": (
        {"hf://user/model": 2},
        "huggingface_hub",
        _download_from_hugging_face,
    ),
    "kaggle": (
        {
            "kaggle://user/model/keras/variation": 4,
            "kaggle://user/model/keras/variation/version": 5,
        },
        "kagglehub",
        _download_from_kaggle,
    ),
}
