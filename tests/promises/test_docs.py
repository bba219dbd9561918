"""The site: every page opens without an error, no link inside leads nowhere, the search works from a folder, and on a
phone a page is no wider than the screen."""
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from docs import exported, lacking, module_files, notebooks, rows_of, show_cell
from mexca_video import schema, validators

from browser import chromium, missing
from places import ARTEFACTS, NBS, ROOT

LACKING = ", ".join(filter(None, [lacking(), missing()]))
PHONE = dict(width=390, height=844)
DESK = dict(width=1280, height=900)


def links(text): return re.findall(r"\]\(((?!\w+:)[^)#\s]+)(?:#[^)\s]*)?\)", text)


def prose(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_links_between_notebooks_lead_somewhere():
    dead = []
    for path in notebooks():
        base = ROOT if str(path) == "index.ipynb" else (NBS / path).parent
        dead += [f"{path}: {link}" for link in links(prose(NBS / path)) if not (base / link).exists()]
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        found = links((ROOT / name).read_text(encoding="utf-8"))
        dead += [f"{name}: {link}" for link in found if not (ROOT / link).exists()]
    assert not dead


def test_the_glossary_says_each_term_once_and_where_it_matters():
    lines = re.findall(r"^- \*\*(.+?)\*\*: (.+)$", prose(NBS / "explanations" / "glossary.ipynb"), re.M)
    terms = [term for term, _ in lines]
    assert len(terms) >= 40 and len(set(terms)) == len(terms)
    assert all(re.search(r"\(\[[^]]+\]\([^)]+\.ipynb\)\)$", meaning) for _, meaning in lines)


def test_every_module_that_a_notebook_exports_has_its_place():
    modules = module_files()
    assert set(exported().values()) <= set(modules)
    assert all((NBS / path).exists() for path in exported())
    assert not any("_moved" in name for name in modules)


def test_the_reference_is_made_from_the_comments():
    rows, back = rows_of(schema.build_features)
    assert ("face_box", "", "", "(frame, face, 4) x1, y1, x2, y2 in pixels") in rows
    meaning = 'such as "merge_faces", or empty for a line that is not ours'
    assert ("function", "str", "", meaning) in rows_of(schema.HistoryStep)[0]
    assert rows_of(validators.check_features)[1][0] == "list"


def test_cells_are_shown_as_they_are_marked():
    def code(source): return dict(cell_type="code", metadata={}, source=source, outputs=[])
    assert show_cell(code("#| hide\nimport x")) is None
    assert show_cell(code("#| exports\ndef f(): ...")) == code("def f(): ...")
    assert show_cell(code("#| export\nx = 1"))["metadata"] == {"tags": ["hide-input"]}


class Page(HTMLParser):
    "Links and anchors of a page."
    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        for key in ("href", "src"):
            if attrs.get(key): self.links.add(attrs[key])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if LACKING: pytest.skip(f"needs {LACKING}")
    folder = tmp_path_factory.mktemp("site") / "docs"
    done = subprocess.run([sys.executable, ROOT / "tools" / "docs.py", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def page(site):
    with chromium() as opened: yield opened


@pytest.mark.slow
def test_no_link_inside_leads_nowhere(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > len(notebooks())
    dead = []
    for path, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc: continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists(): dead.append(f"{path.relative_to(site)}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                dead.append(f"{path.relative_to(site)}: {link}")
    assert not dead


@pytest.mark.slow
def test_every_page_opens_at_a_desk_and_on_a_phone(site, page):
    wrong = []

    def note(what): wrong.append(f"{page.url.rsplit('/docs/')[-1]}: {what}")
    page.on("console", lambda message: message.type == "error" and note(message.text))
    page.on("pageerror", lambda error: note(error))
    local = ("file:", "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(local) or note(f"asks for {request.url}"))
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
            if width > size["width"]: note(f"is {width} pixels wide on a screen of {size['width']}")
    assert not wrong
    ARTEFACTS.mkdir(exist_ok=True)
    for name, size in (("desk", DESK), ("phone", PHONE)):
        page.set_viewport_size(size)
        page.goto((site / "index.html").as_uri())
        page.screenshot(path=ARTEFACTS / f"docs_{name}.png")


@pytest.mark.slow
@pytest.mark.parametrize(("words", "title"), [
    ("AU12", "From frames to statistics"),
    ("check_features", "schema"),
    ("cannot-link", "Glossary"),
])
def test_the_search_works_without_a_server(site, page, words, title):
    page.set_viewport_size(DESK)
    page.goto((site / "search.html").as_uri() + f"?q={words}")
    page.wait_for_selector("#search-results li a", timeout=60000)
    page.wait_for_timeout(500)
    found = page.locator("#search-results li a").all_inner_texts()
    assert any(title in text for text in found), found


@pytest.mark.slow
def test_reference_and_notebooks_are_in_the_site(site):
    text = (site / "api" / "mexca_video.schema.html").read_text(encoding="utf-8")
    assert "x1, y1, x2, y2 in pixels" in text and 'id="mexca_video.schema.build_features"' in text
    for path in notebooks():
        assert (site / path.with_suffix(".html")).exists(), path
    outputs = (site / "index.html").read_text(encoding="utf-8")
    assert "xarray.Dataset" in outputs and "_images/" in outputs
