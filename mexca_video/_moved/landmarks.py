"""Moved to `mexca_video.faces.landmarks`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "faces.landmarks")
