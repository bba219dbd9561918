"Many fresh processes with the whole pipeline: none waits for ever. `many_processes.py` does as many as one likes."
import os
import subprocess
import sys

import pytest

from places import ROOT

SCRIPT = ROOT / "tools" / "many_processes.py"


@pytest.mark.slow
@pytest.mark.parametrize("runs, words", [
    (40, ["--work", "network", "--new"]),
    pytest.param(40, ["--work", "apply"], marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")),
    (5, ["--work", "apply", "--new"]),
])
def test_none_hangs(runs, words):
    done = subprocess.run([sys.executable, SCRIPT, str(runs), *words, "--patience", "300"], capture_output=True, text=True)
    assert f"hangs 0 of {runs}, {{'done': {runs}}}" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_a_run_with_the_embedded_set_imports_what_it_needs():
    "Importing torch takes two seconds and 480 MB, and torchvision takes its compiler along. Torch is needed once, before there is anything in the cache folder."
    code = """
import sys
from mexca_video import FaceExtractor, sample_path
print(int(FaceExtractor.embedded().apply(sample_path("single_face"), process_subclip=(0, 0.1), show_progress=False).n_detected.sum()))
print(sorted({"torch", "torchvision", "facenet_pytorch", "feat", "matplotlib", "sklearn", "onnx.reference", "sympy", "torch._dynamo"} & set(sys.modules)))
"""
    for _ in range(2): done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    faces, modules = done.stdout.splitlines()
    assert int(faces) > 0 and modules == "[]", done.stdout
