"""The commands of `keras-srgan`, one a module."""
