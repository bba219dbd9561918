"The report of a corpus: what its pages say, that nothing in them runs or comes from outside, and what a browser makes of it."
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from corpora import write_corpus
from PIL import Image

from mexca_video import apply_ratings, demo_features, gather, rename_faces
from mexca_video.report import report

import browser
from places import ARTEFACTS

EVIL = "<script>document.title = 'taken'</script>"
QUOTE = "\"'><img src=x onerror=alert(1)>"
LACKING = browser.missing("playwright")
in_chromium = pytest.mark.skipif(bool(LACKING), reason=f"the tests in a browser need {LACKING}")


def write_evil(out):
    "A corpus in which every text that a user or a file can hold tries to run something."
    results = {"b10": rename_faces(demo_features(20, 2), {"Person_1": EVIL, "Person_2": QUOTE}), "b9": demo_features(20, 1), "b11": None}
    manifest = {id: {"condition": EVIL, f"column {QUOTE}": QUOTE, "age": age} for id, age in (("b10", 9), ("b9", 10), ("b11", ""))}
    failed = dict(state="failed", error=f"{EVIL} cannot be read")
    write_corpus(out, results, manifest, b10=dict(warnings=[EVIL, QUOTE]), b11=failed)
    (out / "ratings.tsv").write_text(f"id\trating\tnote\nb9\tdoubtful\t{EVIL}{QUOTE}\n")
    return out


class Tags(HTMLParser):
    "Elements of a page, with their attributes."
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs): self.found.append((tag, dict(attrs)))

    def of(self, name): return [attrs for tag, attrs in self.found if tag == name]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = write_evil(tmp_path_factory.mktemp("report") / "out")
    report(out, pictures=1, aus="AU12", title=f"Study {EVIL}")
    return out


@pytest.fixture(scope="module")
def pages(corpus): return {path.stem: path.read_text("utf-8") for path in (corpus / "report").glob("*.html")}


def test_a_page_for_each_video_also_for_those_that_failed(pages):
    assert set(pages) == {"index", "b10", "b9", "b11"}
    assert "cannot be read" in pages["b11"] and "There is no result" in pages["b11"] and "cannot be read" in pages["index"]
    assert "the film b9.mp4 is not at hand" in pages["b9"] and "flagged frame" in pages["b9"]


def test_text_of_others_stays_text(pages):
    for name, page in pages.items():
        tags = Tags(page)
        assert [one.get("src") for one in tags.of("script")] == ["report.js"], name
        assert not any(key.startswith("on") for _, attrs in tags.found for key in attrs), name
        assert all(one["src"].startswith("images/") for one in tags.of("img")), name
    assert "&lt;script&gt;" in pages["index"] and "&lt;script&gt;" in pages["b10"] and "&lt;script&gt;" in pages["b9"]


def test_nothing_comes_from_outside(corpus, pages):
    for name, page in pages.items():
        for _, attrs in Tags(page).found:
            for key in {"src", "href"} & set(attrs):
                assert re.fullmatch(r"[\w./-]+", attrs[key]) and (corpus / "report" / attrs[key]).is_file(), (name, attrs)
    for file in ("report.css", "report.js"): assert not re.search(r"https?:|url\(|@import|fetch", (corpus / "report" / file).read_text())


def test_pages_can_be_read_by_those_who_do_not_see(pages):
    for name, page in pages.items():
        tags = Tags(page)
        assert tags.of("html")[0]["lang"] == "en" and len(tags.of("h1")) == 1, name
        assert all(one.get("scope") in ("col", "row") for one in tags.of("th")), name
        assert all(len(one.get("alt", "")) > 10 for one in tags.of("img")), name
        controls = len(re.findall(r"<label><span[^>]*>[^<]+</span><(?:select|input)", page))
        assert controls == len(tags.of("select")) + len(tags.of("input")) > 0, name


def test_what_cannot_be_a_page_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"corpus\.csv is not there"): report(tmp_path)
    write_corpus(tmp_path, {"Index": None})
    with pytest.raises(ValueError, match="the id 'index'"): report(tmp_path)


def test_an_older_report_leaves_nothing_behind(tmp_path):
    out = write_corpus(tmp_path / "out", {"a": None, "b": None})
    report(out)
    (out / "corpus.csv").write_text("id,video\na,a.mp4\n")
    report(out)
    assert {path.name for path in (out / "report").iterdir()} == {"index.html", "a.html", "report.css", "report.js"}


def test_the_table_is_there_without_a_script(pages):
    cells = re.sub(r"<[^>]+>", " ", pages["index"])
    assert "doubtful" in cells and "95 %" in cells and "3 videos: 2 done, 1 failed" in cells


@pytest.fixture(scope="module")
def filmed(clip, tmp_path_factory):
    "A corpus of one film, a report with faces and one without, in two folders."
    from mexca_video import FaceExtractor

    out = tmp_path_factory.mktemp("filmed") / "out"
    write_corpus(out, {"people": FaceExtractor.embedded().apply(clip, skip_frames=18, show_progress=False)})
    shutil.copy(clip, out / "people.mp4")
    report(out, faces=4, pictures=2)
    (out / "report").rename(out.parent / "seen")
    report(out, hide=True, faces=4, pictures=2)
    return out.parent / "seen", out / "report"


@pytest.mark.slow
def test_hidden_faces_cannot_be_found_again(filmed):
    "Thumbnails have 36 values, no picture of a frame is there, and the detector finds no face in any picture of the folder."
    from mexca_video import FaceExtractor

    seen, hidden = filmed
    detect = FaceExtractor.embedded().detect
    def count(folder):
        found = 0
        for path in sorted(folder.rglob("images/**/*.*")):
            picture = np.array(Image.open(path).convert("RGB").resize((288, 288)))
            if path.name.startswith(("face", "frame")): found += int(np.isfinite(np.array(detect(picture)[1], float)).all(-1).sum())
        return found
    thumbnails = list(hidden.rglob("face-*"))
    assert len(thumbnails) == len(list(seen.rglob("face-*"))) >= 8
    for path in thumbnails: assert path.suffix == ".png" and len(Image.open(path).getcolors(9216)) <= 36
    assert count(seen) >= 8 and count(hidden) == 0


def open_page(page, path):
    "Open a page; what it asks of the network and what goes wrong is noted."
    noted = []
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("console", lambda said: noted.append(said.text))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "blob:")) else noted.append(asked.url))
    page.goto(path.as_uri())
    return noted


def ids(page): return page.locator("tbody th a").all_inner_texts()


@in_chromium
def test_sort_rate_download_and_apply_back(corpus, tmp_path):
    with browser.chromium() as page:
        noted = open_page(page, corpus / "report" / "index.html")
        assert page.title() == f"Study {EVIL}" and ids(page) == ["b10", "b9", "b11"]
        for column, up in (("video", ["b9", "b10", "b11"]), ("age", ["b10", "b9", "b11"]), ("people", ["b9", "b10", "b11"])):
            button = page.get_by_role("button", name=column, exact=True)
            button.click()
            assert ids(page) == up and page.locator("[aria-sort=ascending]").count() == 1
            button.click()
            down = up[::-1] if column == "video" else [up[1], up[0], up[2]]  # what is not known stays last
            assert ids(page) == down
        assert page.locator("[data-rate=b9] select").input_value() == "doubtful"
        page.get_by_label("Rating of b10").select_option("exclude")
        page.get_by_label("Note of b10").fill("she said \"no\"\tand left")
        page.goto((corpus / "report" / "b11.html").as_uri())
        page.get_by_label("Rating of b11").select_option("keep")
        page.goto((corpus / "report" / "index.html").as_uri())
        assert "3 of 3 videos are rated" in page.locator(".tools").inner_text()
        with page.expect_download() as waiting: page.get_by_role("button", name="Download the ratings").click()
        waiting.value.save_as(tmp_path / "ratings.tsv")
        assert noted == []
    ratings = apply_ratings(corpus, tmp_path / "ratings.tsv").set_index("id")
    assert ratings.rating.to_dict() == {"b10": "exclude", "b9": "doubtful", "b11": "keep"}
    assert ratings.note.to_dict() == {"b10": 'she said "no" and left', "b9": EVIL + QUOTE, "b11": ""}
    assert pd.read_csv(gather(corpus, format="csv", of="AU12", draws=5)["videos"]).rating.tolist() == ["exclude", "doubtful", "keep"]


@pytest.mark.slow
@in_chromium
def test_pages_print_and_fit_the_screen(corpus):
    ARTEFACTS.mkdir(exist_ok=True)
    with browser.chromium() as page:
        for name in ("index", "b10"):
            noted = open_page(page, corpus / "report" / f"{name}.html")
            page.screenshot(path=ARTEFACTS / f"report_{name}.png", full_page=True)
            sheet = page.pdf(path=ARTEFACTS / f"report_{name}.pdf", prefer_css_page_size=True)
            assert 1 <= len(re.findall(rb"/Type\s*/Page\b", sheet)) <= 5
            page.set_viewport_size(dict(width=390, height=844))
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.set_viewport_size(dict(width=1250, height=1250))
            page.emulate_media(media="print")
            assert not page.locator("nav, .tools").first.is_visible() and page.locator("table").first.is_visible()
            page.emulate_media(media="screen")
            assert noted == []
