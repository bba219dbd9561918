"""Results of today against results on disk: numbers that were measured once, and files that an earlier version wrote.

`data/golden_*.nc` were written by `record_golden.py`. Other versions of the libraries and other processors may add up the same numbers in another order. With the lowest versions
that settings.ini names (`make test-minimum`), with one thread, and with AVX2 instead of AVX-512 nothing changed at all; with SSE4.1, boxes by 0.00012 pixels, landmarks by 0.00024, action
units by 9e-6 and distances of embeddings by 4e-6. The tolerances leave room for processors that were not at hand, and are far below what a face does from one frame to the next.
"""
import json

import numpy as np
import pytest
from record_golden import CLIPS, DATA, measure

from mexca_video import (
    assign_face,
    check_features,
    load,
    merge_faces,
    rename_faces,
    replay_history,
    save,
    split_faces,
    swap_faces,
    to_table,
)
from mexca_video.schema import VARIABLES

from rounding import TOLERANCES

EXACT = ("frame", "face", "face_name", "box_edge", "axis", "au", "au_worth", "angle", "side", "n_detected", "status", "face_label", "face_confidence", "face_track", "shot")
NOT_MEASURED = {  # by this run
    "face_embedding", "face_first_label", "face_blendshapes", "blendshape", "face_mesh", "mesh_axis", "event", "event_time", "excluded", "face_match_distance", "face_match_margin",
    "face_expression", "expression", "face_valence", "face_arousal",
}
FIRST = DATA / "version_0.1.0_first.nc"


@pytest.fixture(scope="module", params=CLIPS)
def pair(request):
    "A result of now, and the one on disk."
    golden = load(DATA / f"golden_{request.param}.nc")
    ds, distances = measure(request.param)
    return ds.assign(embedding_distance=(("detection", "other"), distances)), golden


@pytest.mark.slow
def test_every_variable_is_compared(pair):
    found, golden = pair
    assert {*TOLERANCES, *EXACT, "time"} == set(golden.variables) == set(found.variables)
    assert set(golden.drop_vars("embedding_distance").variables) == set(VARIABLES) - NOT_MEASURED


@pytest.mark.numeric
def test_what_is_counted_is_the_same(pair):
    found, golden = pair
    assert found.attrs["video_sha256"] == golden.attrs["video_sha256"]  # the clip is the same
    for name in EXACT: np.testing.assert_array_equal(found[name].values, golden[name].values, err_msg=name)
    np.testing.assert_allclose(found.time.values, golden.time.values, rtol=0, atol=1e-9)
    assert found.n_detected.sum() >= 5


@pytest.mark.numeric
def test_what_is_measured_is_the_same(pair):
    found, golden = pair
    for name, tolerance in TOLERANCES.items():
        print(f"{golden.attrs['video_file']:28} {name:20} {float(np.nanmax(np.abs(found[name].values - golden[name].values))):.2g} of {tolerance}")
    for name, tolerance in TOLERANCES.items(): np.testing.assert_allclose(found[name].values, golden[name].values, rtol=0, atol=tolerance, err_msg=name)


def test_what_made_it_is_the_same(pair):
    "The same weights and arguments; the versions of the libraries may be others."
    found, golden = pair
    for name in ("models", "arguments", "au_scale", "identification", "video_file", "video_width", "video_height", "video_fps"): assert found.attrs[name] == golden.attrs[name], name
    assert [record["sha256"] for record in json.loads(golden.attrs["models"])] and set(json.loads(golden.attrs["software"])) == set(json.loads(found.attrs["software"]))


def test_the_tolerances_are_tight():
    "A face moves more between two frames: a tolerance that never fails would say nothing."
    golden = load(DATA / "golden_pexels.nc")
    for name in ("face_box", "face_landmarks", "face_aus", "face_pose", "eye_openness", "face_aus_side"):
        moves = np.nanmax(np.abs(np.diff(golden[name].values, axis=0)))
        assert moves > 50 * TOLERANCES[name], name


# --- files of earlier versions ----------------------------------------------------------------------------------------

def test_the_first_version_still_loads():
    "Written by the second commit of this repository, which was the first that could `save`."
    ds = load(FIRST)
    assert check_features(ds) == []
    assert dict(ds.sizes) == dict(frame=18, face=3, box_edge=4, landmark=68, axis=2, au=20) and int(ds.n_detected.sum()) == 23
    assert ds.attrs["video_file"] == "people.mp4" and len(to_table(ds)) == 24


def test_the_first_version_is_saved_as_it_was(tmp_path):
    ds = load(FIRST)
    assert load(save(ds, tmp_path / "a.nc")).identical(ds)


CORRECTIONS = {
    "rename": lambda ds: rename_faces(ds, {"Person_1": "Zoë"}),
    "merge": lambda ds: merge_faces(ds, "Person_1", "Person_3"),
    "swap": lambda ds: swap_faces(ds, "Person_1", "Person_2", frames=ds.frame > 96),
    "assign": lambda ds: assign_face(ds, frame=0, face=0, to=2),
    "split": lambda ds: split_faces(ds, "Person_1", ds.frame > 96),
}


@pytest.mark.parametrize("name", CORRECTIONS)
def test_the_first_version_can_be_corrected(name, tmp_path):
    ds = load(FIRST)
    done = CORRECTIONS[name](ds)
    assert check_features(done) == [] and not done.equals(ds)
    again = load(save(done, tmp_path / "a.nc"))
    assert again.identical(done) and replay_history(ds, again.attrs["history"]).equals(done)
