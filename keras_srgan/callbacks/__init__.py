"""Callbacks that write pictures, curves, checkpoints and backups."""

import warnings

from keras_srgan.callbacks.best_checkpoint import BestCheckpoint
from keras_srgan.callbacks.held_out_checkpoint import HeldOutCheckpoint
from keras_srgan.callbacks.loss_curves import LossCurves
from keras_srgan.callbacks.periodic_checkpoint import PeriodicCheckpoint
from keras_srgan.callbacks.progress_pictures import ProgressPictures
from keras_srgan.callbacks.run_backup import RunBackup
from keras_srgan.callbacks.stop_on_divergence import StopOnDivergence
from keras_srgan.callbacks.tensorboard_pictures import TensorBoardPictures
from keras_srgan.callbacks.time_limit import TimeLimit
from keras_srgan.stop_on_non_finite import StopOnNonFinite

__all__ = [
    "BestCheckpoint",
    "HeldOutCheckpoint",
    "LossCurves",
    "PeriodicCheckpoint",
    "ProgressPictures",
    "RunBackup",
    "StopOnDivergence",
    "StopOnNonFinite",
    "TensorBoardPictures",
    "TimeLimit",
]

_RENAMED = {
    "BackupAndRestore": RunBackup,
    "TensorBoard": TensorBoardPictures,
    "TestPictures": ProgressPictures,
}


def __getattr__(name):
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"`callbacks.{name}` is now `callbacks.{_RENAMED[name].__name__}`",
        DeprecationWarning,
        stacklevel=2,
    )
    return _RENAMED[name]
