"""The JavaScript of the widgets: each file alone in a blank page, against a made-up model; and a linter over it."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from mexca_video.viewers.widgets import STATIC, Gallery, Live, Picture, Strip

import browser

LACKING = browser.missing("playwright")
in_chromium = pytest.mark.skipif(bool(LACKING), reason=f"the tests in a blank page need {LACKING}")
NODE = shutil.which("node")
NPX = shutil.which("npx")
WIDGETS = {"picture": Picture, "strip": Strip, "gallery": Gallery, "live": Live}
SCRIPTS = sorted(STATIC.glob("*.js"))

# What anywidget hands to `render`, and a note of what it was told. `images` are traits that travel as bytes.
FAKE = """async ({ source, traits, images }) => {
    for (const name of images) traits[name] = Uint8Array.from(atob(traits[name]), letter => letter.charCodeAt(0));
    const ears = {};
    const model = {
        sent: [], saved: 0, ears,
        get: name => traits[name],
        set: (name, value) => { traits[name] = value; model.tell(`change:${name}`); },
        on: (event, ear) => (ears[event] ??= new Set()).add(ear),
        off: (event, ear) => ears[event].delete(ear),
        tell: (event, ...words) => [...(ears[event] ?? [])].forEach(ear => ear(...words)),
        send: message => model.sent.push(message),
        save_changes: () => { model.saved += 1; },
    };
    const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    document.body.replaceChildren();
    const el = document.createElement("div");
    document.body.append(el);
    window.model = model;
    window.stop = await module.default.render({ model, el });
}"""


@pytest.fixture(scope="module")
def page():
    "A blank page. An exception that nobody catches fails the test."
    with browser.chromium() as page:
        page.goto("about:blank")
        page.set_viewport_size(dict(width=640, height=800))
        yield page


@pytest.fixture(autouse=True)
def no_errors(request):
    if "page" not in request.fixturenames:
        yield
        return
    page = request.getfixturevalue("page")
    errors = []

    def note(error): errors.append(str(error))

    page.on("pageerror", note)
    yield
    page.remove_listener("pageerror", note)
    assert errors == []


def image(color, size=(640, 360), format="JPEG"):
    "A plain picture as base64."
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, format)
    return base64.b64encode(file.getvalue()).decode()


def show(page, name, **traits):
    "Render a widget with the traits of its Python class, but for those that are given."
    own = WIDGETS[name].class_own_traits(sync=True)
    defaults = {key: trait.default() for key, trait in own.items() if not key.startswith("_")}
    images = [key for key, value in defaults.items() if isinstance(value, bytes)]
    defaults = {key: "" if key in images else value for key, value in defaults.items()}
    source = (STATIC / f"{name}.js").read_text("utf-8")
    page.evaluate(FAKE, dict(source=source, traits=defaults | traits, images=images))
    style = STATIC / f"{name}.css"
    if style.exists(): page.add_style_tag(content=style.read_text("utf-8"))


def change(page, **traits):
    "Change traits in one message, as the kernel does."
    page.evaluate("traits => { for (const [name, value] of Object.entries(traits)) model.set(name, value); }", traits)


def sent(page):
    return page.evaluate("model.sent")


def stopped(page):
    "Take the widget away; afterwards nothing listens any more."
    page.evaluate("stop()")
    return page.evaluate("Object.values(model.ears).every(ears => ears.size === 0)")


def face(slot, box, **more):
    line = [[box[0], box[1]], [box[2], box[3]]]
    words = dict(label=f"Person_{slot + 1} 0.90", note=f"track {slot}", color="#0072B2", ink="white")
    return dict(slot=slot, box=box, lines=[line], doubtful=False, aus=[["AU12", 0.5], ["AU45", None]], **words) | more


FACES = [face(0, [100, 100, 200, 220]), face(1, [80, 80, 400, 340], doubtful=True)]


def picture(page, **traits):
    show(page, "picture", image=image("gray"), size=[640, 360], faces=FACES, frame=7, alt="frame 7", **traits)
    page.wait_for_selector(".mexca-picture[data-frame='7']")


@in_chromium
def test_what_is_drawn_over_a_picture(page):
    "Two lines for each box, white below the colour; what is doubtful is dashed; a toggle needs no new picture."
    picture(page, show=["boxes"])
    assert page.locator(".mexca-picture").get_attribute("aria-label") == "frame 7"
    assert page.locator("svg").get_attribute("viewBox") == "0 0 640 360"
    assert page.locator("rect").count() == 4 and page.locator("rect[stroke-dasharray]").count() == 2
    assert page.locator(".mexca-name, polyline, .mexca-aus").count() == 0
    source = page.locator("img").get_attribute("src")
    change(page, show=["names", "tracks", "landmarks", "aus"])
    assert page.locator("rect").count() == 0 and page.locator("polyline").count() == 4
    assert page.locator(".mexca-name").all_inner_texts() == ["Person_1 0.90 · track 0", "Person_2 0.90 · track 1"]
    assert page.locator(".mexca-au").all_inner_texts() == ["AU12 0.50", "AU45 –"] * 2
    assert page.locator(".mexca-au i").first.evaluate("bar => bar.style.width") == "20px"
    assert page.locator("img").get_attribute("src") == source


@in_chromium
def test_a_click_selects_the_smallest_face(page):
    picture(page, show=["boxes"])
    for place, slot in (((150, 150), 0), ((300, 300), 1), ((600, 20), -1)):
        box = page.locator("img").bounding_box()
        scale = box["width"] / 640
        page.mouse.click(box["x"] + place[0] * scale, box["y"] + place[1] * scale)
        assert page.evaluate("model.get('selected')") == slot
        assert page.locator("rect.mexca-selected").count() == (0 if slot < 0 else 2)
        assert page.locator(".mexca-picture").get_attribute("data-selected") == str(slot)
    assert page.evaluate("model.saved") == 3 and page.evaluate("document.activeElement.className") == "mexca-picture"


@in_chromium
def test_keys_are_sent_and_others_left_alone(page):
    picture(page)
    page.locator(".mexca-picture").focus()
    for key in ("ArrowRight", "x", "Home", "n"): page.keyboard.press(key)
    assert sent(page) == [{"key": "ArrowRight"}, {"key": "Home"}, {"key": "n"}]


@in_chromium
def test_boxes_wait_for_their_picture(page):
    "Of a message with image, faces and frame, all is shown together; of two messages the later one counts."
    picture(page, show=["boxes"])
    messages = [[8, image("red", (3000, 2000))], [9, image("blue", (64, 36))]]
    meanwhile = page.evaluate("""async messages => {
        const box = document.querySelector(".mexca-picture");
        window.seen = [];
        box.addEventListener("mexca-shown", () => seen.push(box.dataset.frame));
        for (const [frame, data] of messages) {
            model.set("image", Uint8Array.from(atob(data), letter => letter.charCodeAt(0)));
            model.set("frame", frame);
            model.set("faces", []);
            await null; // the message is over, and its picture is being decoded
        }
        return [box.dataset.frame, box.querySelectorAll("rect").length]; }""", messages)
    assert meanwhile == ["7", 4]
    page.wait_for_selector(".mexca-picture[data-frame='9']")
    assert page.locator("rect").count() == 0 and page.evaluate("seen") == ["9"]
    assert page.locator("img").evaluate("img => img.naturalWidth") == 64
    change(page, image="no picture", frame=10)  # cannot be decoded: the last one stays
    page.wait_for_timeout(100)
    assert page.locator(".mexca-picture").get_attribute("data-frame") == "9"
    assert stopped(page)


@in_chromium
def test_names_are_no_html(page):
    picture(page, show=["names"])
    change(page, faces=[face(0, [0, 0, 50, 50], label="<b>Anna</b>")], frame=8)
    page.wait_for_selector(".mexca-picture[data-frame='8']")
    assert page.locator(".mexca-name").inner_text() == "<b>Anna</b>"


@in_chromium
def test_a_time_axis(page):
    "The cursor stands where the axis of the picture says; a click and a drag wish for a time, also beside the axis."
    show(page, "strip", image=image("white", (1000, 100), "PNG"), span=[0.1, 0.9], limits=[0, 10], time=2.5)
    page.wait_for_function("document.querySelector('.mexca-strip img').naturalWidth === 1000")
    cursor = page.locator(".mexca-cursor")
    assert cursor.evaluate("cursor => parseFloat(cursor.style.left)") == pytest.approx(30)
    change(page, time=10)
    assert cursor.evaluate("cursor => parseFloat(cursor.style.left)") == pytest.approx(90)
    assert page.locator(".mexca-strip").get_attribute("data-time") == "10"
    box = page.locator(".mexca-strip").bounding_box()
    for share, wanted in ((0.5, 5), (0.02, 0), (0.98, 10)):
        page.mouse.click(box["x"] + share * box["width"], box["y"] + 20)
        assert page.evaluate("model.get('wanted')") == pytest.approx(wanted, abs=0.05)
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 20)
    assert page.evaluate("model.saved") == 3, "a move without a button says nothing"
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 300)  # a drag goes on outside
    page.mouse.up()
    assert page.evaluate("model.get('wanted')") == pytest.approx(7.5, abs=0.05)
    assert stopped(page)


def event(onset, end, type="happy", **more):
    return dict(row=0, onset=onset, end=end, type=type, title=f"{type}, {onset:.2f} to {end:.2f} s", color="#BBCCEE", lane=0, excluded=False) | more


EVENTS = [event(1, 3), event(2, 2, "click", lane=1), event(6, 8, "pause", excluded=True)]
EPISODES = [dict(onset=4, offset=5, peak=4.4, top=0.4, height=0.2, title="AU12 of Ann, 4.00 to 5.00 s")]


def strip(page, **traits):
    "A strip whose axis is from 0 to 10 s; returns the mouse's place at a time in the lanes."
    show(page, "strip", image=image("white", (1000, 200), "PNG"), span=[0.1, 0.9], limits=[0, 10], **dict(editable=True, events=EVENTS) | traits)
    page.wait_for_function("document.querySelector('.mexca-strip img').naturalWidth === 1000")
    box = page.locator(".mexca-strip").bounding_box()
    return lambda time: (box["x"] + (0.1 + 0.08 * time) * box["width"], box["y"] + 8)


def drag(page, a, b):
    page.mouse.move(*a)
    page.mouse.down()
    page.mouse.move((a[0] + b[0]) / 2, b[1])
    page.mouse.move(*b)
    page.mouse.up()


def rounded(page):
    "What was sent, in tenths of a second."
    def tenth(one): return [tenth(part) for part in one] if isinstance(one, list) else round(one, 1)
    return [{key: tenth(value) if key != "key" else value for key, value in message.items()} for message in sent(page)]


@in_chromium
def test_events_lie_on_lanes_and_can_be_read(page):
    strip(page)
    bars = page.locator(".mexca-events > .mexca-event")
    assert bars.all_inner_texts() == ["happy", "", "pause"], "a moment has no room for its name"
    assert [bar.get_attribute("aria-label") for bar in bars.all()] == [one["title"] for one in EVENTS]
    assert bars.first.evaluate("bar => [parseFloat(bar.style.left), parseFloat(bar.style.width)]") == pytest.approx([18, 16])
    assert bars.nth(1).bounding_box()["y"] > bars.first.bounding_box()["y"] + 15 and bars.nth(1).bounding_box()["width"] >= 6
    assert bars.nth(2).evaluate("bar => bar.classList.contains('mexca-excluded')")
    assert page.locator("[role=group][aria-label=events]").count() == 1
    change(page, selected=2)
    assert page.locator("[aria-pressed=true]").inner_text() == "pause"
    change(page, events=[event(0, 1, "<b>bold</b>")], selected=-1)
    assert bars.all_inner_texts() == ["<b>bold</b>"]
    change(page, editable=False)
    assert not page.locator(".mexca-events").is_visible()
    assert stopped(page)


@in_chromium
def test_events_are_moved_by_the_mouse(page):
    "In the middle the whole, at an end the end; on an empty place a new one; a click chooses or lets go."
    at = strip(page)
    drag(page, at(2), at(2.5))
    assert rounded(page) == [{"move": [0, 1.5, 3.5]}] and page.evaluate("model.get('wanted')") == pytest.approx(1.5, abs=0.06)
    change(page, events=[*EVENTS])  # as the kernel answers
    (x, y), (x2, _) = at(1), at(3)
    drag(page, (x + 2, y), (x + 2 - 40, y))
    drag(page, (x2 - 2, y), (x2 - 2 + 51.2, y))
    moves = rounded(page)[1:]
    assert moves[0]["move"][0::2] == [0, 3] and moves[0]["move"][1] < 0.4 and moves[1] == {"move": [0, 1, 4]}
    drag(page, at(9.5), at(9))
    assert rounded(page)[3] == {"add": [9, 9.5]}
    page.mouse.click(*at(2))
    page.mouse.click(*at(5))
    assert rounded(page)[4:] == [{"choose": 0}, {"choose": -1, "go": 5}]
    page.mouse.dblclick(*at(4.5))
    assert rounded(page)[-1] == {"add": [4.5, 4.5]}
    drag(page, at(7), at(99))
    assert rounded(page)[-1] == {"move": [2, 8, 10]}, "no event leaves the axis"


@in_chromium
def test_events_are_changed_by_keys(page):
    "Tab reaches them, and the keys stay with the strip when the bars are made anew."
    strip(page, episodes=EPISODES)
    page.locator(".mexca-strip").focus()
    for key in ("ArrowRight", "q", "e", "Shift+ArrowLeft", "Control+z", "Control+Shift+Z", "Delete"): page.keyboard.press(key)
    assert sent(page) == [{"key": key} for key in ("ArrowRight", "e", "Shift+ArrowLeft", "Ctrl+z", "Ctrl+Shift+z", "Delete")]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert sent(page)[-1] == {"choose": 0}
    change(page, selected=0)
    change(page, events=EVENTS[:2])
    assert page.evaluate("document.activeElement.textContent") == "happy"
    change(page, selected=-1)
    change(page, events=[])
    assert page.evaluate("document.activeElement.className") == "mexca-strip"
    change(page, editable=False)
    before = len(sent(page))
    for key in ("e", "Delete", "Home"): page.keyboard.press(key)
    assert sent(page)[before:] == [{"key": "Home"}]


@in_chromium
def test_an_episode_asks_for_its_peak(page):
    strip(page, episodes=EPISODES, editable=False, events=[])
    bar = page.get_by_role("button", name="AU12 of Ann")
    bar.click()
    bar.focus()
    page.keyboard.press("Enter")
    assert sent(page) == [{"go": 4.4}] * 2 and page.evaluate("model.saved") == 0
    box, whole = bar.bounding_box(), page.locator(".mexca-plot").bounding_box()
    assert (box["x"] - whole["x"]) / whole["width"] == pytest.approx(0.42, abs=0.01)
    assert (box["y"] - whole["y"]) / whole["height"] == pytest.approx(0.4, abs=0.01)


def thumb(name, key):
    return dict(key=key, pic=name, caption="1.0 s\n3 frames", title=f"Person_1, {name}", sure=0.9, track=1)


def row(slot, thumbs, rest=()):
    return dict(slot=slot, name=f"Person_{slot + 1}", color="#0072B2", text="9 frames", thumbs=thumbs, rest=list(rest))


ROWS = [row(0, [thumb("a", "0:0:2:1"), thumb("b", "0:3:5:2")], rest=["0:6:8:3"]), row(1, [thumb("c", "1:0:2:4")])]
QUESTION = dict(key="{}", text="They may be one.", accept="Make them one", parts=[
    dict(name=f"Person_{slot + 1}", color="#0072B2", thumbs=[thumb(name, "")]) for slot, name in enumerate("ac")])


@in_chromium
def test_thumbnails_are_chosen(page):
    "One by a click, again by another; a row by its head, with those that are not shown."
    show(page, "gallery", rows=ROWS)
    thumbs = page.locator(".mexca-thumb")
    assert page.locator(".mexca-head").all_inner_texts() == ["Person_1\n9 frames", "Person_2\n9 frames"]
    assert thumbs.count() == 3 and thumbs.first.get_attribute("aria-label") == "Person_1, a, 1.0 s\n3 frames"
    thumbs.nth(2).click()
    assert page.evaluate("model.get('chosen')") == ["1:0:2:4"] and thumbs.nth(2).get_attribute("aria-pressed") == "true"
    page.locator(".mexca-head").first.click()
    assert page.evaluate("model.get('chosen')") == ["1:0:2:4", "0:0:2:1", "0:3:5:2", "0:6:8:3"]
    page.locator(".mexca-head").first.click()
    thumbs.nth(2).click()
    assert page.evaluate("model.get('chosen')") == [] and page.locator("[aria-pressed=true]").count() == 0
    page.get_by_role("button", name="1 more").click()
    assert sent(page)[-1] == {"more": 0} and page.evaluate("model.saved") == 4


@in_chromium
def test_pictures_come_when_they_are_seen_and_stay(page):
    far = row(2, [thumb("far", "2:0:2:5")])
    between = [row(slot, [thumb(f"t{slot}", f"{slot}:0:0:9")]) for slot in range(3, 30)]
    show(page, "gallery", rows=[*ROWS, *between, far])
    page.wait_for_function("model.sent.length > 0")
    wanted = {name for message in sent(page) for name in message["want"]}
    assert {"a", "b", "c"} <= wanted and "far" not in wanted, "what is out of sight is not asked for"
    source = f"data:image/jpeg;base64,{image('red', (72, 72))}"
    page.evaluate("source => model.tell('msg:custom', { pictures: { a: source } })", source)
    assert page.locator("img[src]").count() == 1
    before = len(sent(page))
    change(page, rows=[row(0, [thumb("a", "0:0:2:1")])], proposals=[])
    assert page.locator("img[src]").count() == 1, "after a correction no picture is asked for again"
    page.wait_for_timeout(100)
    assert len(sent(page)) == before and stopped(page)


@in_chromium
def test_a_question_is_answered(page):
    show(page, "gallery", rows=ROWS, proposals=[QUESTION])
    assert page.locator(".mexca-question").inner_text() == "They may be one."
    assert page.locator(".mexca-side b").all_inner_texts() == ["Person_1", "Person_2"]
    for name in ("Make them one", "Dismiss"): page.get_by_role("button", name=name).click()
    answers = [message for message in sent(page) if "answer" in message]
    assert answers == [{"answer": "accept", "key": "{}"}, {"answer": "dismiss", "key": "{}"}]
    change(page, proposals=[])
    assert page.locator(".mexca-proposal").count() == 0 and page.locator(".mexca-person").count() == 2


@in_chromium
def test_still_pictures_hide_behind_their_viewer(page):
    "Also one that comes a moment later; another viewer's stays."
    show(page, "live", viewer="ab12")
    page.evaluate("""() => { for (const viewer of ["ab12", "cd34"])
        document.body.insertAdjacentHTML("beforeend", `<img class="mexca-still" data-viewer="${viewer}">`); }""")
    page.wait_for_function("document.querySelector('[data-viewer=ab12]').style.display === 'none'")
    assert page.locator("[data-viewer=cd34]").evaluate("img => img.style.display") == ""
    assert page.evaluate("document.body.firstChild.style.display") == "none"
    page.evaluate("stop()")


@in_chromium
@pytest.mark.parametrize("name", WIDGETS)
def test_two_in_one_page_know_nothing_of_each_other(page, name):
    "The same module twice, as two viewers in one notebook: each writes to its own model."
    show(page, name)
    page.evaluate("window.first = model")
    show(page, name)
    assert page.evaluate("first !== model && first.saved === 0 && model.saved === 0")


def test_every_file_belongs_to_a_widget():
    "Or to the pages of `report`."
    read = {getattr(widget, name, None) for widget in WIDGETS.values() for name in ("_esm", "_css")}
    texts = {str(one) for one in read}
    assert [file.name for file in STATIC.iterdir() if file.is_file() and file.stem != "report" and file.read_text("utf-8") not in texts] == []


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_lines_can_be_read(file):
    "120 columns, two spaces, one statement a line."
    lines = file.read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= 120
    assert [line for line in lines if re.match(r"( {2})* \S", line) or "\t" in line or line != line.rstrip()] == []
    statements = [re.sub(r"//.*|\"[^\"]*\"", "", line) for line in lines]
    assert [line for line in statements if re.search(r";\s*\S", line)] == []


@pytest.mark.skipif(NODE is None, reason="the JavaScript is parsed by Node.js (Debian: apt-get install nodejs)")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_node_can_parse(script):
    command = [NODE, "--check", "--input-type=module"]
    run = subprocess.run(command, input=script.read_bytes(), capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()


@pytest.mark.slow
@pytest.mark.skipif(NPX is None, reason="ESLint is had by npx (Debian: apt-get install npm)")
def test_eslint_finds_nothing(tmp_path):
    "From npm, at the first time; skipped where that cannot be reached."
    npx = [NPX, "--yes", "eslint@10"]
    env = os.environ | {"npm_config_fetch_retries": "0", "npm_config_update_notifier": "false"}
    there = subprocess.run([*npx, "--version"], cwd=STATIC, env=env, capture_output=True, text=True, timeout=300)
    if there.returncode: pytest.skip(f"npx cannot run ESLint: {there.stderr.strip().splitlines()[-1:]}")
    config = Path(__file__).with_name("eslint.config.mjs")
    (tmp_path / "bad.js").write_text("const used = 1;\nunknown(other);\n")

    def lint(folder):
        command = [*npx, "--config", str(config), "--format", "json", "."]
        run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
        found = json.loads(run.stdout)
        return [f"{Path(file['filePath']).name}:{m['line']} {m['message']}" for file in found for m in file["messages"]]

    assert len(lint(tmp_path)) == 3, "the rules find what is wrong"
    assert lint(STATIC) == []
