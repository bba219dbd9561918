"""Moved to `mexca_video.faces.detection`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "faces.detection")
