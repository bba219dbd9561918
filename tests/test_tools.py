"Tools are run by hand and now and then; what they import must be there all the same."
import ast
import sys
from importlib import import_module

import pytest

from places import ROOT

FOLDERS = (ROOT / "tools", ROOT / "tools" / "benchmarks")
OPTIONAL = {"cv2", "mediapipe", "onnxruntime"}  # of the extra bench; the tools say so where they are missing
IMPORTS = [(path, node.lineno, node) for folder in FOLDERS for path in sorted(folder.glob("*.py"))
           for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, (ast.Import, ast.ImportFrom))]


@pytest.mark.parametrize("path, line, node", IMPORTS, ids=[f"{path.name}:{line}" for path, line, _ in IMPORTS])
def test_what_a_tool_imports_is_there(path, line, node, monkeypatch):
    "Each import, those within functions too."
    monkeypatch.syspath_prepend(str(path.parent))
    for name in [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]:
        if name.split(".")[0] in OPTIONAL and name.split(".")[0] not in sys.modules: continue
        module = import_module(name)
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if not hasattr(module, alias.name): import_module(f"{name}.{alias.name}")
