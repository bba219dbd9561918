"Tools are run by hand and now and then; what they import must be there all the same."
import ast
import json
import subprocess
import sys

import pytest

from places import ROOT

HELPERS = ROOT / "tests" / "helpers"  # some tools put it on their path
FOLDERS = (ROOT / "tools", ROOT / "tools" / "benchmarks")
OPTIONAL = {"cv2", "mediapipe", "onnxruntime"}  # of the extra bench; the tools say so where they are missing
TRY_ALL = """
import json, sys
from importlib import import_module
from importlib.util import find_spec

failed = []
for folders, optional, imports in json.loads(sys.argv[1]):
    sys.path[:0] = folders
    for place, name, parts in imports:
        if name.split(".")[0] in optional and not find_spec(name.split(".")[0]): continue
        try:
            module = import_module(name)
            for part in parts: hasattr(module, part) or import_module(f"{name}.{part}")
        except Exception as error:
            failed.append(f"{place}: {error!r}")
sys.exit(chr(10).join(failed) or 0)
"""


def imports_of(path):
    "(place, module, names) of each import of a file, those within functions too."
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        place = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ImportFrom):
            yield place, node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((place, alias.name, []) for alias in node.names)


@pytest.mark.slow
def test_what_tools_import_is_there():
    "In a process of its own: some imports change the process for good."
    found = []
    for folder in FOLDERS:
        imports = [found for path in sorted(folder.glob("*.py")) for found in imports_of(path)]
        found.append([[str(folder), str(HELPERS)], sorted(OPTIONAL), imports])
    assert sum(len(imports) for *_, imports in found) > 100
    run = subprocess.run([sys.executable, "-c", TRY_ALL, json.dumps(found)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
