"""The site of this package: python tools/docs.py [FOLDER]. `make docs` writes it to _docs.

The notebooks are shown as they are, with the outputs that they keep; nothing is executed. The API reference is made
from the signatures and the comments beside the parameters (fastcore's docments). Open _docs/index.html; no server is
needed.
"""
import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "mexca_video"
# the order in which modules build on each other; what is not named here comes at the end
ORDER = (
    "files", "schema", "validators", "intervals", "video", "compute", "models", "samples", "faces", "people",
    "extraction", "io", "review", "analysis", "figures", "viewers", "corpus", "report", "citing", "cli",
)
APART = {  # folders of notebooks that export nothing, and what is said of them
    "tutorials": "From the first clip to the statistics, each with exercises. Begin with the first.",
    "explanations": "What the numbers are worth, what may be shared, how quick it is, and what the words mean.",
}
LITERATE = ("The package is written as notebooks: the reasons, the code, examples and tests stand in one place. "
            "Each builds on those above it.")
HIDDEN = ("application/vnd.jupyter.widget-view+json",)  # would need a kernel; the picture beside it is shown
LONG = 400  # characters of a constant that are shown


# Notebooks

def place(path):
    "Sort key of a notebook below `nbs`: its folder's or its own place in ORDER, then its number."
    parts = path.with_suffix("").parts
    room = re.sub(r"^\d+_", "", parts[0])
    return ORDER.index(room) if room in ORDER else len(ORDER), parts


def notebooks():
    "Paths below `nbs`, in the order of the site."
    found = [path.relative_to(ROOT / "nbs") for path in (ROOT / "nbs").rglob("*.ipynb")]
    return sorted((path for path in found if not any(part.startswith((".", "_")) for part in path.parts)), key=place)


def show_cell(cell):
    "A cell as the site shows it, or `None`: helper code is folded, what is marked as hidden is left out."
    source = "".join(cell["source"])
    marks = re.findall(r"^#\| *(\w+)", source, re.M)
    if "hide" in marks or "default_exp" in marks: return None
    cell["source"] = re.sub(r"^#\|.*\n?", "", source, flags=re.M).strip("\n")
    if "export" in marks: cell["metadata"] = {"tags": ["hide-input"]}
    if "echo" in marks: cell["metadata"] = {"tags": ["remove-input"]}
    for output in cell.get("outputs", []):
        for kind in HIDDEN: output.get("data", {}).pop(kind, None)
    return cell


def from_root(text, root):
    "Markdown of a file in the repository's root, whose links lead to `nbs/…`, for a page in the site's root."
    if not root: return text
    def named(match): return f"[{headings(match[1])[0]}]({match[1]})"
    text = re.sub(r"\[`nbs/\S+`\]\(nbs/(\S+\.ipynb)\)", named, text)
    return re.sub(r"\]\(nbs/", "](", text)


def markdown(text):
    return dict(cell_type="markdown", metadata={}, id=f"docs{abs(hash(text)) % 10**8:08d}", source=text)


def stage_notebook(path, target, modules):
    "Write a notebook for the site; the page of a module leads to its reference."
    notebook = json.loads((ROOT / "nbs" / path).read_text(encoding="utf-8"))
    cells = [shown for cell in notebook["cells"] if (shown := show_cell(cell))]
    for cell in cells:
        if cell["cell_type"] == "markdown": cell["source"] = from_root(cell["source"], path == Path("index.ipynb"))
    if module := modules.get(path):
        up = "../" * (len(path.parts) - 1)
        cells.insert(1, markdown(f"Reference: [`{module}`]({up}api/{module}.md)"))
    if path == Path("index.ipynb"): cells.append(markdown(CONTENTS))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(notebook | dict(cells=cells)), encoding="utf-8")


CONTENTS = """```{toctree}
:hidden:
:titlesonly:

tutorials/index
explanations/index
notebooks
api/index
changelog
contributing
```"""


def headings(path):
    "Title and subtitle of a notebook."
    first = "".join(json.loads((ROOT / "nbs" / path).read_text(encoding="utf-8"))["cells"][0]["source"]).splitlines()
    return first[0].lstrip("# "), " ".join(line.lstrip("> ") for line in first[1:]).strip()


def overview(title, subtitle, paths, here):
    "A page that lists notebooks with the question that each answers."
    lines = [f"# {title}", "", subtitle, ""]
    for path in paths:
        name, question = headings(path)
        lines.append(f"- [{name}]({here(path)}): {question}")
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", ":titlesonly:", "", *map(here, paths), "```", ""])


def stage_pages(source):
    "Everything but the reference."
    paths = notebooks()
    modules = exported()
    for path in paths: stage_notebook(path, source / path, modules)
    for folder, subtitle in APART.items():
        inside = [path for path in paths if path.parts[0] == folder]
        page = overview(folder.capitalize(), subtitle, inside, lambda path: path.name)
        (source / folder / "index.md").write_text(page, encoding="utf-8")
    rest = [path for path in paths if path.parts[0] not in APART and path != Path("index.ipynb")]
    page = overview("Notebooks", LITERATE, rest, lambda path: path.as_posix())
    (source / "notebooks.md").write_text(page, encoding="utf-8")
    for name in ("CHANGELOG", "CONTRIBUTING"):
        page = from_root((ROOT / f"{name}.md").read_text(encoding="utf-8"), True)
        (source / f"{name.lower()}.md").write_text(page, encoding="utf-8")
    for extra in (ROOT / "nbs").rglob("*"):  # what notebooks show or offer
        if extra.suffix in (".png", ".csv", ".svg") and extra.is_file():
            target = source / extra.relative_to(ROOT / "nbs")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(extra, target)


# API reference

def module_files():
    "Name of each public module -> its file."
    found = {}
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") for part in parts[1:]): found[".".join(parts)] = file
    return dict(sorted(found.items(), key=lambda item: place(Path(*item[0].split(".")[1:]))))


def exported():
    "Notebook below `nbs` -> the module that it exports."
    found = {}
    for name, file in module_files().items():
        match = re.search(r"File to edit: (?:\.\./)*nbs/(\S+\.ipynb)", file.read_text(encoding="utf-8"))
        if match: found[Path(match[1])] = name
    return found


def constant_notes(file):
    "Name -> the comment beside or above a constant of a module."
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    notes = {}
    for node in ast.parse(text).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if not names: continue
        note = re.search(r"#(?!\s*noqa)\s*(.+)$", lines[node.end_lineno - 1][node.end_col_offset:])
        if not note: note = re.search(r"[\[({]\s*#\s*(.+)$", lines[node.lineno - 1])
        above = lines[node.lineno - 2].strip()
        if not note and above.startswith("#") and not above.startswith("# %%"): note = re.match(r"#\s*(.+)", above)
        for name in names: notes[name] = note[1].strip() if note else ""
    return notes


def field_notes(cls):
    "Field of a NamedTuple -> (its type, its comment)."
    source = inspect.getsource(cls)
    found = re.finditer(r"^    (\w+): ([^#=\n]+)(?:=[^#\n]*)?(?:#\s*(.+))?$", source, re.M)
    return {match[1]: (match[2].strip(), (match[3] or "").strip()) for match in found if match[1] in cls._fields}


def short(value, most=60):
    "A default as it may stand in a table."
    if callable(value) and hasattr(value, "__name__"): return value.__name__
    text = re.sub(r" at 0x\w+", "", " ".join(repr(value).split()))
    return text if len(text) <= most else f"{text[:most]}…"


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def kind_of(annotation):
    "A type as text; empty if there is none."
    if annotation in (None, inspect.Parameter.empty): return ""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def rows_of(thing):
    "(name, type, default, meaning) of each parameter, and (type, meaning) of what is returned."
    from fastcore.docments import docments

    empty = inspect.Parameter.empty
    if inspect.isclass(thing) and hasattr(thing, "_fields"):
        notes = field_notes(thing)
        defaults = {name: short(value) for name, value in thing._field_defaults.items()}
        rows = [(name, *notes.get(name, ("", ""))) for name in thing._fields]
        return [(name, kind, defaults.get(name, ""), meaning) for name, kind, meaning in rows], None
    try: found = docments(thing, full=True, returns=True)
    except (TypeError, ValueError, OSError, AttributeError): return [], None
    back = found.pop("return", None)
    rows = []
    for name, entry in found.items():
        default = "" if entry["default"] is empty else short(entry["default"])
        if name not in ("self", "cls"): rows.append((name, kind_of(entry["anno"]), default, entry["docment"] or ""))
    if inspect.isclass(thing) or not back or not (back["docment"] or back["anno"] is not empty): return rows, None
    return rows, (kind_of(back["anno"]), back["docment"] or "")


def signature(thing):
    "The parameters of a function or class, without types: these stand in the table."
    try: parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError): return "()"
    parameters = [p.replace(annotation=p.empty) for p in parameters if p.name not in ("self", "cls")]
    plain = [p if p.default is p.empty else p.replace(default=Shown(short(p.default, 30))) for p in parameters]
    return str(inspect.Signature(plain))


class Shown:
    "A text that `repr` gives back as it is."
    def __init__(self, text): self.text = text
    def __repr__(self): return self.text


def own_doc(thing):
    "The docstring, unless Python made it up."
    text = inspect.getdoc(thing) or ""
    if inspect.isclass(thing) and (text.startswith(f"{thing.__name__}(") or not thing.__doc__): return ""
    return text


def describe(thing):
    "Lines of markdown: docstring, parameters, what is returned."
    rows, back = rows_of(thing)
    lines = [own_doc(thing), ""]
    if any(default or meaning or kind for _, kind, default, meaning in rows):
        defaults = any(default for _, _, default, _ in rows)
        columns = ["name", *["default"] * defaults, "meaning"]
        lines += [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
        for name, kind, default, meaning in rows:
            meaning = f"{meaning} *({kind})*" if kind else meaning
            shown = [f"`{cell(default)}`" if default else ""] * defaults
            lines.append(f"| {' | '.join([f'`{name}`', *shown, cell(meaning)])} |")
        lines.append("")
    if back:
        kind, meaning = back
        kind = f"`{kind}`" if kind else ""
        lines += [f"**Returns** {': '.join(filter(None, (kind, meaning)))}", ""]
    return lines


def directive(kind, head, body, colons=4):
    "A Python object in MyST's syntax."
    fence = ":" * colons
    return [f"{fence}{{py:{kind}}} {head}", "", *body, fence, ""]


def methods(cls):
    "Public methods and properties that a class defines itself."
    for name, member in vars(cls).items():
        if name.startswith("_") and name != "__call__" or not cls.__module__.startswith(PACKAGE): continue
        thing = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if isinstance(thing, property): yield "property", name, thing.fget
        elif isinstance(member, classmethod): yield "classmethod", name, thing
        elif inspect.isfunction(thing): yield "method", name, thing


def describe_class(name, cls):
    body = describe(cls)
    for kind, method, thing in methods(cls):
        head = method if kind == "property" else method + signature(thing)
        body += directive(kind, head, describe(thing))
    exception = issubclass(cls, BaseException)
    head = name if exception else name + signature(cls)
    return directive("exception" if exception else "class", head, body, 5)


def describe_name(module, name, notes):
    thing = getattr(module, name)
    if inspect.isclass(thing): return describe_class(name, thing)
    if callable(thing): return directive("function", name + signature(thing), describe(thing))
    value = " ".join(repr(thing).split())
    body = [notes.get(name, ""), "", "```text", value if len(value) <= LONG else f"{value[:LONG]} …", "```"]
    return directive("data", name, body, 4)


def module_page(name, file):
    "The page of one module, and its line in the list of modules."
    module = import_module(name)
    short_name = name.removeprefix(f"{PACKAGE}.")
    title = (inspect.getdoc(module) or "").replace("\n", " ")
    notebook = next((path for path, exports in exported().items() if exports == name), None)
    lines = [f"# {short_name}", "", title, ""]
    if notebook: lines += [f"Reasons, examples and tests: [{headings(notebook)[0]}](../{notebook.as_posix()})", ""]
    lines += [f"```{{py:module}} {name}", "```", ""]
    notes = constant_notes(file)
    names = [public for public in getattr(module, "__all__", []) if hasattr(module, public)]
    functions = [public for public in names if callable(getattr(module, public))]
    for public in [*functions, *(public for public in names if public not in functions)]:
        lines += describe_name(module, public, notes)
    return "\n".join(lines), f"| [`{short_name}`]({name}.md) | {cell(title)} |"


def stage_reference(source):
    "A page for each module that has public names."
    home = import_module(PACKAGE)._HOME
    (source / "api").mkdir(exist_ok=True)
    lines = []
    pages = []
    for name, file in module_files().items():
        text, line = module_page(name, file)
        if "{py:" not in text.replace("{py:module}", ""): continue
        (source / "api" / f"{name}.md").write_text(text, encoding="utf-8")
        lines.append(line)
        pages.append(name)
    lifted = []
    for module, names in home.items():
        names = ", ".join(f"{{py:obj}}`~{PACKAGE}.{module}.{name}`" for name in names)
        lifted.append(f"| {names} | [`{module}`]({PACKAGE}.{module}.md) |")
    text = ["# Reference", "", f"## What `{PACKAGE}` itself offers", "", f"`from {PACKAGE} import …`", ""]
    text += ["| name | stands in |", "| --- | --- |", *lifted, "", "## Modules", ""]
    text += ["| module | question |", "| --- | --- |", *lines, ""]
    text += ["```{toctree}", ":hidden:", ":titlesonly:", "", *pages, "```", ""]
    (source / "api" / "index.md").write_text("\n".join(text), encoding="utf-8")


# The site

def lacking():
    "What is missing here, in words; an empty string if nothing is."
    from importlib.util import find_spec

    return ", ".join(name for name in ("sphinx", "myst_nb", "pydata_sphinx_theme") if not find_spec(name))


def build(target):
    "Write the site to the folder `target`, which is made anew. A link that leads nowhere is an error."
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    version = config["DEFAULT"]["version"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        (source / "static").mkdir(parents=True)
        shutil.copy(ROOT / "docs" / "conf.py", source)
        shutil.copy(ROOT / "docs" / "site.css", source / "static")
        stage_pages(source)
        stage_reference(source)
        site = Path(folder) / "site"
        command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-d", f"{folder}/doctrees"]
        command += ["-D", f"version={version}", "-D", f"release={version}", str(source), str(site)]
        done = subprocess.run(command)
        if site.exists():
            shutil.rmtree(target, ignore_errors=True)
            (site / "_static" / "webpack-macros.html").unlink(missing_ok=True)  # a part of the theme that is no page
            (site / ".nojekyll").touch()  # GitHub's pages leave out folders that begin with _ otherwise
            shutil.copytree(site, target)
    return done.returncode


def main(arguments):
    if missing := lacking():
        sys.exit(f"The site needs {missing}; python -m pip install '.[docs]' brings them, and `make docs` does that.")
    sys.path.insert(0, str(ROOT))
    target = Path(arguments[0] if arguments else ROOT / "_docs")
    failed = build(target)
    print(f"{len(list(target.rglob('*.html')))} pages in {target}" + (", with the warnings above" if failed else ""))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
