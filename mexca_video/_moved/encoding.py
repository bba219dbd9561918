"""Moved to `mexca_video.faces.embedding`."""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "faces.embedding", "faces.crops", renamed={
    "align_squares": "align_regions",
})
