"""Moved to `mexca_video.faces.detection`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "faces.detection", "faces.crops", "compute.inference", renamed={
    "cut_squares": "cut_regions",
    "square_to_frame": "region_to_frame",
})
