"""Look at a result in a notebook, and put it right by hand."""
from mexca_video._moved import forward

_MODULES = ("widgets", "base", "detections", "timeline", "people", "review") # those that define before those that use
__getattr__ = forward(__name__, *(f"viewers.{name}" for name in _MODULES))
