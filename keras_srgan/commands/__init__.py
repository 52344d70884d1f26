"""The commands of `keras-srgan`, one per module."""
