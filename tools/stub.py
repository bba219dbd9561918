"""mexca_video/__init__.pyi, the public names that editors can read, is made from `_HOME` in mexca_video/__init__.py.

`python tools/stub.py --write` makes it, tests/promises/test_package.py compares.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "mexca_video" / "__init__.pyi"
WIDTH = 120


def listing(module, names):
    "An import of names for others, in lines that are not too long."
    names = [f"{name} as {name}" for name in sorted(names)]
    line = f"from .{module} import {', '.join(names)}"
    if len(line) <= WIDTH: return line
    return "\n".join([f"from .{module} import (", *(f"    {name}," for name in names), ")"])


def make():
    "The text of the file."
    sys.path.insert(0, str(ROOT))
    import mexca_video

    lines = ['"""Made from `_HOME` in __init__.py by `make readme`."""', ""]
    lines += [f"from . import {module} as {module}" for module in sorted(mexca_video._MODULES)]
    lines += [listing(module, names) for module, names in sorted(mexca_video._HOME.items())]
    return "\n".join([*lines, "", "__version__: str", ""])


if __name__ == "__main__" and "--write" in sys.argv:
    FILE.write_text(make(), encoding="utf-8")
