"""The first page: in step with its notebook, and its two commands are what runs."""
import re

from readme import PICTURES, ROOT, make


def test_readme_is_made_from_the_notebook():
    text, pictures = make()
    assert (ROOT / "README.md").read_text(encoding="utf-8") == text, "run `make readme`"
    assert pictures and {p.name: p.read_bytes() for p in (ROOT / PICTURES).glob("index-*.png")} == pictures


def test_first_screen_has_the_two_commands():
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    commands = [line.split("#")[0].strip() for line in first if line.startswith("make ")]
    assert commands == ["make demo", "make test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert {"demo", "test"} <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(((?!http)[^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link
