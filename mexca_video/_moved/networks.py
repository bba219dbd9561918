"""Moved to `mexca_video.compute.inference`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "compute.inference", "compute.kernels")
