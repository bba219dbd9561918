"""Moved to `mexca_video.people.evidence`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "people.evidence")
