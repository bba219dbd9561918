"""Moved to `mexca_video.io.sharing`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "io.sharing")
