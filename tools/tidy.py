"""Take out of the outputs of notebooks what differs from machine to machine: folders, and the names of cells in warnings. A part of `make notebooks`."""
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = re.compile(r"[^\s\"']*/ipykernel_\d+/\d+\.py:\d+: |" + re.escape(f"{ROOT}/"))


def tidy(value):
    "The same text, list or dictionary without places."
    if isinstance(value, str): return PLACES.sub("", value) if "ipykernel_" in value or str(ROOT) in value else value
    if isinstance(value, list): return [tidy(part) for part in value]
    return {name: tidy(part) for name, part in value.items()} if isinstance(value, dict) else value


def main():
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts: continue
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        for cell in notebook["cells"]:
            if cell.get("outputs"): cell["outputs"] = tidy(cell["outputs"])
        after = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        if after != before: path.write_text(after, encoding="utf-8")


if __name__ == "__main__": main()
