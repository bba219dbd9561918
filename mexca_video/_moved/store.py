"""Moved to `mexca_video.io.netcdf`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "io.netcdf")
