"""Tests, part by part: python tools/run.py [short | long]

short: how the notebooks are written; notebooks and modules are in step; the notebooks of the library run; pytest;
all without what is marked slow. long: tutorials and explanations run; what is marked slow; what compares numbers, as
other processors would compute them; how far results are apart there.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from processors import SETTINGS, environment

ROOT, BIN = Path(__file__).resolve().parents[1], Path(sys.executable).parent
KEPT = ("nbs", "mexca_video", "pyproject.toml")  # what nbdev_clean and nbdev_export write


def contents(root):
    "Every file that nbdev may change, by path."
    files = (p for kept in KEPT for p in [root / kept, *(root / kept).rglob("*")] if p.suffix in (".py", ".ipynb", ".toml"))
    return {p.relative_to(root): p.read_bytes() for p in files if ".ipynb_checkpoints" not in p.parts}


def check_clean():
    "nbdev_clean and nbdev_export change nothing (tried on a copy)."
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "_docs", "out", "__pycache__", "artefacts", "*.egg-info"))
        before = contents(copy)
        for command in ("nbdev_clean", "nbdev_export"):
            subprocess.run([BIN / command], cwd=copy, check=True)
        after = contents(copy)
    changed = sorted(str(p) for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    print(f"nbdev_clean and nbdev_export: {len(before)} files, changed: {', '.join(changed) or 'none'}", flush=True)
    return not changed


def check_lint():
    "The numbers of tools/lint.py are allowed, and ruff has nothing to say."
    return succeeds([BIN / "python", "tools/lint.py"])


def check_notebooks(*which):
    "Notebooks run from top to bottom; two at a time."
    return succeeds([BIN / "nbdev_test", "--n_workers", "2", "--do_print", *which])


def check_slow_cells():
    "Notebooks with cells that begin with `#| slow`, all of whose cells run."
    names = [path.stem for path in (ROOT / "nbs").rglob("*.ipynb") if path.parent.name[0] != "." and '"#| slow' in path.read_text("utf-8")]
    return check_notebooks("--flags", "slow", "--file_re", f"^({'|'.join(names)})[.]")


def check_tests(which):
    "A few files at a time."
    return pytest("tests", "-m", which, "-rs", "--durations=10")


def pytest(*arguments, setting=""):
    workers = str(min(os.cpu_count() or 1, 4))
    command = [BIN / "python", "-m", "pytest", *arguments, "-q", "-n", workers, "--dist", "loadfile"]
    return succeeds(command, setting)


def succeeds(command, setting=""):
    "One thread of torch for each process."
    return subprocess.run(command, cwd=ROOT, env=environment(setting) | {"OMP_NUM_THREADS": "1"}).returncode == 0


def check_numbers(setting):
    "What compares numbers, with a setting that makes libraries compute as on another processor."
    return pytest("tests", "-m", "numeric and not slow", setting=setting)


def check_processors():
    "How far results are apart."
    return succeeds([BIN / "python", "tools/processors.py"])


TEXTS = "tutorials|explanations"  # folders of notebooks that export nothing
SHORT = {"lint": check_lint, "nbdev": check_clean, "notebooks": partial(check_notebooks, "--skip_folder_re", f"^([_.]|{TEXTS})")}
SHORT |= {"pytest": partial(check_tests, "not slow")}
LONG = {f"notebooks, {name}": partial(check_notebooks, "--path", f"nbs/{name}") for name in TEXTS.split("|")}
LONG |= {"notebooks, slow cells": check_slow_cells, "slow tests": partial(check_tests, "slow")}
LONG |= {f"numeric tests, {setting}": partial(check_numbers, setting) for setting in SETTINGS if setting}
LONG |= {"results of other processors": check_processors}


def main(parts):
    results = {}
    for name, check in parts.items():
        start = time.time()
        results[name] = check()
        print(f"== {name}: {'passed' if results[name] else 'FAILED'} in {time.time() - start:.0f} s", flush=True)
    failed = [name for name, passed in results.items() if not passed]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main({"short": SHORT, "long": LONG}[sys.argv[1] if sys.argv[1:] else "short"]))
