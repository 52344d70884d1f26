"""SRGAN model preset configurations."""

from keras_srgan.preset import FOLDER
from keras_srgan.preset import presets

# keras-hub takes a folder where it takes a handle.
backbone_presets = {
    name: {
        "metadata": {
            "description": about["description"],
            "params": about["parameters"],
            "path": "srgan",
        },
        "kaggle_handle": str(FOLDER / name),
    }
    for name, about in presets().items()
}
