"The check must see every departure, and survive whatever it is given."
import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from mexca_video import AU_NAMES, STATUS, check_features, demo_features
from mexca_video.schema import ATTRIBUTES, LANDMARK_PARTS, VARIABLES, build_features, derive_status
from mexca_video.validators import need_features

DEMO = demo_features(n_frames=12, n_faces=2, embeddings=True)
MISSING = np.argwhere(np.isnan(DEMO.face_prob.values))[0]


def changed(name, index, value):
    "The demo with one value changed."
    ds = DEMO.copy(deep=True)
    ds[name].values[index] = value
    return ds


def coordinate(name, values):
    return DEMO.assign_coords({name: (DEMO[name].dims, values, DEMO[name].attrs)})


WRONG = {
    "'au' is missing": lambda: DEMO.drop_vars("au"),
    "Dimension 'landmark' has 67 entries": lambda: DEMO.isel(landmark=slice(67)),
    "Dimension 'frame' is missing": lambda: DEMO.isel(frame=0),
    "Dimension 'time_of_day' is not": lambda: DEMO.expand_dims("time_of_day"),
    "'face_aus' has the dimensions": lambda: DEMO.assign(face_aus=DEMO.face_aus.transpose("au", ...)),
    "'face_box' has the type float64": lambda: DEMO.assign(face_box=DEMO.face_box.astype("float64")),
    "'smile' is not in the schema": lambda: DEMO.assign(smile=DEMO.face_prob),
    "'time' is no coordinate": lambda: DEMO.reset_coords("time"),
    "'status' is a coordinate": lambda: DEMO.set_coords("status"),
    "Attribute 'units' of 'time'": lambda: DEMO.assign_coords(time=DEMO.time.assign_attrs(units="seconds")),
    "'status' has no attribute 'flag_values'": lambda: DEMO.assign(status=(DEMO.status.dims, DEMO.status.values)),
    "Attribute 'flag_meanings' of 'status'": lambda: DEMO.assign(status=DEMO.status.assign_attrs(flag_meanings="ok")),
    "'au' is AU43": lambda: DEMO.isel(au=slice(None, None, -1)),
    "'frame' names a frame twice": lambda: coordinate("frame", [0, *DEMO.frame.values[:-1]]),
    "'frame' does not increase": lambda: coordinate("frame", DEMO.frame.values[::-1]),
    "'frame' is negative": lambda: coordinate("frame", DEMO.frame.values - 1),
    "'time' decreases after frame 10": lambda: changed("time", 3, 0.3),
    "'time' is missing or infinite at frame 15": lambda: changed("time", 3, np.nan),
    "'face' names a slot twice": lambda: coordinate("face", [0, 0]),
    "two slots the same name": lambda: coordinate("face_name", ["Anna", "Anna"]),
    "an empty name": lambda: coordinate("face_name", ["Anna", " "]),
    "'face_box' is incomplete at frame 5, face 1": lambda: changed("face_box", (1, 1, 2), np.nan),
    "'face_box' ends before it begins at frame 5, face 1": lambda: changed("face_box", (1, 1, 2), -900),
    "'face_prob' is outside 0 to 1 at frame 5, face 1": lambda: changed("face_prob", (1, 1), 1.5),
    "'face_prob' is missing at frame 5, face 1": lambda: changed("face_prob", (1, 1), np.nan),
    "'face_confidence' is outside": lambda: changed("face_confidence", (1, 1), -0.1),
    "'face_aus' has a value without a face": lambda: changed("face_aus", (*MISSING, 4), 0.5),
    "'face_embedding' has a value without a face": lambda: changed("face_embedding", (*MISSING, 4), 0.5),
    "Slot 1 holds label 0": lambda: changed("face_label", (1, 1), 0),
    "Label 0 stands in more than one slot": lambda: changed("face_label", (1, 1), 0),
    "Slot 1 holds faces with a label and faces without": lambda: changed("face_label", (1, 1), np.nan),
    "'n_detected' is not the number of boxes at frame 5": lambda: changed("n_detected", 1, 1),
    "'status' is not one of the flags": lambda: changed("status", (1, 1), 77),
    "'status' does not say that a face is missing": lambda: changed("status", tuple(MISSING), STATUS["ok"]),
    "'status' says that a face is missing": lambda: changed("status", (1, 1), STATUS["absent"]),
    "'status' says 'unassigned' in spite": lambda: changed("status", (1, 1), STATUS["unassigned"]),
    "'status' says 'ok' without a label": lambda: changed("face_label", (1, 1), np.nan),
    "'status' says 'ok' without landmarks": lambda: changed("face_landmarks", (1, 1, 5), np.nan),
    "'status' says 'ok' without action units": lambda: changed("face_aus", (1, 1), np.nan),
    "'landmarks_failed' in spite": lambda: changed("status", (1, 1), STATUS["landmarks_failed"]),
    "'aus_failed' in spite": lambda: changed("status", (1, 1), STATUS["aus_failed"]),
    "Attribute 'models' is None": lambda: DEMO.assign_attrs(models=None),
    "Attribute 'models' is not JSON": lambda: DEMO.assign_attrs(models="mtcnn"),
    "Attribute 'video_fps' is '25'": lambda: DEMO.assign_attrs(video_fps="25"),
    "Attribute 'video_width' is 640.5": lambda: DEMO.assign_attrs(video_width=640.5),
    "Attribute 'video_file' names a folder": lambda: DEMO.assign_attrs(video_file="C:\\videos\\clip.mp4"),
    "Attribute 'title' names a folder": lambda: DEMO.assign_attrs(title="made from file:///home/anna/clip.mp4"),
    "Attribute 'references' names a folder": lambda: DEMO.assign_attrs(references="see /my-data/anna/clip.mp4"),
    "Attribute 'arguments' names a folder": lambda: DEMO.assign_attrs(arguments=json.dumps({"filepath": "/data/clip.mp4"})),
}


@pytest.mark.parametrize("words", WRONG)
def test_departure_is_named(words):
    assert any(words in sentence for sentence in check_features(WRONG[words]())), check_features(WRONG[words]())


@pytest.mark.parametrize("name", [name for name, row in VARIABLES.items() if not row.optional])
def test_missing_variable_is_named(name):
    assert f"Variable {name!r} is missing." in check_features(DEMO.drop_vars(name))


@pytest.mark.parametrize("name", [name for name, row in ATTRIBUTES.items() if row.always])
def test_missing_attribute_is_named(name):
    ds = DEMO.copy()
    del ds.attrs[name]
    assert check_features(ds) == [f"Attribute {name!r} is missing."]


def test_what_is_no_departure():
    "Subsets, more attributes, no embeddings, models that were not asked for, one face kept of several."
    for ds in (DEMO, DEMO.isel(frame=slice(2, 9)), DEMO.drop_vars("face_embedding"), DEMO.assign_attrs(own="note", references="https://example.org/a/b"),
               DEMO.isel(frame=slice(0))):
        assert check_features(ds) == []
    blank = DEMO.copy(deep=True)
    blank["face_aus"].values[:] = blank["face_landmarks"].values[:] = np.nan
    blank["status"].values[blank.status.values == STATUS["landmarks_failed"]] = STATUS["ok"]
    assert check_features(blank) == []
    more = changed("n_detected", 1, 3).assign_attrs(arguments='{"keep_all": false}')
    assert check_features(more) == []


def damage(draw, ds):
    "Break a Dataset in one of many ways."
    name, dim = draw(st.sampled_from([*ds.variables, "frame"])), draw(st.sampled_from([*ds.sizes, "frame"]))
    kind = draw(st.sampled_from(["drop", "isel", "empty", "rename", "type", "object", "transpose", "attribute", "flip", "scalar", "repeat"]))
    if kind == "drop": return ds.drop_vars(name, errors="ignore")
    if kind == "isel": return ds.isel({dim: 0}, drop=draw(st.booleans())) if ds.sizes.get(dim) else ds
    if kind == "empty": return ds.isel({dim: slice(0)}) if dim in ds.sizes else ds
    if kind == "rename": return ds.rename({name: "other"}) if name in ds.variables and "other" not in ds.variables and "other" not in ds.sizes else ds
    if kind in ("type", "object") and name in ds.variables:
        return ds.assign({name: ds[name].astype(draw(st.sampled_from([str, object, "U3", *[bool] * (ds[name].dtype.kind in "biuf")] if kind == "type" else [object])))})
    if kind == "transpose": return ds.transpose(*draw(st.permutations(list(ds.sizes))))
    if kind == "attribute": return ds.assign_attrs({draw(st.sampled_from([*ATTRIBUTES, 3, "x"])): draw(st.sampled_from([None, {}, 1, "", b"x", np.nan, np.ones(2)]))})
    if kind == "flip" and dim in ds.sizes: return ds.isel({dim: slice(None, None, -1)})
    if kind == "scalar": return ds.assign({name: draw(st.sampled_from([0, "a", None, np.datetime64("2020-01-01", "ns")]))}) if name not in ds.sizes else ds
    if kind == "repeat" and ds.sizes.get(dim): return ds.isel({dim: [0, 0]})
    return ds


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_garbage_is_answered(data):
    ds = DEMO
    for _ in range(data.draw(st.integers(1, 5))): ds = damage(data.draw, ds)
    found = check_features(ds)
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in found)


@pytest.mark.parametrize("thing", [None, 3, "clip.nc", DEMO.face_box, xr.Dataset(), xr.Dataset({"frame": 1, "face": "a"}), xr.Dataset(attrs={1: object()})])
def test_what_is_no_result(thing):
    assert check_features(thing)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 10**6), st.booleans())
def test_demo_is_in_order(n_frames, n_faces, seed, embeddings):
    ds = demo_features(n_frames, n_faces, seed, embeddings)
    assert check_features(ds) == [] and dict(ds.sizes)["face"] == n_faces and ds.sizes["frame"] == n_frames
    assert ("face_embedding" in ds) == embeddings
    assert ds.identical(demo_features(n_frames, n_faces, seed, embeddings))


def test_tables():
    assert len(AU_NAMES) == 20 and sorted(AU_NAMES) == list(AU_NAMES)
    assert {name: int(code) for name, code in STATUS.items()} == dict(ok=0, absent=1, no_face=2, landmarks_failed=3, aus_failed=4, unassigned=5, doubtful=6, no_presence=7, excluded=8)
    assert sum((list(part) for part in LANDMARK_PARTS.values()), []) == list(range(68))


def test_unassigned_slots():
    "Detections without a label make their slot nobody's."
    label = np.array([[0, np.nan], [0, np.nan]])
    arrays = dict(face_box=np.tile([0, 0, 9, 9], (2, 2, 1)), face_landmarks=np.zeros((2, 2, 68, 2)), face_aus=np.full((2, 2, 20), np.nan))
    ds = build_features(frame=[0, 1], time=[0, 0.04], face_prob=np.ones((2, 2)), face_label=label, face_confidence=label * np.nan, n_detected=[2, 2],
                        attrs=DEMO.attrs, status=derive_status(**arrays, n_detected=[2, 2], face_label=label, aus_planned=False), **arrays)
    assert check_features(ds) == [] and ds.face_name.values.tolist() == ["Person_1", "Unassigned_1"]
    assert ds.status.values.tolist() == [[STATUS["ok"], STATUS["unassigned"]]] * 2


def test_import_is_light():
    "The tables can be had without any large library."
    code = "import sys, mexca_video.schema; print([m for m in ('torch', 'xarray', 'pandas', 'matplotlib', 'feat', 'openvino') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("change, words", [
    (lambda ds: ds.sel(face=0), r"ds.sel\(face=\[0\]\) keeps it"), (lambda ds: ds.isel(frame=3), r"ds.sel\(frame=\[15\]\) keeps it"),
    (lambda ds: ds.sel(au="AU12"), r"ds.sel\(au=\['AU12'\]\) keeps it"),
    (lambda ds: ds.swap_dims(face="face_name"), r'ds.swap_dims\(face_name="face"\) goes back'), (lambda ds: ds.swap_dims(frame="time"), r'ds.swap_dims\(time="frame"\) goes back'),
    (lambda ds: ds.where(ds.face_confidence > 0.7), "unassign_faces"), (lambda ds: ds.where(ds.time > 5, drop=True), r"ds.sel\(frame=mask\)"),
    (lambda ds: ds.sel(au=["AU12"]), "'au' is AU12; it needs all 20"), (lambda ds: ds.isel(frame=slice(None, None, -1)), "'frame' does not increase"),
    (lambda ds: xr.concat([ds, ds], "frame"), "'frame' holds 0 twice"), (lambda ds: xr.concat([ds, ds], "face", data_vars="minimal"), "'face' holds 0 twice"),
    (lambda ds: ds.mean("frame"), "'frame' is missing|frame, time"), (lambda ds: ds.transpose("au", "face", ...), "another order"), (lambda ds: ds.drop_vars("status"), "status is not there")])
def test_need_features_names_the_way_back(change, words):
    with pytest.raises(ValueError, match=words): need_features(change(demo_features()))


def test_need_features_takes_what_is_whole():
    ds = demo_features(embeddings=True)
    for part in (ds, ds.sel(face=[1]), ds.sel(frame=ds.time > 5), ds.isel(frame=slice(0)), demo_features(n_faces=0), ds.assign(mine=ds.time * 2)): need_features(part)
    back = ds.swap_dims(face="face_name").swap_dims(face_name="face")
    need_features(back)
    need_features(ds[["face_aus"]].sel(au=["AU12", "AU01"]), "face_aus", some_aus=True)
    with pytest.raises(ValueError, match="au01"): need_features(ds.assign_coords(au=ds.au.str.lower()), some_aus=True)
    for garbage in (None, "result.nc", ds.face_aus):
        with pytest.raises(TypeError, match=f"ds is a {type(garbage).__name__}"): need_features(garbage)
