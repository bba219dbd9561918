"""The tests that stand on other packages, with the lowest versions that settings.ini claims. `make test-minimum` does it; it downloads about 3 GB the first time."""
import re
import subprocess
import sys
import venv
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv" / "minimum"
TESTS = ("test_schema.py", "test_netcdf.py", "test_tables.py", "test_models.py", "test_golden.py", "test_trust.py", "test_figures.py", "test_corrections.py", "test_validation.py", "test_engines.py")


def lowest():
    "Each requirement with its lower bound instead of what it allows."
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    needed = config["DEFAULT"]["requirements"].split()
    missing = [text for text in needed if ">=" not in text]
    if missing: sys.exit(f"settings.ini claims no lowest version of {', '.join(missing)}; write down one that was tried")
    return [re.sub(r">=([^,]+).*", r"==\1", text) for text in needed]


def main():
    python = FOLDER / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists(): venv.create(FOLDER, with_pip=True)
    print("\n".join(wanted := lowest()), flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted, "pytest", "hypothesis", "h5netcdf"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--editable", ROOT], check=True)
    subprocess.run([python, "-m", "pip", "check", "--disable-pip-version-check"], check=True)
    return subprocess.run([python, "-m", "pytest", "-q", "-rs", *(str(next((ROOT / "tests").rglob(name))) for name in TESTS)], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
