"""Moved to `mexca_video.people.identification`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "people.identification")
