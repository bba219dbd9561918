"""Moved to `mexca_video.io.netcdf` and `mexca_video.io.tables`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "io.netcdf", "io.tables")
