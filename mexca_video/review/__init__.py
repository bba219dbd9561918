"""Is it right, and how is it put right?"""
import sys
import warnings
from types import ModuleType


class _Review(ModuleType):
    "This package, which can be called as the function `mexca_video.review` of version 0.1 was; that goes with version 0.3."
    def __call__(self, *args, **kwargs):
        from mexca_video import view_checks

        warnings.warn("mexca_video.review is now mexca_video.view_checks; the old name goes with version 0.3", FutureWarning, stacklevel=2)
        return view_checks(*args, **kwargs)


sys.modules[__name__].__class__ = _Review
