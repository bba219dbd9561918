"""Moved to `mexca_video.people.tracking`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "people.tracking")
