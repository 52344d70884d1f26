from pathlib import Path

import keras_hub

from keras_srgan.preset import CARD


def upload_preset(uri: str, preset: str) -> None:
    """Uploads a preset with its card to Hugging Face or Kaggle.

    `keras_hub.upload_preset` replaces the card with a generated one, and
    deletes the file, if the repository on Hugging Face has no card yet. This
    uploads the card first, and leaves the rest to keras-hub.

    Args:
        uri: String, `"hf://user/model"` or
            `"kaggle://user/model/keras/variation"`.
        preset: Path of the preset's folder.

    Raises:
        FileNotFoundError: if the folder or its card does not exist.
        ValueError: if the URI is malformed.
        ImportError: if `huggingface_hub` or `kagglehub` is not installed.

    Example:

    ```python
    from keras_srgan.hub import upload_preset

    upload_preset("hf://user/model", "my_preset")
    ```
    """
    card = Path(preset, CARD)
    if not card.is_file():
        raise FileNotFoundError(
            f"The preset must have a card: {card} does not exist"
        )
    if uri.startswith("hf://"):
        import huggingface_hub

        repository = huggingface_hub.create_repo(
            repo_id=uri.removeprefix("hf://"), exist_ok=True
        )
        huggingface_hub.upload_file(
            path_or_fileobj=str(card),
            path_in_repo=CARD,
            repo_id=repository.repo_id,
        )
    keras_hub.upload_preset(uri, str(preset))
