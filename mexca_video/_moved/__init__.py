"""Where the modules of version 0.1 are now. Each file of this folder stands for one that moved and warns; they go with version 0.3."""
import warnings
from importlib import import_module
from importlib.util import find_spec

from mexca_video import _RENAMED


def forward(old, *new, renamed=()):
    """A module's `__getattr__` that looks into modules of this package, and says where a name is now.

    `renamed` says what some of its names are called now.
    """
    renamed = dict(renamed)

    def __getattr__(name):
        if name.startswith("__") or hasattr(import_module(old), "__path__") and find_spec(f"{old}.{name}"):
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        for place in new:
            module = import_module(f"mexca_video.{place}")
            now = name if hasattr(module, name) else renamed.get(name, _RENAMED.get(name, name))
            if not hasattr(module, now): continue
            warnings.warn(f"{old}.{name} is now {module.__name__}.{now}; the old name goes with version 0.3", FutureWarning, stacklevel=2)
            return getattr(module, now)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")
    return __getattr__
