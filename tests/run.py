"""All tests, in three parts: notebooks and modules are in step, every notebook runs, pytest."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "out", "__pycache__", "artefacts", "*.egg-info"))
        before = contents(copy)
        for command in ("nbdev_clean", "nbdev_export"):
            subprocess.run([BIN / command], cwd=copy, check=True)
        after = contents(copy)
    changed = sorted(str(p) for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    print(f"nbdev_clean and nbdev_export: {len(before)} files, changed: {', '.join(changed) or 'none'}", flush=True)
    return not changed


def check_notebooks():
    "Every notebook runs from top to bottom; two at a time, one thread of torch each."
    return subprocess.run([BIN / "nbdev_test", "--n_workers", "2", "--do_print"], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode == 0


def check_tests():
    "A few files at a time, one thread of torch each."
    command = [BIN / "python", "-m", "pytest", "tests", "-q", "-rs", "--durations=10", "-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode == 0


def main():
    results = {}
    for name, check in (("nbdev", check_clean), ("notebooks", check_notebooks), ("pytest", check_tests)):
        start = time.time()
        results[name] = check()
        print(f"== {name}: {'passed' if results[name] else 'FAILED'} in {time.time() - start:.0f} s", flush=True)
    failed = [name for name, passed in results.items() if not passed]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
