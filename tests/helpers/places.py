"Folders that the tests look into."
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
NBS = ROOT / "nbs"
DATA = TESTS / "data"
ARTEFACTS = TESTS / "artefacts"  # what tests write for people to look at
SHARED = ROOT.parent / "shared"  # material that is not part of the project; tests of it are skipped where it is not there
