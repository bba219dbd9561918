"""README.md is made from nbs/index.ipynb: `python tools/readme.py --write` makes it, tests/promises/test_readme.py compares."""
import base64
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = "nbs/images"


def shown(output):
    "Text or picture of one output: what a reader sees, and bytes of a PNG if there are any."
    if output["output_type"] == "stream":
        return "".join(output["text"]), None
    data = output.get("data", {})
    if "image/png" in data:
        return None, base64.b64decode(data["image/png"])
    return "".join(data.get("text/plain", [])), None


def make(notebook=ROOT / "nbs" / "index.ipynb"):
    "The text of the README and its pictures, name -> bytes."
    parts, pictures = ["<!-- Made from nbs/index.ipynb by `make readme`. Edit the notebook. -->"], {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        if cell["cell_type"] != "code" or source.startswith("#| hide"):
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            text, picture = shown(output)
            if picture:
                name = f"index-{len(pictures) + 1}.png"
                pictures[name] = picture
                parts.append(f"![]({PICTURES}/{name})")
            elif text:
                parts.append("```text\n" + text.rstrip() + "\n```")
    return "\n\n".join(parts) + "\n", pictures


if __name__ == "__main__" and "--write" in sys.argv:
    text, pictures = make()
    (ROOT / "README.md").write_text(text, encoding="utf-8")
    (ROOT / PICTURES).mkdir(exist_ok=True)
    for name, picture in pictures.items():
        (ROOT / PICTURES / name).write_bytes(picture)
