"""Moved to `mexca_video.faces.landmarks`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "faces.landmarks", "faces.crops", renamed={
    "upright_squares": "upright_regions",
    "level_squares": "level_regions",
    "cut_squares": "cut_regions",
    "square_to_frame": "region_to_frame",
})
