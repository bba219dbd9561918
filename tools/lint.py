"""How the notebooks are written, measured against what is allowed, and ruff: python tools/lint.py

Measured are the exported cells of every notebook. A number beyond what is allowed is shown with the places that make it
so, and the command ends with status 1.
"""
import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
WIDTH = 120  # columns
NEAR = 2  # cells after a definition in which its example or test stands


class Rule(NamedTuple):
    what: str
    kind: str  # "under", "at most" or "at least"
    allowed: float
    now: float | None = None  # what the worst notebooks reach until they are mended; `None`: `allowed` holds

    def holds(self, value):
        limit = self.allowed if self.now is None else self.now
        return {"under": value < limit, "at most": value <= limit, "at least": value >= limit}[self.kind]

    def __str__(self):
        later = "" if self.now is None else f", for now {self.now:g}"
        return f"{self.kind} {self.allowed:g}{later}"


RULES = [
    Rule("lines over 120 columns, %", "under", 1),
    Rule("tuple assignments in 100 lines", "under", 1.2),
    Rule("`a; b`", "at most", 0),
    Rule("`@patch`", "under", 30),
    Rule("longest function, lines", "at most", 40),
    Rule("longest exported cell with a definition, lines", "at most", 40),
    Rule("public functions and methods that say what they return, %", "at least", 100),
    Rule("example within two cells, worst notebook, %", "at least", 60),
]


class Cell(NamedTuple):
    notebook: str
    index: int  # in the notebook
    lines: list  # without directives
    tree: ast.Module

    def place(self, node): return f"{self.notebook}: {getattr(node, 'name', self.lines[node.lineno - 1].strip())}"


def is_several(node):
    "Is it `a, b = c, d`: several assignments in one line? Taking a tuple apart is not."
    return isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)


def is_exported(cell):
    return cell["cell_type"] == "code" and re.search(r"^#\|\s*exports?\b", "".join(cell["source"]), re.M)


def exported_cells(name, cells):
    for index, cell in enumerate(cells):
        if not is_exported(cell): continue
        source = re.sub(r"^(#\||%).*\n?", "", "".join(cell["source"]), flags=re.M)
        yield Cell(name, index, source.splitlines(), ast.parse(source))


def read_notebooks(root):
    "All cells and the exported ones of each notebook, by its path below nbs."
    paths = [path for path in sorted((root / "nbs").rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
    notebooks = {}
    for path in paths:
        name = path.relative_to(root / "nbs").as_posix()
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        notebooks[name] = cells, list(exported_cells(name, cells))
    return notebooks


def is_private(node):
    return node.name.startswith("_") and not (node.name.startswith("__") and node.name.endswith("__"))


def is_patch(node):
    return any("patch" in ast.unparse(decorator).split("(")[0].split(".") for decorator in node.decorator_list)


def public_functions(tree):
    "Functions at the top of a cell, patched ones among them, and the methods of public classes; no special methods."
    functions = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not is_private(node): functions += node.body
        else: functions.append(node)
    return [f for f in functions if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) and not f.name.startswith("_")]


def on_one_line(tree):
    "Statements that begin on the line on which the one before them ends: `a; b`."
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if not isinstance(body, list): continue
            yield from (after for before, after in zip(body, body[1:]) if after.lineno == before.end_lineno)


def defines(tree):
    "Is a function or a class defined? Imports and tables of values are read otherwise, and may be longer."
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in tree.body)


def length(node): return node.end_lineno - node.lineno + 1


def nodes(cells, *types):
    return [(cell, node) for cell in cells for node in ast.walk(cell.tree) if isinstance(node, types)]


def share_with_example(cells, exported):
    "How many per cent of a notebook's public definitions have an example or a test near them, and which have none."
    definitions = bare = []
    for cell in exported:
        near = cells[cell.index + 1:cell.index + 1 + NEAR]
        shown = any(c["cell_type"] == "code" and not is_exported(c) for c in near)
        public = [(cell, node) for node in cell.tree.body
                  if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]
        definitions = definitions + public
        if not shown: bare = bare + public
    return 100 * (1 - len(bare) / len(definitions)) if definitions else 100, bare


def measure(notebooks):
    "Number and places of each rule."
    cells = [cell for _, exported in notebooks.values() for cell in exported]
    lines = [(cell, line) for cell in cells for line in cell.lines if line.strip()]
    long = [f"{cell.notebook}: {line.strip()[:60]}…" for cell, line in lines if len(line) > WIDTH]
    tuples = [(cell, node) for cell, node in nodes(cells, ast.Assign) if is_several(node)]
    several = [cell.place(node) for cell in cells for node in on_one_line(cell.tree)]
    functions = nodes(cells, ast.FunctionDef, ast.AsyncFunctionDef)
    patches = [cell.place(node) for cell, node in functions if is_patch(node)]
    longest = sorted(functions, key=lambda found: -length(found[1]))
    largest = sorted((cell for cell in cells if defines(cell.tree)), key=lambda cell: -len(cell.lines))
    public = [(cell, node) for cell in cells for node in public_functions(cell.tree)]
    silent = [cell.place(node) for cell, node in public if node.returns is None]
    shares = {name: share_with_example(*both) for name, both in notebooks.items()}
    worst = sorted(shares, key=lambda name: shares[name][0])
    return [
        (100 * len(long) / len(lines), long),
        (100 * len(tuples) / len(lines), [cell.place(node) for cell, node in tuples]),
        (len(several), several),
        (len(patches), patches),
        (length(longest[0][1]), [f"{cell.place(node)} has {length(node)}" for cell, node in longest[:10]]),
        (len(largest[0].lines), [f"{cell.place(cell.tree.body[-1])} ends one of {len(cell.lines)}" for cell in largest[:10]]),
        (100 * (1 - len(silent) / len(public)), silent),
        (shares[worst[0]][0], [f"{name} {shares[name][0]:.0f} %, without: {', '.join(n.name for _, n in shares[name][1])}"
                               for name in worst[:10] if shares[name][0] < 100]),
    ]


def show(rules, measured):
    "Print the table, and the places of what is beyond its limit; `True` if nothing is."
    wide = max(len(rule.what) for rule in rules)
    print(f"{'':{wide}}  measured  allowed")
    for rule, (value, _) in zip(rules, measured):
        print(f"{rule.what:{wide}}  {value:8.4g}  {rule}{'' if rule.holds(value) else '  BEYOND'}")
    beyond = [(rule, places) for rule, (value, places) in zip(rules, measured) if not rule.holds(value)]
    for rule, places in beyond:
        print(f"\n{rule.what}, {rule}:", *places[:40], sep="\n  ")
    return not beyond


def run_ruff(root):
    "Run ruff over everything that people write."
    ruff = shutil.which("ruff", path=os.pathsep.join([str(BIN), os.environ.get("PATH", "")]))
    if ruff is None: sys.exit("ruff is not installed: pip install --editable '.[dev]'")
    return subprocess.run([ruff, "check", "--no-cache", "."], cwd=root).returncode == 0


def main(root=ROOT, verbose=False):
    measured = measure(read_notebooks(root))
    sound = show(RULES, measured)
    if verbose:
        for rule, (_, places) in zip(RULES, measured): print(f"\n{rule.what}:", *places, sep="\n  ")
    print(flush=True)
    return int(not (run_ruff(root) & sound))


if __name__ == "__main__":
    sys.exit(main(verbose="--all" in sys.argv))
