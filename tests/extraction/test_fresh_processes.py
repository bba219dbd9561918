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
