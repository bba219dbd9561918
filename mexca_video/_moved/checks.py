"""Moved to `mexca_video.review.validation`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "review.validation")
