"""Moved to `mexca_video.extraction.chunks`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "extraction.chunks")
