"""Moved to `mexca_video.faces.action_units`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "faces.action_units", "faces.pyfeat_aus")
