"""The viewers without a browser: what a click or a move of the slider does to the picture and to the Dataset."""

import base64
import io
import json

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from mexca_video import (
    VideoDataset,
    add_events,
    assign_face,
    demo_features,
    find_episodes,
    load,
    merge_faces,
    rename_faces,
    replay_history,
    save,
    split_faces,
    view_checks,
    view_detections,
    view_faces,
    view_timeline,
)
from mexca_video.analysis.events import list_events
from mexca_video.review.corrections import accept_proposal, assign_track, dismiss_proposal, list_tracks
from mexca_video.schema import STATUS, build_features
from mexca_video.validators import check_features

from places import NBS
from tracks import NEW_VARIABLES, first_version, with_proposals, with_tracks


def shown(viewer):
    "The picture as the browser gets it."
    return np.asarray(Image.open(io.BytesIO(viewer.picture.image)), int)


@pytest.fixture(scope="module")
def old(features):
    "The same as a result of the first version, which knows no tracks."
    return first_version(features)


@pytest.fixture(scope="module")
def tracked(features):
    return with_tracks(features)


@pytest.fixture(scope="module")
def asking(tracked):
    return with_proposals(tracked)


def key(viewer, name):
    viewer._key(None, {"key": name}, None)


@pytest.fixture(scope="module")
def video(clip):
    return VideoDataset(str(clip))


@pytest.mark.slow
def test_every_step_shows_its_frame(features, clip, video):
    viewer = view_detections(features, clip)
    for frame in (0, 1, 2, 100, 99, 98, 200, 3, 287):
        viewer.slider.value = frame
        assert viewer.frame == viewer.picture.frame == frame
        assert abs(shown(viewer) - video[frame]["Image"].numpy()).mean() < 4
        there = features.face_prob.sel(frame=frame).notnull().values
        assert [f["slot"] for f in viewer.picture.faces] == np.flatnonzero(there).tolist()


def test_flagged_frames_and_ends(features, clip):
    viewer = view_detections(features, clip)
    seen = [viewer.frame]
    for _ in range(len(viewer.flagged) + 2):
        viewer.jump(1)
        seen.append(viewer.frame)
    flagged = viewer.flagged.frame[viewer.flagged.frame > 0].tolist()
    assert seen[1:len(flagged) + 1] == flagged and seen[-1] == flagged[-1]
    assert "no flagged frame" in viewer.message.value
    key(viewer, "End")
    assert viewer.frame == 287
    key(viewer, "ArrowRight")
    assert viewer.frame == 287
    key(viewer, "Home")
    key(viewer, "ArrowLeft")
    assert viewer.frame == 0


def test_two_viewers_are_independent(features, clip):
    one, two = view_detections(features, clip), view_detections(features, clip)
    one.frame = 100
    assert (one.frame, two.frame) == (100, 0)


def test_timeline_is_linked_both_ways(features, clip):
    viewer = view_timeline(features, clip)
    viewer.strip.wanted = 5.01
    assert viewer.frame == viewer.frames.frame == viewer.frames.picture.frame == 120
    viewer.frame = 48
    assert viewer.strip.time == 2.0 and viewer.frames.slider.value == 48


FILM = [dict(onset=1, end=3, type="film", label="a duck", subject="Ann"), dict(onset=5, type="click"), dict(onset=7, end=9, type="pause", excluded=True)]


@pytest.fixture(scope="module")
def told(features):
    return add_events(features, FILM)


def events_of(viewer):
    table = viewer.events.assign(end=viewer.events.onset + viewer.events.duration.fillna(0))
    return [(one.type, round(one.onset, 2), round(one.end, 2)) for one in table.itertuples()]


def test_events_are_set_moved_named_and_deleted(told, clip):
    viewer = view_timeline(told, clip)
    viewer.frame = 240
    viewer.press("e")
    assert events_of(viewer)[-1] == ("event", 10, 10) and viewer.chosen == 3
    viewer.frame = 263
    viewer.press("o")
    assert events_of(viewer)[-1] == ("event", 10, 11), "the frame at which it ends belongs to it"
    assert viewer.dataset.event.sel(frame=263) == "event" and viewer.dataset.event.sel(frame=264) == ""
    viewer.kind.value = "laughter"
    viewer.press("Shift+ArrowLeft")
    assert events_of(viewer)[-1] == ("laughter", 9.96, 10.96) and viewer.frame == 239
    viewer.told({"move": [3, 2.01, 3.01]})  # the middle of the list now
    assert events_of(viewer)[1] == ("laughter", 2, 3) and viewer.chosen == 1
    viewer.press("x")
    assert viewer.events.excluded.tolist() == [False, True, False, True]
    viewer.told({"choose": 0})
    assert viewer.frame == 24 and viewer.kind.value == "film"
    viewer.told({"move": [0, 0.52, 3]})
    assert events_of(viewer)[0] == ("film", 0.5, 3) and viewer.events.label[0] == "a duck" and viewer.events.subject[0] == "Ann"
    viewer.press("Delete")
    assert [kind for kind, *_ in events_of(viewer)] == ["laughter", "click", "pause"] and viewer.chosen == -1
    assert check_features(viewer.dataset) == [] and len(viewer.strip.events) == 3
    assert viewer.dataset.drop_attrs().drop_vars(["event", "event_time", "excluded"]).identical(told.drop_attrs().drop_vars(["event", "event_time", "excluded"]))


def test_events_are_one_line_of_the_history_and_replayed(features, told, clip):
    viewer = view_timeline(told, clip)
    for content in ({"add": [9.9, 10.6]}, {"move": [0, 2, 4]}, {"choose": 1}, {"key": "Delete"}): viewer.told(content)
    lines = viewer.dataset.attrs["history"].split("\n")
    assert lines[:-1] == told.attrs["history"].split("\n") and "add_events" in lines[-1]
    assert replay_history(features, viewer.dataset).identical(viewer.dataset) and replay_history(told, viewer.dataset).identical(viewer.dataset)
    last = viewer.dataset
    for _ in range(9): viewer.press("Ctrl+z")
    assert viewer.dataset is told and viewer.back.disabled and not viewer.again.disabled
    for _ in range(9): viewer.press("Ctrl+y")
    assert viewer.dataset is last and viewer.again.disabled
    viewer.press("Ctrl+z")
    viewer.told({"add": [0, 1]})
    assert not viewer.undone
    while len(viewer.events): viewer.told({"choose": 0}), viewer.press("Delete")
    assert set(viewer.dataset.event.values) == {""} and replay_history(features, viewer.dataset).identical(viewer.dataset)


def test_without_a_chosen_event_nothing_happens(told, features, clip):
    viewer = view_timeline(told, clip)
    for key in ("i", "o", "x", "Delete", "Shift+ArrowLeft", "F2"):
        viewer.press(key)
        assert viewer.dataset is told, key
    assert "Choose an event first" in viewer.message.value and all(button.disabled for button in viewer.for_chosen)
    for content in ({"choose": 17}, {"move": [17, 1, 2]}, {"key": "Ctrl+q"}): viewer.told(content)
    assert viewer.dataset is told
    for seen in ("film", "click", "pause", "pause"):
        viewer.press(".")
        assert viewer.kind.value == seen
    assert "no event after" in viewer.message.value
    viewer.press("Escape")
    assert viewer.chosen == -1
    bare = view_timeline(features, clip)
    bare.press(",")
    assert "no event before" in bare.message.value and bare.strip.events == []
    bare.told({"add": [3, 3]})
    assert events_of(bare) == [("event", 3, 3)]
    bare.undo()
    assert bare.dataset is features


def test_events_outside_stay(features, clip):
    with pytest.warns(UserWarning, match="outside"): ds = add_events(features, [dict(onset=-9, end=-8, type="before"), *FILM, dict(onset=99, type="late")])
    viewer = view_timeline(ds, clip)
    assert [bar["type"] for bar in viewer.strip.events] == ["film", "click", "pause"]
    viewer.told({"move": [1, 6, 6]})
    assert events_of(viewer)[2] == ("click", 6, 6) and [viewer.events.type[k] for k in (0, 4)] == ["before", "late"]
    viewer.told({"choose": 1})
    viewer.press("Delete")
    assert viewer.events.type.tolist() == ["before", "film", "pause", "late"]


def test_events_are_kept_on_file(told, features, clip, tmp_path):
    path = tmp_path / "events.nc"
    viewer = view_timeline(told, clip, path=path)
    viewer.told({"add": [9, 10]})
    assert load(path).identical(viewer.dataset) and "saved in events.nc" in viewer.message.value
    later = view_timeline(told, clip, path=path)
    assert later.dataset.identical(viewer.dataset) and len(later.events) == 4
    later.told({"add": [10, 11]})
    assert replay_history(features, load(path)).identical(later.dataset)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="events.nc' holds another result"): view_timeline(rename_faces(told, {0: "Zoë"}), clip, path=path)
    assert path.read_bytes() == before


def test_a_click_on_an_episode_shows_its_peak(features, clip):
    found = find_episodes(features, "AU12")
    viewer = view_timeline(features, clip, episodes=found)
    assert len(viewer.strip.episodes) == len(found) > 3
    rows = {}
    for bar, one in zip(viewer.strip.episodes, found.itertuples()):
        viewer.told({"go": bar["peak"]})
        assert viewer.frame == one.peak_frame and one.face_name in bar["title"]
        rows.setdefault(one.face, set()).add(round(bar["top"], 6))
    assert all(len(tops) == 1 for tops in rows.values()) and len({*map(tuple, rows.values())}) == len(rows)
    assert "start not seen" in " ".join(bar["title"] for bar in viewer.strip.episodes)
    axes = viewer.figure().axes[0]
    assert len([patch for patch in axes.patches if patch.get_gid() == "episode"]) == len(found)
    assert viewer.events.empty and viewer.dataset is features
    with pytest.raises(ValueError, match="no column of, onset"): view_timeline(features, clip, episodes=found[["face", "face_name", "offset", "peak_time"]])
    with pytest.raises(ValueError, match=r"slots \[9\]"): view_timeline(features, clip, episodes=found.assign(face=9))


def test_corrections_are_those_of_the_functions(old, clip):
    viewer = view_faces(old, clip, n=4)
    first, second = (str(name) for name in old.face_name.values[:2])
    thumb = viewer.gallery.rows[0]["thumbs"][1]["key"]
    slot, a, b = map(int, thumb.split(":"))
    frames = old.frame.values[a:b + 1].tolist()

    def undone():
        viewer.undo()
        assert viewer.dataset.identical(old) and not viewer.done

    for target, expected in (("nobody", assign_face(old, frames, slot, None)), (second, assign_face(old, frames, slot, second)),
                             ("a new person", split_faces(old, slot, frames, "Anna"))):
        viewer.gallery.chosen, viewer.to.value, viewer.name.value = [thumb], target, "Anna"
        viewer.move()
        assert viewer.dataset.drop_attrs().identical(expected.drop_attrs())
        assert replay_history(old, viewer.dataset).identical(viewer.dataset)
        undone()
    viewer.who.value, viewer.other.value = first, second
    viewer.merge()
    assert viewer.dataset.drop_attrs().identical(merge_faces(old, first, second).drop_attrs())
    undone()
    viewer.redo()
    assert len(viewer.done) == 1
    undone()
    viewer.who.value, viewer.name.value = second, "Ben"
    viewer.rename()
    assert viewer.dataset.drop_attrs().identical(rename_faces(old, {second: "Ben"}).drop_attrs()) and viewer.who.value == "Ben"


def test_what_does_not_fit_changes_nothing(features, clip):
    viewer = view_faces(features, clip, n=4)
    viewer.move()
    assert "Choose faces first" in viewer.message.value
    viewer.name.value = viewer.other.value
    viewer.rename()
    assert "two slots would be called" in viewer.message.value
    for viewer.name.value in ("nobody", "a new person"): # as the list calls those who are no person
        viewer.rename()
        assert "stands in the list for something else" in viewer.message.value
    viewer.gallery.chosen = [row["thumbs"][0]["key"] for row in viewer.gallery.rows[:2]]
    viewer.to.value = "a new person"
    viewer.move()
    assert "choose in one row" in viewer.message.value and viewer.dataset is features


def test_thumbnails_cover_every_face(old, clip):
    viewer = view_faces(old, clip, n=5)
    for _ in range(2):
        for row in viewer.gallery.rows:
            covered = np.concatenate([np.arange(int(a), int(b) + 1) for _, a, b in (thumb["key"].split(":") for thumb in row["thumbs"])])
            there = np.flatnonzero(old.face_prob.sel(face=row["slot"]).notnull().values)
            assert sorted(covered.tolist()) == there.tolist()
        viewer.gallery.chosen = [viewer.gallery.rows[0]["thumbs"][0]["key"]]
        viewer.look_closer()
    assert len(viewer.gallery.rows[0]["thumbs"]) > 8
    viewer.order.value = "least confident first"
    sure = [thumb["sure"] for thumb in viewer.gallery.rows[0]["thumbs"]]
    assert sure == sorted(sure)


def test_without_embeddings(features, clip):
    viewer = view_faces(features.drop_vars("face_embedding"), clip, n=2)
    assert viewer.suggest.disabled and "return_embeddings=True" in viewer.message.value
    assert not view_faces(features, clip, n=2).suggest.disabled


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces])
def test_a_result_without_faces(view, clip, features):
    empty = features.isel(face=slice(0, 0))
    empty = empty.assign(n_detected=empty.n_detected * 0)
    viewer = view(empty, clip)
    assert "image/jpeg" in viewer.still()


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, view_checks])
def test_a_video_that_has_moved(view, clip, features, tmp_path):
    viewer = view(features, tmp_path / "gone.mp4")
    assert "gone.mp4 is not there" in viewer.message.value and viewer.question in viewer.children
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    viewer.use_video(text)
    assert "text.mp4" in viewer.message.value and viewer.pictures is None
    viewer.use_video(str(clip))
    assert viewer.question not in viewer.children and viewer.message.value == ""


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, view_checks])
def test_another_file_is_shown_and_questioned(view, clip, features):
    viewer = view(features.assign_attrs(video_sha256="0" * 64), clip)
    asking = getattr(viewer, "frames", viewer)
    assert "not the file that was analysed" in asking.message.value and asking.question in asking.children and asking.parts[0] in asking.children
    asking.use_video(clip)
    assert "not the file" in asking.message.value


def test_a_video_that_disappears(features, clip, tmp_path):
    "In the middle of the work: the picture becomes gray, the viewer asks, and goes on where it was. What was connected once is not connected twice."
    import shutil

    video = shutil.copy(clip, tmp_path / "here.mp4")
    detections, people = view_detections(features, video), view_faces(features, video, n=2)
    (tmp_path / "here.mp4").rename(tmp_path / "there.mp4")
    for viewer in (detections, people): viewer.pictures.video.close()
    detections.frame = 100
    assert np.ptp(shown(detections)) < 3 and "here.mp4: there is no such file" in detections.message.value and detections.question in detections.children
    people.send_pictures([people.gallery.rows[0]["thumbs"][0]["pic"]])
    assert "here.mp4: there is no such file" in people.message.value and people.question in people.children
    detections.place.value = str(tmp_path / "there.mp4")
    detections.question.children[1].click()
    assert detections.frame == 100 and np.ptp(shown(detections)) > 100 and detections.question not in detections.children and not detections.message.value
    calls = []
    detections.pictures.jpeg = lambda frame: calls.append(frame) or b""
    detections.frame = 50
    assert calls == [50]


def test_frames_that_the_result_does_not_hold(features, clip):
    "A result with holes, as of a damaged video: no step touches a frame in a hole, and stepping back decodes what will be asked for next."
    holes = features.isel(frame=np.r_[0:40:5, 60:90, 200:288:3])
    viewer = view_detections(holes, clip)
    asked, read = [], viewer.pictures.video.__class__.__getitem__

    class Watched:
        def __getitem__(self, number): return asked.append(number) or read(video, number)

    video, viewer.pictures.video = viewer.pictures.video, Watched()
    key(viewer, "End")
    for _ in range(holes.sizes["frame"]): key(viewer, "ArrowLeft")
    assert viewer.frame == 0 and set(asked) <= set(holes.frame.values.tolist())
    assert len(asked) == len(set(asked)), "nothing is decoded twice"
    for frame in (85, 200, 35): # over a hole, in both directions
        viewer.frame = frame
        assert abs(shown(viewer) - read(video, frame)["Image"].numpy()).mean() < 4


def test_the_next_frame_is_ready(features, clip):
    viewer = view_detections(features, clip)
    key(viewer, "ArrowRight")
    assert 2 in viewer.pictures.jpegs
    viewer.frame = 100
    assert 101 not in viewer.pictures.jpegs, "a jump foretells nothing"


def test_many_runs_stay_few_thumbnails(clip):
    "Faces that are lost again and again: a row stays short, covers every face, and a choice reaches no frame without one."
    ds = demo_features(n_frames=288, n_faces=3)
    lost = np.random.default_rng(0).random((288, 3)) < 0.4
    arrays = {name: ds[name].where(xr.DataArray(~lost, dims=("frame", "face"))).values for name in ds.data_vars if name not in ("status", "n_detected", *NEW_VARIABLES)}
    ds = build_features(frame=np.arange(288), time=np.arange(288) / 24, attrs={**ds.attrs, "video_sha256": "", "video_size_bytes": ""},
                        n_detected=np.isfinite(arrays["face_prob"]).sum(1), **arrays)
    there = ds.face_prob.notnull().values
    assert np.diff(there, axis=0).sum(0).min() > 80
    viewer = view_faces(ds, clip, n=4)
    for step in range(3):
        for k, row in enumerate(viewer.gallery.rows):
            viewer.gallery.chosen = [thumb["key"] for thumb in row["thumbs"]]
            assert viewer.chosen_frames() == {row["slot"]: ds.frame.values[there[:, k]].tolist()}
            assert len(row["thumbs"]) <= 16 * 6 ** (step if k == 0 else 0)
        assert viewer.gallery.rows[1]["thumbs"][0]["key"].startswith("1:") and len(viewer.gallery.rows[1]["thumbs"]) == 16
        viewer.gallery.chosen = [thumb["key"] for thumb in viewer.gallery.rows[0]["thumbs"]]
        viewer.look_closer()
    assert len(viewer.gallery.rows[0]["thumbs"]) == there[:, 0].sum(), "looked at ever closer, each face stands alone"
    viewer.gallery.chosen, viewer.to.value = [viewer.gallery.rows[1]["thumbs"][2]["key"]], "nobody"
    viewer.move()
    assert replay_history(ds, viewer.dataset).identical(viewer.dataset)


def displayed(viewer, monkeypatch):
    "The outputs that a notebook would hold."
    import IPython.display
    import nbformat

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    viewer._ipython_display_()
    return [nbformat.v4.new_output("display_data", data=data) for data in shown]


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, view_checks])
@pytest.mark.parametrize("state", [False, True], ids=["as_saved", "with_widget_state"])
def test_a_web_page_shows_a_picture(view, state, clip, features, monkeypatch):
    "Where no kernel runs, a page that nbconvert makes holds the picture once, whether the notebook holds the state of the widgets or not."
    import nbformat
    from nbconvert import HTMLExporter

    viewer = view(features, clip)
    still, widget = displayed(viewer, monkeypatch)
    data = still["data"]["image/jpeg"]
    assert Image.open(io.BytesIO(base64.b64decode(data))).width > 500
    assert set(widget["data"]) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("viewer", outputs=[still, widget])])
    if state: notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {viewer.model_id: {}}, "version_major": 2, "version_minor": 0}}
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count(f"data:image/jpeg;base64,{data}") == 1
    assert ("needs a running kernel" in page) == (not state)


def test_review_can_stop_and_go_on(features, clip, tmp_path):
    path = tmp_path / "answers.json"
    first = view_checks(features, clip, n=6, path=path)
    for question in ("same_person", "box_right"):
        first.answer(question, "yes")
    later = view_checks(features, clip, n=6, path=path)
    assert later.at == 1 and later.checks.iloc[0].box_right == "yes"
    while any(later._left(i) for i in range(len(later.checks))):
        later.answer("same_person", "no")
        later.answer("box_right", "unsure")
    report = later.report.set_index(["question", "band"])
    assert report.loc[("same_person", "all"), "checked"] == len(later.checks)
    assert report.loc[("box_right", "all"), "unsure"] == len(later.checks) - 1
    assert "<table" in later.table.value and json.loads(path.read_text())["checks"]
    with pytest.raises(ValueError, match="another result"):
        view_checks(features.isel(frame=slice(0, 100)), clip, path=path)


def test_no_notebook_keeps_widget_state():

    notebooks = [p for p in NBS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    assert len(notebooks) > 20 and [p.name for p in notebooks if "widget-state" in p.read_text()] == []


def test_people_are_kept_on_file(features, clip, tmp_path):
    "After each step the file holds the corrected result; the same call goes on there, with undo, and again with the result from the file."
    path = tmp_path / "corrected.nc"
    viewer = view_faces(features, clip, n=2, path=path)
    assert not path.exists()
    viewer.who.value, viewer.name.value = str(features.face_name.values[0]), "Anna"
    viewer.rename()
    assert load(path).identical(viewer.dataset) and "saved in corrected.nc" in viewer.message.value
    viewer.who.value, viewer.other.value = "Anna", str(features.face_name.values[1])
    viewer.merge()
    assert load(path).identical(viewer.dataset)
    later = view_faces(features, clip, n=2, path=str(path))
    assert later.dataset.identical(viewer.dataset) and len(later.done) == 2 and "going on after 2 corrections" in later.message.value
    from_file = view_faces(load(path), clip, n=2, path=path)
    assert from_file.dataset.identical(viewer.dataset) and not from_file.done
    later.undo()
    assert load(path).identical(later.dataset) and later.dataset.face_name.values[0] == "Anna" and "saved in" in later.message.value
    later.undo()
    assert load(path).identical(features)
    later.redo()
    assert load(path).identical(later.dataset) and later.dataset.face_name.values[0] == "Anna"
    assert [p.name for p in tmp_path.iterdir()] == ["corrected.nc"]


def test_what_is_seen_is_in_the_file_already(told, clip, tmp_path):
    "A viewer's code may run beside the notebook's cells: whoever sees a correction or an answer may read the file at once."
    people = view_faces(told, clip, n=2, path=tmp_path / "corrected.nc")
    strip = view_timeline(told, clip, path=tmp_path / "events.nc")
    check = view_checks(told, clip, n=4, path=tmp_path / "answers.json")
    seen = []
    people.gallery.observe(lambda change: seen.append(load(people.path).face_name.values[0] == "Anna"), "rows")
    strip.strip.observe(lambda change: seen.append(len(list_events(load(strip.path))) == 4), "events")
    check.progress.observe(lambda change: seen.append('"yes"' in check.path.read_text()), "value")
    people.who.value, people.name.value = str(told.face_name.values[0]), "Anna"
    people.rename()
    strip.told({"add": [9, 10]})
    check.answer("box_right", "yes")
    assert seen == [True] * 3


def test_people_leave_other_files_alone(features, clip, tmp_path):
    path = tmp_path / "corrected.nc"
    other = rename_faces(demo_features(n_faces=2), {0: "Anna"})
    for held in (demo_features(n_faces=3), other, features.isel(frame=slice(0, 100)), rename_faces(features.isel(frame=slice(0, 100)), {0: "Anna"})):
        save(held, path)
        before = path.read_bytes()
        with pytest.raises(ValueError, match="corrected.nc' holds another result"): view_faces(features, clip, path=path)
        assert path.read_bytes() == before
    save(features, path)
    with pytest.raises(ValueError, match="holds another result"): view_faces(rename_faces(features, {0: "Anna"}), clip, path=path)
    path.write_text("no result")
    with pytest.raises(ValueError, match="corrected.nc"): view_faces(features, clip, path=path)


def test_what_cannot_be_saved_is_told(features, clip, tmp_path):
    "The folder goes away in the middle of the work: the correction and the answer stay, and the viewer says that they are not saved."
    for view in (view_faces, view_checks):
        with pytest.raises(FileNotFoundError, match="folder .*missing does not exist; make it first"): view(features, clip, path=tmp_path / "missing" / "file.json")
        with pytest.raises(IsADirectoryError, match="is a folder"): view(features, clip, path=tmp_path)
    (folder := tmp_path / "here").mkdir()
    people, check = view_faces(features, clip, n=2, path=folder / "corrected.nc"), view_checks(features, clip, n=4, path=folder / "answers.json")
    folder.rmdir()
    people.who.value, people.name.value = str(features.face_name.values[0]), "Anna"
    people.rename()
    assert "not saved: cannot write" in people.message.value and people.dataset.face_name.values[0] == "Anna"
    check.answer("box_right", "yes")
    assert "not saved: cannot write" in check.progress.value and check.checks.iloc[0].box_right == "yes"
    folder.mkdir()
    people.undo()
    check.answer("same_person", "yes")
    assert "saved in answers.json" in check.progress.value and load(folder / "corrected.nc").identical(features)


def test_action_units_that_are_asked_for(features, clip):
    "One name will do, and so will a part of the action units; nothing asked for are the usual ones."
    from mexca_video.figures import USUAL_AUS
    from mexca_video.schema import mark_aus

    units = lambda viewer: [au for au, _ in viewer.picture.faces[0]["aus"]]
    assert units(view_detections(features, clip)) == units(view_timeline(features, clip).frames) == mark_aus(features, USUAL_AUS)
    assert units(view_detections(features, clip, aus="AU12")) == ["AU12"] == units(view_timeline(features, clip, aus="AU12").frames)
    for view in (view_detections, view_timeline):
        with pytest.raises(ValueError, match="no action unit 'AU99'"): view(features, clip, aus=("AU12", "AU99"))
        strict = view(features, clip, least_confidence=1.0)
        assert len(getattr(strict, "frames", strict).flagged) > len(view_detections(features, clip).flagged)


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, view_checks])
def test_a_changed_form_is_named(view, features, clip):
    for changed, words in ((features.sel(face=0), r"sel\(face=\[0\]\)"), (features.swap_dims(face="face_name"), "goes back"), (features.where(features.face_confidence > 0.7), "unassign_faces"),
            (features.isel(frame=slice(None, None, -1)), "does not increase"), (xr.concat([features, features], "frame"), "twice")):
        with pytest.raises(ValueError, match=words): view(changed, clip)


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, view_checks])
def test_a_video_is_opened_once(view, features, clip, monkeypatch):
    "Opening reads the whole file for its checksum, which takes a while with a long one."
    from mexca_video.viewers import base

    opened, really = [], base.Pictures

    class Counted(really):
        def __init__(self, path, frames):
            opened.append(path)
            super().__init__(path, frames)

    monkeypatch.setattr(base, "Pictures", Counted)
    viewer = view(features, clip)
    assert len(opened) == 1
    viewer.use_video(clip)
    assert len(opened) == 2 and viewer.pictures is getattr(viewer, "frames", viewer).pictures


def test_timeline_marks_what_was_not_analysed(features, clip):
    "A click into the gap shows the last frame before it."
    part = features.sel(frame=(features.time < 1.5) | (features.time > 10.2))
    viewer = view_timeline(part, clip)
    strip = np.asarray(Image.open(io.BytesIO(viewer.strip.image)).convert("L"), int)
    (a, b), (low, high) = viewer.strip.span, viewer.strip.limits
    column = lambda time: int((a + (time - low) / (high - low) * (b - a)) * strip.shape[1])
    rows = strip[strip.shape[0] // 4:strip.shape[0] * 3 // 4]
    assert (rows[:, column(3):column(9)] >= 150).all() and (rows[:, column(0.3):column(1.2)] < 150).any(), "no bar stands in the gap"
    viewer.strip.wanted = 6.0
    assert viewer.frame == int(part.frame.values[part.time.values < 1.5][-1])


def thumb_of(viewer, track):
    return next(thumb for row in viewer.gallery.rows for thumb in row["thumbs"] if thumb["track"] == track)


def test_a_thumbnail_for_each_track(tracked, clip):
    viewer, tracks = view_faces(tracked, clip), list_tracks(tracked)
    thumbs = [thumb for row in viewer.gallery.rows for thumb in row["thumbs"]]
    assert sorted(thumb["track"] for thumb in thumbs) == sorted(tracks.track)
    for track, n in zip(tracks.track, tracks.n): assert f"\n{n} frames" in thumb_of(viewer, track)["caption"]
    doubtful = viewer.gallery.rows[-1]
    n = int((tracked.status == STATUS["doubtful"]).sum())
    assert n > 5 and (doubtful["slot"], doubtful["name"], doubtful["text"]) == (-1, "doubtful", f"{n} detections, perhaps no face")
    assert doubtful["thumbs"][0]["caption"].endswith("evidence 0.20") and not any(row["name"].startswith("Unassigned") for row in viewer.gallery.rows)
    covered = viewer.gallery
    covered.chosen = [thumb["key"] for thumb in thumbs]
    for slot, frames in viewer.chosen_frames().items():
        assert frames == tracked.frame.values[tracked.face_prob.sel(face=slot).notnull()].tolist()


def test_a_track_is_moved_as_a_whole_and_a_part_as_frames(tracked, clip):
    viewer, new = view_faces(tracked, clip), int(tracked.face_track.max())
    first, doubted = new - 1, new
    other = next(str(name) for name, label in zip(tracked.face_name.values, (tracked.face_track == first).any("frame").values) if not label and name != "Unassigned_1")
    for chosen, to, wanted in (([first], other, assign_track(tracked, [first], other)), ([doubted], other, assign_track(tracked, [doubted], other)), ([first, doubted], "nobody", None)):
        viewer.gallery.chosen = [thumb_of(viewer, track)["key"] for track in chosen]
        viewer.to.value = to
        viewer.move()
        assert "assign_track" in viewer.dataset.history.split("\n")[-1] and replay_history(tracked, viewer.dataset).identical(viewer.dataset)
        if wanted is not None: assert viewer.dataset.drop_attrs().identical(wanted.drop_attrs())
        viewer.undo()
    assert viewer.dataset.identical(tracked)
    viewer.gallery.chosen = [thumb_of(viewer, first)["key"]]
    viewer.look_closer()
    parts = [thumb for row in viewer.gallery.rows for thumb in row["thumbs"] if thumb["track"] == first]
    assert len(parts) == 6
    viewer.gallery.chosen, viewer.to.value = [parts[0]["key"], parts[2]["key"]], "nobody"
    viewer.move()
    assert "assign_face" in viewer.dataset.history.split("\n")[-1] and "belong to nobody now" in viewer.message.value
    assert (viewer.dataset.face_track == first).any("frame").sum() == 2 and replay_history(tracked, viewer.dataset).identical(viewer.dataset)
    viewer.undo()
    viewer.gallery.chosen, viewer.to.value, viewer.name.value = [thumb_of(viewer, doubted)["key"]], "a new person", "Guest"
    viewer.move()
    assert viewer.dataset.face_name.values[-1] == "Guest" and not (viewer.dataset.status == STATUS["doubtful"]).any() and check_features(viewer.dataset) == []


def click(viewer, index, answer):
    viewer._asked(None, {"answer": answer, "key": viewer.gallery.proposals[index]["key"]}, None)


def test_proposals_are_answered_by_one_click(asking, clip, tmp_path):
    path = tmp_path / "corrected.nc"
    viewer = view_faces(asking, clip, path=path)
    merge, split = json.loads(asking.attrs["identity_proposals"])
    assert [p["accept"] for p in viewer.gallery.proposals] == ["Make them one", "Make them two"]
    assert all(len(side["thumbs"]) >= 1 and all(thumb["pic"] in viewer.faces for thumb in side["thumbs"]) for p in viewer.gallery.proposals for side in p["parts"])
    click(viewer, 0, "accept")
    assert viewer.dataset.drop_attrs().identical(accept_proposal(asking, merge).drop_attrs()) and all("may be one" not in p["text"] for p in viewer.gallery.proposals)
    viewer.undo()
    assert viewer.dataset.identical(asking) and len(viewer.gallery.proposals) == 2
    gone = viewer.gallery.proposals[0]["key"]
    click(viewer, 0, "dismiss")
    assert viewer.dataset.drop_attrs().identical(dismiss_proposal(asking, merge).drop_attrs()) and len(viewer.gallery.proposals) == 1
    viewer._asked(None, {"answer": "accept", "key": gone}, None)  # a second click, which comes too late
    assert len(viewer.done) == 1 and len(viewer.gallery.proposals) == 1
    assert len(view_faces(load(path), clip).gallery.proposals) == 1, "what was dismissed does not come back"
    later = view_faces(asking, clip, path=path)
    assert len(later.gallery.proposals) == 1 and len(later.done) == 1
    click(later, 0, "accept")
    assert later.gallery.proposals == [] and replay_history(asking, later.dataset).identical(later.dataset)
    later.undo()
    later.undo()
    assert later.dataset.identical(asking) and len(later.gallery.proposals) == 2


def test_pictures_are_sent_when_they_are_asked_for(tracked, clip, monkeypatch):
    "Nothing is decoded to open the viewer; what is asked for comes in small messages, and once."
    from mexca_video.viewers import people

    viewer, sent, decoded = view_faces(tracked, clip), [], []
    assert not viewer.pictures.raw
    really = viewer.pictures.image
    viewer.pictures.image = lambda frame: decoded.append(frame) or really(frame)
    monkeypatch.setattr(viewer.gallery, "send", lambda content, buffers=None: sent.append(content["pictures"]))
    names = [thumb["pic"] for row in viewer.gallery.rows for thumb in row["thumbs"]]
    monkeypatch.setattr(people, "SENT", 2)
    viewer._asked(None, {"want": [*names, "no such face"]}, None)
    assert max(map(len, sent)) == 2 and {name for message in sent for name in message} == set(names) and decoded == sorted(decoded)
    some = Image.open(io.BytesIO(base64.b64decode(sent[0][names[0]].split(",")[1] if names[0] in sent[0] else next(iter(sent[0].values())).split(",")[1])))
    assert some.size == (72, 72)
    before = len(decoded)
    viewer.who.value, viewer.name.value = str(tracked.face_name.values[0]), "Anna"
    viewer.rename()
    assert [thumb["pic"] for row in viewer.gallery.rows for thumb in row["thumbs"]] == names, "after a correction the browser needs no picture again"
    viewer._asked(None, {"want": names}, None)
    assert len(decoded) == before


def large(n_frames=9000, n_faces=12, length=300):
    "A long clip in which every person is cut into tracks; the last frames are of the sample clip, so that it fits."
    ds = demo_features(n_frames=n_frames, n_faces=n_faces)
    piece = np.arange(n_frames)[:, None] // length * n_faces + np.arange(n_faces)
    ds["face_track"] = ds.face_track.copy(data=np.where(ds.face_prob.notnull(), piece, np.nan).astype("float32"))
    return ds.assign_attrs(video_sha256="", video_size_bytes="")


def test_a_large_result_sends_little(clip, monkeypatch):
    "9,000 frames, 12 people, 360 tracks and more: what the browser gets at once is bounded, the rest comes on demand."
    from mexca_video.viewers import base

    monkeypatch.setattr(base, "open_pictures", lambda ds, video: (base.Pictures(clip, ds.frame.values), ""))
    ds = large(length=60)
    assert len(list_tracks(ds)) > 1300
    viewer = view_faces(ds, clip)
    size = len(json.dumps(viewer.gallery.rows))
    assert size < 400_000 and not viewer.pictures.raw
    for row in viewer.gallery.rows:
        assert len(row["thumbs"]) == 48 and row["rest"]
        viewer.gallery.chosen = [thumb["key"] for thumb in row["thumbs"]] + row["rest"]
        assert viewer.chosen_frames() == {row["slot"]: ds.frame.values[ds.face_prob.sel(face=row["slot"]).notnull()].tolist()}
    viewer._asked(None, {"more": 3}, None)
    assert [len(row["rest"]) == 0 for row in viewer.gallery.rows] == [slot == 3 for slot in range(12)]


def test_detections_tell_track_and_evidence(tracked, clip, old):
    viewer = view_detections(tracked, clip)
    doubted = int(tracked.frame.values[(tracked.status == STATUS["doubtful"]).any("face")][0])
    assert "doubtful" in viewer.flagged.reason[viewer.flagged.frame == doubted].item()
    viewer.frame = doubted
    face = next(face for face in viewer.picture.faces if face["doubtful"])
    assert face["label"] == "doubtful" and face["note"].startswith(f"track {int(tracked.face_track.max())}, evidence 0.20, pitch ") and face["color"] == "#999999"
    assert face["note"] in viewer.where.value and "tracks" in viewer.toggles
    plain = view_detections(old.drop_vars(["face_pose", "eye_openness", "eye_gaze", "face_sharpness"]), clip)
    assert "tracks" not in plain.toggles and plain.picture.faces[0]["note"] == "" and "<br>" not in plain.where.value
