"Corrections in any order: nothing gets lost, the schema is kept, and the history tells how to do it again."
import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from mexca_video import (
    STATUS,
    assign_face,
    assign_track,
    check_features,
    demo_features,
    load,
    merge_faces,
    rename_faces,
    replay_history,
    save,
    split_faces,
    suggest_split,
    swap_faces,
    unassign_faces,
)
from mexca_video.review.corrections import (
    accept_proposal,
    describe_proposal,
    dismiss_proposal,
    list_proposals,
    list_tracks,
)

from correction_steps import detections, steps
from places import NBS

ORIGINALS = {(n_frames, n_faces): demo_features(n_frames=n_frames, n_faces=n_faces, embeddings=n_frames == 1)
             for n_frames in (1, 20) for n_faces in (1, 2, 3)}


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_sequence(data):
    original = data.draw(st.sampled_from(list(ORIGINALS.values())))
    before = original.copy(deep=True)
    ds, wanted = original, detections(original)
    for _ in range(data.draw(st.integers(1, 6))):
        function, arguments = data.draw(steps(ds))
        last, ds = ds, function(ds, *arguments)
        np.testing.assert_array_equal(detections(ds), wanted)
        assert check_features(ds) == []
        assert ds.history.startswith(last.history) and len(ds.history.split("\n")) == len(last.history.split("\n")) + 1
        assert (ds.face_confidence.isnull() | (ds.face_label == ds.face_first_label)).all()
        assert ds.n_detected.identical(original.n_detected)
    assert original.identical(before)
    again = replay_history(original, ds)
    assert again.identical(ds) and {n: v.dtype for n, v in again.variables.items()} == {n: v.dtype for n, v in ds.variables.items()}
    assert replay_history(last, ds.history).identical(ds)


@pytest.fixture
def ds():
    return demo_features(n_faces=3)


def test_rename(ds):
    swapped = rename_faces(ds, {"Person_1": "Person_2", "Person_2": "Person_1"})
    assert swapped.face_name.values.tolist() == ["Person_2", "Person_1", "Person_3"]
    long = "a name that is much longer than Person_1"
    assert rename_faces(ds, {2: long}).face_name.values.tolist()[2] == long
    assert rename_faces(ds, {2: long}).drop_vars(["face_first_label", "face_name"]).assign_attrs(ds.attrs).identical(ds.drop_vars("face_name"))


@pytest.mark.parametrize("names, words", [
    ({"Anna": "Ben"}, "'Person_1' \\(0\\), 'Person_2' \\(1\\), 'Person_3' \\(2\\)"), ({3: "Ben"}, "names=3 is nobody"),
    ({"Person_1": "Person_3"}, "two slots"), ({"Person_1": ""}, "not a name"), ({"Person_1": 5}, "not a name"), ({"Person_1": "two\nlines"}, "one line"), ({"Person_1": "\0"}, "one line"), ({True: "Ben"}, "nobody")])
def test_rename_refuses(ds, names, words):
    with pytest.raises(ValueError, match=words): rename_faces(ds, names)


def test_merge(ds):
    done = merge_faces(ds, 1, 2)
    both = (ds.face_label.sel(face=1) == 1) & (ds.face_label.sel(face=2) == 2)
    alone = ~both & (ds.face_label.sel(face=2) == 2)
    assert both.any() and alone.any() and done.face.values.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(done.face_box.sel(face=1)[both], ds.face_box.sel(face=1)[both])
    np.testing.assert_array_equal(done.face_box.sel(face=1)[alone], ds.face_box.sel(face=2)[alone])
    np.testing.assert_array_equal(done.face_box.sel(face=3)[both], ds.face_box.sel(face=2)[both])
    assert (done.status.sel(face=3)[both] == STATUS["unassigned"]).all() and done.face_label.sel(face=3).isnull().all()
    assert done.face_confidence.sel(face=1)[alone].isnull().all()
    assert done.face_confidence.sel(face=1)[both].identical(ds.face_confidence.sel(face=1)[both])
    assert done.face_landmarks.attrs == ds.face_landmarks.attrs and done.face_name.attrs == ds.face_name.attrs


def test_merge_back(ds):
    "Faces that belong to nobody are given back as a whole."
    away = merge_faces(ds, 1, 2)
    home = merge_faces(rename_faces(away, {"Unassigned_1": "Carl"}), "Carl", "Person_1")
    assert home.face_name.values.tolist()[:2] == ["Person_2", "Carl"] and check_features(home) == []
    taken = merge_faces(away, "Person_1", "Unassigned_1")
    assert check_features(taken) == [] and taken.attrs["history"].count("merge_faces") == 2


@pytest.mark.parametrize("keep, other, words", [(0, 0, "same slot"), ("Person_1", 0, "same slot"), ("Anna", 0, "keep='Anna' is nobody"), (0, 9, "other=9 is nobody")])
def test_merge_refuses(ds, keep, other, words):
    with pytest.raises(ValueError, match=words): merge_faces(ds, keep, other)


def test_nobody_is_no_person(ds):
    free = assign_face(ds, 20, 0, None)
    with pytest.raises(ValueError, match="belong to nobody"): merge_faces(free, "Unassigned_1", 0)
    with pytest.raises(ValueError, match="belong to nobody"): assign_face(free, 20, 1, "Unassigned_1")


@pytest.mark.parametrize("frames", [slice(100, 150), np.arange(100, 151, 5), list(range(150, 99, -5)), "mask"])
def test_swap_frames(ds, frames):
    if isinstance(frames, str): frames = (ds.frame >= 100) & (ds.frame <= 150)
    done = swap_faces(ds, 0, "Person_2", frames=frames)
    assert done.history.endswith('{"a": 0, "b": "Person_2", "frames": [[100, 150]]}')
    chosen = (ds.frame >= 100) & (ds.frame <= 150)
    for name in ("face_box", "face_aus", "status", "face_prob"):
        np.testing.assert_array_equal(done[name].sel(face=0)[chosen], ds[name].sel(face=1)[chosen])
        np.testing.assert_array_equal(done[name].sel(face=1)[chosen], ds[name].sel(face=0)[chosen])
        assert done[name][~chosen].identical(ds[name][~chosen]) and done[name].sel(face=2).identical(ds[name].sel(face=2))


@pytest.mark.parametrize("frames, words", [([3], "no frames 3"), (slice(999, None), "no frame"), ([], "no"), ([0.5], "0.5"), (np.ones(3, bool), "no frames True")])
def test_swap_refuses_frames(ds, frames, words):
    with pytest.raises(ValueError, match=words): swap_faces(ds, 0, 1, frames=frames)


def test_assign_displaces(ds):
    "The detection that was there becomes nobody's, wherever the new one comes from."
    done = assign_face(ds, 20, 0, 1)
    at = done.sel(frame=20)
    np.testing.assert_array_equal(at.face_first_label, [np.nan, 0, 2, 1])
    np.testing.assert_array_equal(at.face_label, [np.nan, 1, 2, np.nan])
    assert at.status.values.tolist() == [STATUS[s] for s in ("absent", "ok", "ok", "unassigned")]
    back = assign_face(assign_face(done, 20, 1, 0), 20, "Unassigned_1", 1)
    assert back.face_name.values.tolist() == ds.face_name.values.tolist()
    np.testing.assert_array_equal(back.face_label, ds.face_label)


def test_last_face_of_a_person():
    "A person without faces keeps the slot and the name."
    ds = demo_features(n_frames=1, n_faces=1)
    away = assign_face(ds, 0, "Person_1", None)
    assert away.face_name.values.tolist() == ["Person_1", "Unassigned_1"] and away.status.values.tolist() == [[1, 5]]
    assert assign_face(away, 0, "Unassigned_1", "Person_1").face_label.values.tolist() == [[0]]


def test_failed_landmarks_stay_failed(ds):
    "What could not be measured stays so, whoever's face it is."
    failed = STATUS["landmarks_failed"]
    assert ds.status.values[2, 0] == failed
    away = assign_face(ds, 10, 0, None)
    assert away.status.values[2].tolist() == [STATUS["absent"], STATUS["ok"], STATUS["ok"], failed]
    assert assign_face(away, 10, "Unassigned_1", 0).status.values[2, 0] == failed


def test_own_variables_travel_along(ds):
    "Whatever a user has added for each face moves with the face."
    mine = ds.assign(smile=ds.face_aus.sel(au="AU12").drop_vars("au"), marked=(("face", "frame"), np.arange(3 * 48).reshape(3, 48)))
    done = swap_faces(mine, 0, 1, frames=[20])
    assert done.smile.sel(frame=20, face=1) == mine.smile.sel(frame=20, face=0) and done.marked.dims == ("face", "frame")
    assert done.marked.sel(frame=20).values.tolist() == mine.marked.sel(frame=20).values[[1, 0, 2]].tolist()
    assert merge_faces(mine, 1, 2).marked.dtype == mine.marked.dtype


def test_incomplete_result(ds):
    with pytest.raises(ValueError, match="face_label is not there; start again from the whole result"): swap_faces(ds.drop_vars("face_label"), 0, 1)


def test_replay_on_another_run(ds):
    "The corrections of one run, done to the result of another one."
    done = swap_faces(rename_faces(ds, {0: "Anna"}), "Anna", 1, frames=slice(100, 150))
    other = demo_features(n_faces=3, seed=5)
    again = replay_history(other, done)
    assert again.history.split("\n")[1:] == done.history.split("\n")[1:] and again.history.split("\n")[0] == other.history
    np.testing.assert_array_equal(again.face_box.sel(face=1, frame=100), other.face_box.sel(face=0, frame=100))
    assert replay_history(ds, other).identical(ds), "a result without corrections has none to do"


def test_replay_refuses(ds):
    done = rename_faces(ds, {0: "Anna"})
    with pytest.raises(ValueError, match="uncorrected"): replay_history(done, ds)
    with pytest.raises(ValueError, match="uncorrected"): replay_history(done, rename_faces(ds, {0: "Ben"}).history)
    with pytest.raises(ValueError, match="cannot replay .*Person_1.* there are 'Anna'"): replay_history(done, done.history + "\n" + done.history.split("\n")[1])
    with pytest.raises(ValueError, match="cannot replay"): replay_history(ds, "2026-01-01T00:00:00Z mexca_video.merge_faces " + json.dumps({"keep": 0}))
    with pytest.raises(ValueError, match="not JSON"): replay_history(ds, "2026-01-01T00:00:00Z mexca_video.merge_faces {")


def test_a_file_is_no_history(ds, tmp_path, monkeypatch):
    "The name of a file, of one that is not there, and text that is no history: nothing is done in silence."
    monkeypatch.chdir(tmp_path)
    save(rename_faces(ds, {0: "Anna"}), "corrected.nc")
    for name in ("corrected.nc", tmp_path / "corrected.nc"):
        with pytest.raises(ValueError, match="is the name of a file; .*load\\("): replay_history(ds, name)
    for text in ("gone.nc", "", "no correction here", ds.history, "x" * 5000):
        with pytest.raises(ValueError, match="holds no correction"): replay_history(ds, text)
    for other in (None, ["a"], tmp_path / "gone.nc"):
        with pytest.raises(ValueError, match="history is a"): replay_history(ds, other)


def test_doubtful_faces_lose_their_person_and_nothing_else(ds):
    doubtful = ds.face_confidence < 0.7
    done = unassign_faces(ds, doubtful)
    assert check_features(done) == [] and done.n_detected.identical(ds.n_detected) and 0 < doubtful.sum() < ds.face_label.notnull().sum()
    for slot in ds.face.values:
        gone = doubtful.sel(face=slot)
        for name in ("face_aus", "face_box", "face_label", "face_confidence"):
            assert done[name].sel(face=slot)[gone].isnull().all() and done[name].sel(face=slot)[~gone].identical(ds[name].sel(face=slot)[~gone])
    assert (done.status == STATUS["unassigned"]).sum() == doubtful.sum() and done.face_first_label.sel(face=list(done.face.values[3:])).notnull().sum() == doubtful.sum()
    assert replay_history(ds, done).identical(done)
    assert json.loads(done.history.rsplit("unassign_faces ", 1)[1])["faces"]["Person_1"]
    measured = lambda result: np.sort(result.face_aus.values[np.isfinite(result.face_aus.values)])
    np.testing.assert_array_equal(measured(done), measured(ds))


def test_masks_of_many_shapes(ds):
    "Labels decide and not positions; whoever has no confidence is below no number."
    mask = ds.face_confidence < 0.7
    done = unassign_faces(ds, mask)
    for same in (mask.T, mask.values, xr.DataArray(mask.values, dims=("frame", "face"))): assert unassign_faces(ds, same).equals(done)
    early = unassign_faces(ds, ds.time < 1)
    assert early.face_label.sel(frame=slice(0, 24), face=[0, 1, 2]).isnull().all() and early.sel(frame=slice(25, None), face=[0, 1, 2]).face_label.equals(ds.face_label.sel(frame=slice(25, None)))
    assert unassign_faces(ds, ds.face_name == "Person_2").face_label.sel(face=1).isnull().all()
    none = unassign_faces(ds, ds.face_confidence < 0)
    assert none.face_label.identical(ds.face_label) and none.history.endswith('unassign_faces {"faces": {}}') and replay_history(ds, none).identical(none)
    alone = demo_features(n_faces=1)
    assert unassign_faces(alone, alone.face_confidence < 0.7).face_label.identical(alone.face_label)
    assert unassign_faces(done, done.face_label.isnull()).face_box.identical(done.face_box), "faces that belong to nobody stay where they are"


@pytest.mark.parametrize("where, words", [(lambda ds: ds.face_confidence, "float32 values; give truth values"), (lambda ds: ds.face_aus > 0, "it needs the frames and slots"),
    (lambda ds: np.ones(3, bool), "it needs"), (lambda ds: True, "it needs"), (lambda ds: ds.isel(frame=slice(5)).face_confidence < 1, "it needs"),
    (lambda ds: ds.assign_coords(face=[0, 1, 7]).face_confidence < 1, "it needs")])
def test_masks_that_do_not_fit(ds, where, words):
    with pytest.raises(ValueError, match=words): unassign_faces(ds, where(ds))


@pytest.mark.parametrize("correct", [lambda ds: rename_faces(ds, {0: "Anna"}), lambda ds: merge_faces(ds, 0, 1), lambda ds: swap_faces(ds, 0, 1), lambda ds: assign_face(ds, 20, 0, 1), lambda ds: assign_track(ds, 0, 1),
    lambda ds: split_faces(ds, 0, [20]), lambda ds: unassign_faces(ds, ds.face_confidence < 0.7), lambda ds: replay_history(ds, ""), lambda ds: suggest_split(ds, 0)])
def test_a_changed_form_is_named(ds, correct):
    for changed, words in ((ds.where(ds.face_confidence > 0.7), "unassign_faces"), (ds.sel(face=0), r"sel\(face=\[0\]\)"), (ds.swap_dims(face="face_name"), "goes back")):
        with pytest.raises(ValueError, match=words): correct(changed)


def test_the_tutorials_solutions_import_what_they_use():
    "Every name in a solution of the second tutorial is bound by the solution itself or by a cell that a reader sees and runs."
    import ast
    import builtins
    import re

    cells = json.loads((NBS / "tutorials" / "02_two_people.ipynb").read_text())["cells"]
    text = lambda kind: ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]

    def bound(tree):
        return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)} | {
            (alias.asname or alias.name) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names} | {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    seen = set().union(*(bound(ast.parse(code)) for code in text("code") if not code.startswith("#| hide")))
    solutions = [code for prose in text("markdown") for code in re.findall(r"```python\n(.*?)```", prose, re.S)]
    assert len(solutions) == 3
    for code in solutions:
        tree = ast.parse(code)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert not used - seen - bound(tree) - set(dir(builtins)), code


def doubt(ds, frames, face):
    "The faces of a person in some frames become a doubtful track, number 99, that belongs to nobody."
    ds = assign_face(ds, frames, face, None)
    new = (ds.face == ds.face[-1]) & ds.face_prob.notnull()
    ds["status"] = ds.status.where(~new, STATUS["doubtful"]).astype("int8")
    ds["face_track"] = ds.face_track.where(~new, 99).astype("float32")
    ds["face_evidence"] = ds.face_evidence.where(~new, 0.2).astype("float32")
    return ds


def blind(ds, frames, face, status):
    "Landmarks and action units of a face are missing in some frames, for a reason."
    there = (ds.frame >= frames.start) & (ds.frame <= frames.stop) & (ds.face == face) & ds.face_prob.notnull()
    ds = ds.assign(face_landmarks=ds.face_landmarks.where(~there), face_aus=ds.face_aus.where(~there))
    ds["status"] = ds.status.where(~there, STATUS[status]).astype("int8")
    assert check_features(ds) == []
    return ds


def test_a_track_goes_as_a_whole(ds):
    "Everything that is known of its faces goes along; whoever stood there becomes nobody's."
    done = assign_track(ds, 3, "Person_2")
    own = ds.face_track.sel(face=0) == 3
    assert own.any() and check_features(done) == [] and (done.face_track.sel(face=1)[own] == 3).all() and not (done.face_track.sel(face=0) == 3).any()
    for name in ("face_evidence", "face_aus", "face_box"):
        np.testing.assert_array_equal(done[name].sel(face=1)[own], ds[name].sel(face=0)[own])
    displaced = own & ds.face_label.sel(face=1).notnull()
    assert displaced.any() and (done.status.sel(face=3)[displaced] == STATUS["unassigned"]).all()
    assert (done.face_track.sel(face=3)[displaced] == ds.face_track.sel(face=1)[displaced]).all()
    assert replay_history(ds, done).identical(done) and json.loads(done.history.rsplit("assign_track ", 1)[1])["frames"] == [[85, 235]]
    assert assign_track(ds, np.float32(3), 1).drop_attrs().identical(done.drop_attrs())
    nobody = assign_track(ds, 3, None)
    assert nobody.face_label.sel(face=0)[own].isnull().all() and (nobody.status == STATUS["unassigned"]).sum() == own.sum()


def test_a_divided_track_is_whole_again(ds):
    divided = assign_face(assign_face(ds, slice(100, 120), 0, None), slice(200, 210), 0, 1)
    done = assign_track(divided, 3, 0)
    np.testing.assert_array_equal(done.face_label.sel(face=0), ds.face_label.sel(face=0))
    assert (list_tracks(divided).track == 3).sum() == 3 and (list_tracks(done).track == 3).sum() == 1


@pytest.mark.parametrize("call, words", [(lambda ds: assign_track(ds, 77, 0), "track=77 is not a track here; there are 6 tracks, 0 to 5"), (lambda ds: assign_track(ds, "a", 0), "not a track"),
    (lambda ds: assign_track(ds, 0, "Anna"), "to='Anna' is nobody"), (lambda ds: assign_track(ds.drop_vars("face_track"), 0, 1), "has no tracks"),
    (lambda ds: list_tracks(ds.drop_vars("face_track")), "has no tracks"), (lambda ds: split_faces(ds, 0, tracks=[1]), "face=0 has no track 1; it has 0, 3"),
    (lambda ds: split_faces(ds, 0), "frames or tracks"), (lambda ds: replay_history(ds.isel(frame=slice(20, None)), assign_track(ds, 3, 1)), "numbered anew")])
def test_tracks_that_are_not_there(ds, call, words):
    with pytest.raises(ValueError, match=words): call(ds)


@pytest.mark.parametrize("missing, status", [(None, "ok"), ("landmarks_failed", "landmarks_failed"), ("no_presence", "no_presence")])
def test_a_doubtful_detection_that_is_somebodys(ds, missing, status):
    "Its status says what is missing, as derive_status would; being doubtful is over."
    if missing: ds = blind(ds, slice(20, 30), 1, missing)
    if missing == "no_presence": ds = blind(ds, slice(40, 45), 2, missing)  # a face that tells of a network which knows presence
    doubted = doubt(ds, slice(20, 30), 1)
    assert check_features(doubted) == [] and (doubted.status == STATUS["doubtful"]).sum() == 3
    for mended in (assign_track(doubted, 99, 1), assign_face(doubted, slice(20, 30), "Unassigned_1", 1), merge_faces(doubted, 1, "Unassigned_1"),
                  split_faces(doubted, "Unassigned_1", tracks=[99]), rename_faces(doubted, {"Unassigned_1": "Carl"})):
        assert check_features(mended) == [] and replay_history(doubted, mended).identical(mended)
        assert mended.status.where(mended.face_track == 99).stack(cell=("frame", "face")).dropna("cell").values.tolist() == [STATUS[status]] * 3
        again = unassign_faces(mended, mended.face_track == 99)
        left = again.status.where(again.face_track == 99).stack(cell=("frame", "face")).dropna("cell").values
        assert set(left) == {STATUS["unassigned" if status == "ok" else status]}


def test_the_other_flags_stay(ds):
    "Whoever is moved, doubtful detections stay doubtful and faces without presence stay so."
    doubted = doubt(blind(ds, slice(100, 110), 0, "no_presence"), slice(20, 30), 1)
    before = {name: int((doubted.status == STATUS[name]).sum()) for name in ("doubtful", "no_presence")}
    assert before == {"doubtful": 3, "no_presence": 3}
    for done in (swap_faces(doubted, 0, 1), merge_faces(doubted, 0, 1), rename_faces(doubted, {0: "Anna"}), assign_face(doubted, slice(100, 110), 0, None), assign_track(doubted, 3, 2),
                 split_faces(doubted, 0, slice(90, 120)), swap_faces(doubted, 0, "Unassigned_1", frames=slice(100, 110)), unassign_faces(doubted, doubted.face_confidence < 2)):
        assert {name: int((done.status == STATUS[name]).sum()) for name in before} == before
        assert check_features(done) == [] and replay_history(doubted, done).identical(done)


PROPOSALS = [{"kind": "merge", "faces": [1, 2], "distance": 0.55}, {"kind": "split", "face": 0, "tracks": [[0], [3]], "distance": 0.6}]


@pytest.fixture
def asked(ds):
    return ds.assign_attrs(identity_proposals=json.dumps(PROPOSALS))


@pytest.mark.parametrize("correct, left", [
    (lambda ds: rename_faces(ds, {0: "Anna"}), PROPOSALS),
    (lambda ds: merge_faces(ds, 1, 2), PROPOSALS[1:]),
    (lambda ds: swap_faces(ds, 0, 1), [PROPOSALS[0] | {"faces": [0, 2]}, PROPOSALS[1] | {"face": 1}]),
    (lambda ds: swap_faces(ds, 0, 1, frames=slice(20, 40)), PROPOSALS),
    (lambda ds: split_faces(ds, 0, tracks=[3]), PROPOSALS[:1]),
    (lambda ds: split_faces(ds, 1, slice(20, None)), [PROPOSALS[0] | {"faces": [3, 2]}, PROPOSALS[1]]),
    (lambda ds: assign_track(ds, 3, 1), PROPOSALS[:1]),
    (lambda ds: unassign_faces(ds, ds.face == 2), PROPOSALS[1:]),
    (lambda ds: ds.sel(face=[0, 1]), PROPOSALS[1:]),
    (lambda ds: ds.sel(frame=ds.time < 2), PROPOSALS[:1]),
    (lambda ds: ds.drop_vars("face_track"), PROPOSALS[:1])])
def test_proposals_follow_the_faces(asked, correct, left):
    assert list_proposals(asked) == PROPOSALS
    done = correct(asked)
    assert list_proposals(done) == left and "_slot_before" not in done
    if done.history != asked.history: assert check_features(done) == [] and replay_history(asked, done).identical(done)


def test_accepted_and_dismissed(asked, tmp_path):
    first, second = PROPOSALS
    named = rename_faces(asked, {1: "Anna"})
    assert accept_proposal(named, first).face_name.values.tolist()[1] == "Anna", "a name that somebody gave is kept"
    parted = accept_proposal(asked, second, "Guest")
    assert parted.face_name.values[-1] == "Guest" and set(parted.face_track.sel(face=3).dropna("frame").values) == {0.0} # the part with fewer faces
    done = dismiss_proposal(dismiss_proposal(asked, first), second)
    assert list_proposals(done) == [] and done.face_label.identical(asked.face_label) and replay_history(asked, done).identical(done)
    save(done, tmp_path / "done.nc")
    assert list_proposals(load(tmp_path / "done.nc")) == []
    for call in (accept_proposal, dismiss_proposal):
        with pytest.raises(ValueError, match="is not open"): call(done, first)
    other = replay_history(demo_features(n_faces=3, seed=5), done)
    assert "identity_proposals" not in other.attrs and list_proposals(other) == [], "nobody asks, so there is nothing to dismiss"


def test_a_merge_says_what_becomes_of_two_in_one_frame(asked):
    both = int((asked.face_label.sel(face=1).notnull() & asked.face_label.sel(face=2).notnull()).sum())
    assert describe_proposal(asked, PROPOSALS[0]) == f"Person_2 and Person_3 may be one person (distance 0.55); they are in the picture together in {both} frames."
    assert (accept_proposal(asked, PROPOSALS[0]).status == STATUS["unassigned"]).sum() == both
    assert "2 people (distance 0.60): 1 track (13 faces) and 1 track (31 faces)" in describe_proposal(asked, PROPOSALS[1]).replace("two", "2")


@pytest.mark.parametrize("text", ["{", "[1]", '{"kind": "merge"}', '[{"kind": "merge", "faces": [1]}]', '[{"kind": "split", "tracks": [[1], [2]]}]', '[{"kind": "join", "faces": [1, 2]}]'])
def test_proposals_that_are_none(ds, text):
    with pytest.raises(ValueError, match="identity_proposals is .* holds no proposals"): list_proposals(ds.assign_attrs(identity_proposals=text))


def test_without_tracks_all_is_as_before(ds):
    "Results of the first version."
    old = ds.drop_vars(["face_track", "face_evidence", "shot"])
    for correct in (lambda d: merge_faces(d, 1, 2), lambda d: assign_face(d, slice(20, 40), 0, None), lambda d: split_faces(d, 0, slice(100, None)), lambda d: unassign_faces(d, d.face_confidence < 0.7)):
        new = correct(ds).drop_vars(["face_track", "face_evidence", "shot"])
        assert correct(old).drop_attrs().identical(new.drop_attrs())
    assert list_proposals(old) == []
