"""Modules import in one direction, that of the house: whoever reads from the front has read what comes next.

Looked at are all imports of the exported modules, those inside functions too.
"""
import ast
import json
import re
from pathlib import Path

import pytest

import mexca_video

ROOT = Path(__file__).resolve().parents[1]
ORDER = (
    "files", "schema", "validators", "intervals", "video", "compute", "models", "samples", "faces", "people", "extraction",
    "io", "review", "analysis", "figures", "viewers", "corpus", "report", "citing", "cli",
)
ALLOWED = {}  # {(importing module, imported module): reason}


def read_places():
    "Number of the question and number of the notebook, by module."
    places = {}
    for path in (ROOT / "nbs").rglob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = re.search(r"^#\|\s*default_exp\s+(\S+)", "\n".join("".join(cell["source"]) for cell in cells), re.M)
        if found: places[found[1]] = ORDER.index(found[1].split(".")[0]), int(path.name.split("_")[0])
    return places


PLACES = read_places()


def resolve(name):
    "The module (`io.netcdf`) in which an imported path such as `mexca_video.io.netcdf.save` stands."
    parts = name.split(".")[1:]
    if not parts: return None
    for n in range(len(parts), 0, -1):
        if (module := ".".join(parts[:n])) in PLACES: return module
    return mexca_video._MODULE_OF.get(parts[0])


def imported_names(tree, package):
    "Dotted paths of what is imported anywhere in a module; relative imports of `package` are made absolute."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[:len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def read_names(module):
    "What a module imports from this package, as dotted paths."
    path = ROOT / "mexca_video" / (module.replace(".", "/") + ".py")
    package = ["mexca_video", *module.split(".")[:-1]]
    names = imported_names(ast.parse(path.read_text(encoding="utf-8")), package)
    return [name for name in names if name.split(".")[0] == "mexca_video"]


def list_imports(module):
    return {resolve(name) for name in read_names(module)} - {None, module}


def test_what_is_found():
    source = "import mexca_video.io.netcdf\ndef f():\n    from mexca_video import FaceExtractor\n    from . import crops"
    names = list(imported_names(ast.parse(source), ["mexca_video", "faces"]))
    assert [resolve(name) for name in names] == ["io.netcdf", "extraction.extractor", "faces.crops"]


def test_every_module_has_a_place():
    "Two notebooks of one folder have two numbers."
    assert len(set(PLACES.values())) == len(PLACES)


@pytest.mark.parametrize("module", sorted(PLACES, key=PLACES.get))
def test_one_direction(module):
    later = [name for name in list_imports(module) if PLACES[name] >= PLACES[module] and (module, name) not in ALLOWED]
    assert not later, f"{module} imports {', '.join(later)}, which come after it"


@pytest.mark.parametrize("module", PLACES)
def test_no_private_name_crosses_modules(module):
    private = [name for name in read_names(module) if name.split(".")[-1].startswith("_") and not name.endswith("__")]
    assert not private, f"{module} imports {', '.join(private)}"


def test_exceptions_are_needed():
    for module, name in ALLOWED:
        assert name in list_imports(module) and PLACES[name] >= PLACES[module]
