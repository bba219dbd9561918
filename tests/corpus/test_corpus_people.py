"""The same people in many videos: clips composed of the London pictures, and what the viewer writes into every file."""
import json
import os

import numpy as np
import pytest

from mexca_video import FaceExtractor, demo_features, load, make_gallery, recognize_corpus, save, view_corpus_faces
from mexca_video.people.gallery import build_gallery
from mexca_video.review.corrections import replay_history
from mexca_video.schema import VARIABLES, build_features, detected
from mexca_video.validators import check_features

import browser
from clips import write_clip
from people_clips import LONDON, TWELVE, draw, sit
from places import TESTS

MODEL = dict(name="sface", sha256="0" * 64)


def made_up(folder, cast):
    "Results of made-up people: `cast` says who is in which, by number."
    whole = demo_features(n_frames=20, n_faces=5, embeddings=True, seed=3).assign_attrs(models=json.dumps([dict(role="embedding", **MODEL)]))
    (folder / "results").mkdir(parents=True)
    for id, people in cast.items():
        some = whole.isel(face=people)
        values = {name: some[name].values for name, row in VARIABLES.items() if name in some.data_vars and "face" in row.dims and name != "status"}
        values["face_label"] = np.where(detected(some), np.arange(len(people)), np.nan)
        values |= dict(frame=some.frame, time=some.time, shot=some.shot, au_worth=some.au_worth, n_detected=detected(some).sum("face"))
        save(build_features(attrs=some.attrs | dict(video_file=f"{id}.mp4"), **values), folder / "results" / f"{id}.nc")
    return np.nanmean(whole.face_embedding.values, axis=0)


def names(folder): return {path.stem: load(path).face_name.values.tolist() for path in sorted((folder / "results").glob("*.nc"))}


def test_strangers_are_put_together_only_if_asked(tmp_path):
    faces = made_up(tmp_path, dict(a=[0, 1, 2], b=[2, 0], c=[1, 3], d=[3, 2]))
    gallery = build_gallery(faces[:1], ["Anna"], MODEL)
    recognize_corpus(tmp_path, gallery)
    assert names(tmp_path) == dict(a=["Anna", "Person_2", "Person_3"], b=["Person_1", "Anna"], c=["Person_1", "Person_2"], d=["Person_1", "Person_2"])
    table = recognize_corpus(tmp_path, gallery, cluster_unknown=True)
    assert names(tmp_path) == dict(a=["Anna", "Unknown_1", "Unknown_2"], b=["Unknown_2", "Anna"], c=["Unknown_1", "Unknown_3"], d=["Unknown_3", "Unknown_2"])
    assert table.groupby("face_name").id.nunique().to_dict() == dict(Anna=2, Unknown_1=2, Unknown_2=3, Unknown_3=2)


def test_nobody_is_recognised_where_the_manifest_expects_others(tmp_path):
    faces = made_up(tmp_path, dict(a=[0, 1], b=[0, 1], c=[1, 0], d=[0]))
    gallery = build_gallery(faces[:2], ["Anna", "Ben"], MODEL)
    recognize_corpus(tmp_path, gallery)
    assert names(tmp_path) == dict(a=["Anna", "Ben"], b=["Anna", "Ben"], c=["Ben", "Anna"], d=["Anna"])
    (tmp_path / "corpus.csv").write_text("id,video,people\na,a.mp4,Anna\nb,b.mp4,Ben; Cem\nc,c.mp4,\nd,d.mp4,Dora\n", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"d: among=\['Dora'\]: none of them is in the gallery"): table = recognize_corpus(tmp_path, gallery)
    assert names(tmp_path) == dict(a=["Anna", "Person_2"], b=["Person_1", "Ben"], c=["Ben", "Anna"], d=["Anna"])
    assert table.problem[table.id == "d"].str.contains("Dora").all()


def test_files_that_cannot_be_done_stay_as_they_are(tmp_path):
    faces = made_up(tmp_path, dict(a=[0], b=[0], c=[1]))
    gallery = build_gallery(faces[:1], ["Anna"], MODEL)
    path = tmp_path / "results" / "b.nc"
    save(load(path).drop_vars("face_embedding"), path)
    (tmp_path / "results" / "d.nc").write_text("no result")
    before = path.read_bytes()
    with pytest.warns(UserWarning, match="(b: b.mp4 has no embeddings|d: .* cannot be read)"): table = recognize_corpus(tmp_path, gallery)
    assert path.read_bytes() == before and (tmp_path / "results" / "d.nc").read_text() == "no result"
    assert table.set_index("id").problem.str.len().gt(0).to_dict() == dict(a=False, b=True, c=False, d=True)
    with pytest.raises(ValueError, match="nobody can be recognised in any of 1 results"): recognize_corpus([path], gallery)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_private_result_stays_private(tmp_path):
    faces = made_up(tmp_path, dict(a=[0], b=[0]))
    (tmp_path / "results" / "a.nc").chmod(0o600)
    mode = (tmp_path / "results" / "b.nc").stat().st_mode
    recognize_corpus(tmp_path, build_gallery(faces[:1], ["Anna"], MODEL))
    assert [(tmp_path / "results" / f"{id}.nc").stat().st_mode & 0o777 for id in "ab"] == [0o600, mode & 0o777]


def test_the_viewer_merges_within_a_file(tmp_path):
    "Two of one video who are said to be one become one; exchanged names are exchanged."
    made_up(tmp_path, dict(a=[0, 1, 2], b=[0, 1]))
    viewer = view_corpus_faces(tmp_path)
    before = {path.stem: load(path) for path in (tmp_path / "results").glob("*.nc")}
    viewer.gallery.chosen = ["a:0", "a:2", "b:1"]
    viewer.to.value = "Zoë"
    viewer.assign()
    viewer.gallery.chosen = ["b:0"]
    viewer.to.value = "Person_2"
    viewer.assign()
    viewer.undo()
    assert viewer.pending() == dict(a={0: "Zoë", 2: "Zoë"}, b={1: "Zoë"})
    assert viewer.write() == ["a", "b"]
    assert names(tmp_path)["a"][:2] == ["Zoë", "Person_2"] and names(tmp_path)["b"] == ["Person_1", "Zoë"]
    for id, ds in before.items():
        after = load(tmp_path / "results" / f"{id}.nc")
        assert check_features(after) == [] and replay_history(ds, after).identical(after)
    sent = []
    viewer.gallery.send = sent.append
    viewer.gallery.chosen = []
    viewer._asked(None, {"want": ["a:0", "nonsense"]}, [])  # no video is there: a grey face
    assert "image/jpeg" in viewer.still()
    assert list(sent[0]["pictures"]) == ["a:0"] and sent[0]["pictures"]["a:0"].startswith("data:image/jpeg")


def test_what_cannot_be_written_stays_pending(tmp_path, monkeypatch):
    made_up(tmp_path, dict(a=[0], b=[0]))
    viewer = view_corpus_faces(tmp_path)
    viewer.who.value, viewer.name.value = "Person_1", "Anna"
    viewer.rename()
    path = tmp_path / "results" / "b.nc"
    path.unlink()
    assert viewer.write() == ["a"] and "not written: b: there is no file" in viewer.message.value
    assert names(tmp_path) == dict(a=["Anna"])


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    "Ten clips of two or three of the smiling people of London each, as a corpus, and portraits of nine of the twelve."
    if not LONDON.is_dir(): pytest.skip("needs ../shared/faces")
    folder = tmp_path_factory.mktemp("london")
    for name in TWELVE[:9]:
        (folder / "people" / f"P{name}").mkdir(parents=True)
        (folder / "people" / f"P{name}" / "neutral.jpg").write_bytes((LONDON / f"{name}_03.jpg").read_bytes())
    (folder / "out" / "results").mkdir(parents=True)
    (folder / "videos").mkdir()
    extractor = FaceExtractor.embedded(landmark_model=None, au_model=None, min_face_size=50)
    casts = {f"v{k}": [TWELVE[k], TWELVE[(k + 5) % 12], TWELVE[(k + 9) % 12]][:2 + k % 2] for k in range(10)}
    for id, cast in casts.items():
        def picture(number, *size, cast=cast):
            return draw((400, 160), [sit(who, 4 * number, 80 + 120 * k, 80, 76, smiling=True) for k, who in enumerate(cast)])[0]
        clip = write_clip(str(folder / "videos" / f"{id}.mp4"), count=12, size=(400, 160), rate=25, draw=picture)
        save(extractor.apply(str(clip), skip_frames=3, show_progress=False, return_embeddings=True), folder / "out" / "results" / f"{id}.nc")
    (folder / "out" / "corpus.csv").write_text("id,video\n" + "".join(f"{id},../videos/{id}.mp4\n" for id in casts))
    return folder, casts, extractor


@pytest.mark.slow
def test_the_same_names_across_ten_videos(composed):
    "Nine are known by a neutral portrait; three are strangers who come again. Their places in the picture say who it is."
    folder, casts, extractor = composed
    gallery = make_gallery(folder / "people", extractor)
    recognize_corpus(folder / "out", gallery, cluster_unknown=True)
    found = {}
    for id, cast in casts.items():
        ds = load(folder / "out" / "results" / f"{id}.nc")
        assert check_features(ds) == [] and ds.sizes["face"] == len(cast), id
        centre = ds.face_box.mean("frame").values[:, [0, 2]].mean(1)
        for name, x in zip(ds.face_name.values.tolist(), centre): found.setdefault(cast[round((x - 80) / 120)], set()).add(name)
    known = {name: {f"P{name}"} for name in TWELVE[:9] if name in found}
    strangers = {name: own for name, own in found.items() if name not in known}
    assert {name: found[name] for name in known} == known
    assert len(strangers) == 3 and all(len(own) == 1 for own in strangers.values())
    assert set.union(*strangers.values()) == {"Unknown_1", "Unknown_2", "Unknown_3"}


@pytest.mark.slow
@pytest.mark.skipif(bool(browser.missing("playwright")), reason=f"the browser tests need {browser.missing('playwright')}")
def test_the_viewer_in_a_page(composed, monkeypatch):
    "One row for each name with a face from every video; a click on the head of a row chooses all of it."
    from mexca_video.viewers.widgets import STATIC

    monkeypatch.syspath_prepend(str(TESTS / "viewers"))
    from test_modules import FAKE

    folder, casts, _ = composed
    viewer = view_corpus_faces(folder / "out")
    sent = {}
    viewer.gallery.send = lambda message: sent.update(message["pictures"])
    viewer.send_pictures(list(viewer.seen))
    assert len(sent) == sum(map(len, casts.values()))
    with browser.chromium() as page:
        page.goto("about:blank")
        page.set_viewport_size(dict(width=900, height=1400))
        traits = dict(rows=viewer.gallery.rows, proposals=[], chosen=[])
        page.evaluate(FAKE, dict(source=(STATIC / "gallery.js").read_text(), traits=traits, images=[]))
        page.add_style_tag(content=(STATIC / "gallery.css").read_text())
        page.evaluate("pictures => window.model.tell('msg:custom', { pictures })", sent)
        heads = page.locator(".mexca-head b").all_inner_texts()
        assert heads == [row["name"] for row in viewer.gallery.rows] and page.locator(".mexca-thumb").count() == len(sent)
        page.locator(".mexca-head").first.click()
        assert page.evaluate("() => window.model.get('chosen')") == [thumb["key"] for thumb in viewer.gallery.rows[0]["thumbs"]]
        browser.ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=browser.ARTEFACTS / "corpus_faces.png")
    figure = viewer.figure()
    assert len([ax for ax in figure.axes if ax.images]) >= len(sent) - 4
