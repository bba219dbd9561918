"""The viewers without a browser: what a click or a move of the slider does to the picture and to the Dataset."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mexca_video import (VideoDataset, assign_face, merge_faces, rename_faces, replay_history, review, split_faces, view_detections, view_faces, view_timeline)


def shown(viewer):
    "The picture as the browser gets it."
    return np.asarray(Image.open(io.BytesIO(viewer.picture.image)), int)


def key(viewer, name):
    viewer._key(None, {"key": name}, None)


@pytest.fixture(scope="module")
def video(clip):
    return VideoDataset(str(clip))


def test_every_step_shows_its_frame(features, clip, video):
    viewer = view_detections(features, clip)
    for frame in (0, 1, 2, 100, 99, 98, 200, 3, 287):
        viewer.slider.value = frame
        assert viewer.frame == viewer.picture.frame == frame
        assert abs(shown(viewer) - video[frame]["Image"].numpy()).mean() < 4
        there = features.face_prob.sel(frame=frame).notnull().values
        assert [f["slot"] for f in viewer.picture.faces] == np.flatnonzero(there).tolist()


def test_odd_frames_and_ends(features, clip):
    viewer = view_detections(features, clip)
    seen = [viewer.frame]
    for _ in range(len(viewer.odd) + 2):
        viewer.jump(1)
        seen.append(viewer.frame)
    odd = viewer.odd.frame[viewer.odd.frame > 0].tolist()
    assert seen[1:len(odd) + 1] == odd and seen[-1] == odd[-1] and "no odd frame" in viewer.message.value
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


def test_corrections_are_those_of_the_functions(features, clip):
    viewer = view_faces(features, clip, n=4)
    first, second = (str(name) for name in features.face_name.values[:2])
    thumb = viewer.gallery.rows[0]["thumbs"][1]["key"]
    slot, a, b = map(int, thumb.split(":"))
    frames = features.frame.values[a:b + 1].tolist()

    def undone():
        viewer.undo()
        assert viewer.dataset.identical(features) and not viewer.done

    for target, expected in (("nobody", assign_face(features, frames, slot, None)), (second, assign_face(features, frames, slot, second)),
                             ("a new person", split_faces(features, slot, frames, "Anna"))):
        viewer.gallery.chosen, viewer.to.value, viewer.name.value = [thumb], target, "Anna"
        viewer.move()
        assert viewer.dataset.drop_attrs().identical(expected.drop_attrs())
        assert replay_history(features, viewer.dataset).identical(viewer.dataset)
        undone()
    viewer.who.value, viewer.other.value = first, second
    viewer.merge()
    assert viewer.dataset.drop_attrs().identical(merge_faces(features, first, second).drop_attrs())
    undone()
    viewer.redo()
    assert len(viewer.done) == 1
    undone()
    viewer.who.value, viewer.name.value = second, "Ben"
    viewer.rename()
    assert viewer.dataset.drop_attrs().identical(rename_faces(features, {second: "Ben"}).drop_attrs()) and viewer.who.value == "Ben"


def test_what_does_not_fit_changes_nothing(features, clip):
    viewer = view_faces(features, clip, n=4)
    viewer.move()
    assert "Choose faces first" in viewer.message.value
    viewer.name.value = viewer.other.value
    viewer.rename()
    assert "two slots would be called" in viewer.message.value
    viewer.gallery.chosen = [row["thumbs"][0]["key"] for row in viewer.gallery.rows[:2]]
    viewer.to.value = "a new person"
    viewer.move()
    assert "choose in one row" in viewer.message.value and viewer.dataset is features


def test_thumbnails_cover_every_face(features, clip):
    viewer = view_faces(features, clip, n=5)
    for _ in range(2):
        for row in viewer.gallery.rows:
            covered = np.concatenate([np.arange(int(a), int(b) + 1) for _, a, b in (thumb["key"].split(":") for thumb in row["thumbs"])])
            there = np.flatnonzero(features.face_prob.sel(face=row["slot"]).notnull().values)
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
    assert "image/jpeg" in viewer._repr_mimebundle_()[0]


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, review])
def test_a_video_that_has_moved(view, clip, features, tmp_path):
    viewer = view(features, tmp_path / "gone.mp4")
    assert "gone.mp4 is not there" in viewer.message.value and viewer.question in viewer.children
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    viewer.use_video(text)
    assert "text.mp4" in viewer.message.value and viewer.pictures is None
    viewer.use_video(str(clip))
    assert viewer.question not in viewer.children and viewer.message.value == ""


@pytest.mark.parametrize("view", [view_detections, view_timeline, view_faces, review])
def test_a_web_page_shows_a_picture(view, clip, features):
    "Where no kernel runs, nbconvert takes the picture and not the widget."
    import nbformat
    from nbconvert import HTMLExporter

    data, _ = view(features, clip)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    output = nbformat.v4.new_output("execute_result", data=data)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("viewer", outputs=[output])])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert data["image/jpeg"][:60] in page.replace("\n", "")
    assert Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))).width > 500


def test_review_can_stop_and_go_on(features, clip, tmp_path):
    path = tmp_path / "answers.json"
    first = review(features, clip, n=6, path=path)
    for question in ("same_person", "box_right"):
        first.answer(question, "yes")
    later = review(features, clip, n=6, path=path)
    assert later.at == 1 and later.checks.iloc[0].box_right == "yes"
    while any(later._left(i) for i in range(len(later.checks))):
        later.answer("same_person", "no")
        later.answer("box_right", "unsure")
    report = later.report.set_index(["question", "band"])
    assert report.loc[("same_person", "all"), "checked"] == len(later.checks)
    assert report.loc[("box_right", "all"), "unsure"] == len(later.checks) - 1
    assert "<table" in later.table.value and json.loads(path.read_text())["checks"]
    with pytest.raises(ValueError, match="another result"):
        review(features.isel(frame=slice(0, 100)), clip, path=path)


def test_no_notebook_keeps_widget_state():
    from pathlib import Path

    notebooks = [p for p in (Path(__file__).parents[1] / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    assert len(notebooks) > 20 and [p.name for p in notebooks if "widget-state" in p.read_text()] == []
