"Files of mexca, OpenFace and py-feat become results, and results become such files."
import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from mexca_video import (
    AU_NAMES,
    check_features,
    demo_features,
    load,
    merge_faces,
    read_openface,
    read_pyfeat,
    read_video_annotation,
    rename_faces,
    save,
    to_table,
)
from mexca_video.io.exchange import (
    pose_from_openface,
    pose_to_openface,
    to_openface,
    to_video_annotation,
)

from made_up import corrected

HELD = ("frame", "time", "face_box", "face_prob", "face_landmarks", "face_aus", "face_label", "face_confidence", "n_detected")
POINTS = [f"{axis}_{i}" for axis in "xy" for i in range(68)]


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return to_video_annotation(*args, **options)


@pytest.mark.parametrize("version", ["0.4", "1.0"])
@pytest.mark.parametrize("make", [demo_features, corrected, lambda: demo_features(n_frames=1, n_faces=5)])
def test_annotation_there_and_back(make, version, tmp_path):
    ds = make()
    again = read_video_annotation(quietly(ds, tmp_path / "a.json", version))
    assert check_features(again) == []
    assert len(to_table(again)) == len(to_table(ds))
    if version == "0.4" or make is not corrected:
        for name in HELD: np.testing.assert_array_equal(again[name].values, ds[name].values, name)
    else:  # a name says nothing of its slot
        columns = ["frame", "face_name", "AU12", "x_30"]
        by = ["frame", "face_name"]
        pd.testing.assert_frame_equal(to_table(again)[columns].sort_values(by, ignore_index=True), to_table(ds)[columns].sort_values(by, ignore_index=True))


def test_form_of_the_annotation(tmp_path):
    "The fields of each form, the missing values, and coordinates that are not negative."
    ds = demo_features()
    ds["face_box"][0, 0, 0] = -3
    old = json.loads(quietly(ds, tmp_path / "a.json", "0.4").read_text())
    new = json.loads(quietly(ds, tmp_path / "b.json", "1.0").read_text(), parse_constant=pytest.fail)
    lists = {"frame", "time", "face_box", "face_prob", "face_landmarks", "face_aus", "face_label", "face_confidence"}
    assert set(old) == lists | {"filename", "duration", "fps"}
    assert set(new) == lists | {"filename", "face_embeddings", "face_average_embeddings"}
    assert {len(fields[name]) for fields in (old, new) for name in lists} == {len(to_table(ds))}
    assert old["face_box"][0][0] == -3 and new["face_box"][0][0] == 0
    empty = next(i for i, frame in enumerate(new["frame"]) if frame == ds.frame.values[np.flatnonzero(ds.n_detected == 0)[0]])
    assert new["face_box"][empty] is None and np.isnan(old["face_box"][empty])
    assert np.shape(new["face_landmarks"][0]) == (68, 2) and len(new["face_aus"][0]) == 20
    assert (old["face_label"][0], new["face_label"][0]) == (0, "Person_1") and old["fps"] == 25


def test_warning_names_what_is_lost(tmp_path):
    with pytest.warns(UserWarning, match="0.4 cannot hold .*face_pose.*status, .*face_name"):
        to_video_annotation(rename_faces(demo_features(), {"Person_1": "Zoë"}), tmp_path / "a.json", "0.4")
    with pytest.raises(ValueError, match="version"): to_video_annotation(demo_features(), tmp_path / "a.json", "2")
    with pytest.raises(ValueError, match="512"): to_video_annotation(demo_features(embeddings=True), tmp_path / "a.json", embeddings=True)


def test_embeddings_go_along_when_asked(tmp_path):
    ds = demo_features()
    values = np.random.default_rng(0).normal(size=(*ds.face_prob.shape, 512)).astype("float32")
    from mexca_video.schema import describe_variable

    ds["face_embedding"] = ("frame", "face", "embedding"), np.where(ds.face_prob.notnull().values[..., None], values, np.float32(np.nan)), describe_variable("face_embedding")
    fields = json.loads(quietly(ds, tmp_path / "a.json", embeddings=True).read_text())
    assert set(fields["face_average_embeddings"]) == {"Person_1", "Person_2"} and len(fields["face_average_embeddings"]["Person_1"]) == 512
    np.testing.assert_array_equal(read_video_annotation(tmp_path / "a.json").face_embedding.values, ds.face_embedding.values)


def annotation(**changes):
    "An annotation by hand, in the layout of mexca 1.0: two faces in the first frame, none in the second."
    face = dict(box=[10, 20, 30, 50], landmarks=[[i, i + 1] for i in range(68)], aus=[0.5] * 20)
    fields = {
        "filename": "/videos/talk.mp4", "frame": [0, 0, 5], "time": [0.0, 0.0, 0.2], "face_box": [face["box"], [60, 20, 90, 50], None],
        "face_prob": [0.99, 0.9, None], "face_landmarks": [face["landmarks"], face["landmarks"], None], "face_aus": [face["aus"], None, None],
        "face_label": ["1", None, None], "face_confidence": [0.8, None, None], "face_embeddings": None, "face_average_embeddings": None,
    }
    return fields | changes


def test_annotation_by_hand(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(annotation()))
    ds = read_video_annotation(tmp_path / "a.json")
    assert ds.attrs["video_file"] == "talk.mp4" and ds.attrs["video_fps"] == pytest.approx(25)
    assert ds.face.values.tolist() == [1, 2] and ds.face_name.values.tolist() == ["Person_2", "Unassigned_1"]
    assert ds.face_box.values[0].tolist() == [[10, 20, 30, 50], [60, 20, 90, 50]] and ds.n_detected.values.tolist() == [2, 0]
    assert to_table(ds).status.tolist() == ["ok", "aus_failed", "no_face"]


@pytest.mark.parametrize("changes, said", [
    (dict(face_box=[[1, 2, 3]] * 3), "entry 0 .frame 0.: face_box is not 4 numbers"),
    (dict(face_prob=[0.9, "x", None]), "entry 1 .*face_prob is not a number"),
    (dict(face_prob=[1.5, 0.9, None]), "outside 0 to 1"),
    (dict(frame=[0, 0, 1.5]), "entry 2: frame is not a whole number"),
    (dict(frame=[0, 0, float("inf")]), "entry 2: frame is not a whole number"),
    (dict(time=[0.0, 0.0, None]), "entry 2 has no time"),
    (dict(face_label=["1", "1", None]), "the same person twice, at entry 0 and entry 1"),
    (dict(face_label=[{}, None, None]), "entry 0: face_label"),
    (dict(face_label=["99999999", None, None]), "at most 1000 people"),
    (dict(face_label=[float("inf"), None, None]), ""),
    (dict(frame=[]), "not a list of 0 entries|no frame"),
    (dict(time="x"), "not a VideoAnnotation"),
])
def test_annotation_that_is_wrong(changes, said, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(annotation(**changes)))
    if said:
        with pytest.raises(ValueError, match=f"a.json.*{said}"): read_video_annotation(tmp_path / "a.json")
    else: read_video_annotation(tmp_path / "a.json")


@pytest.mark.parametrize("text, said", [("{", "line 1"), ("[" * 100_000, "not JSON"), ('{"a":\n 1,,}', "line 2"), ("3", "VideoAnnotation"), ("\ud800", "not JSON")])
def test_text_that_is_no_annotation(text, said, tmp_path):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=f"a.json.*{said}"): read_video_annotation(tmp_path / "a.json")


def openface(path, rows, head=()):
    "A file as FeatureExtraction writes it: a blank after each comma, a row for each frame, zeros where the face was lost."
    names = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "pose_Tx", "pose_Rx", "pose_Ry", "pose_Rz", *POINTS, "AU01_r", "AU12_r", "AU45_r", "AU12_c", "AU28_c"]
    lines = [", ".join(map(str, line)) for line in [head or names, *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


FACE = [0.98, 1, 0.1, 12.5, 0.1, -0.2, 0.05, *range(100, 168), *range(200, 268), 0.5, 2.5, 0.1, 1, 0]
LOST = [0.03, 0, *[0] * 5, *[0] * 136, *[0] * 5]


def test_openface_by_hand(tmp_path):
    ds = read_openface(openface(tmp_path / "talk.csv", [[1, 0, 0.0, *FACE], [2, 0, 0.04, *LOST], [3, 0, 0.08, *FACE]]))
    assert check_features(ds) == [] and ds.frame.values.tolist() == [0, 1, 2] and ds.n_detected.values.tolist() == [1, 0, 1]
    assert ds.face_box.values[0, 0].tolist() == [100, 200, 167, 267]
    assert ds.face_landmarks.values[0, 0, 30].tolist() == [130, 230]
    assert ds.face_aus.sel(au=["AU01", "AU12"]).values[0, 0].tolist() == [0.5, 2.5] and np.isnan(ds.face_aus.sel(au="AU43")).all()
    assert ds.attrs["au_scale"] == "OpenFace intensity, 0 to 5" and ds.attrs["video_fps"] == pytest.approx(25)
    pitch, yaw, roll = ds.face_pose.values[0, 0]
    assert pitch == pytest.approx(-5.73, abs=1) and yaw == pytest.approx(11.46, abs=1) and roll == pytest.approx(2.86, abs=2)
    presence = read_openface(tmp_path / "talk.csv", aus="presence")
    assert presence.face_aus.sel(au=["AU12", "AU28"]).values[0, 0].tolist() == [1, 0]


def test_several_faces_of_openface(tmp_path):
    ds = read_openface(openface(tmp_path / "a.csv", [[1, 0, 0.0, *FACE], [1, 3, 0.0, *FACE], [2, 3, 0.04, *FACE]]))
    assert ds.face.values.tolist() == [0, 3] and ds.face_name.values.tolist() == ["Person_1", "Person_4"]
    assert ds.n_detected.values.tolist() == [2, 1]


@pytest.mark.parametrize("rows, said", [
    ([[1, 0, 0.0, *FACE], [1, 0, 0.0, *FACE]], "same person twice, at line 2 and line 3"),
    ([[1, 0, "x", *FACE]], "line 2: timestamp is 'x'"),
    ([[0, 0, 0.0, *FACE]], "line 2: frame is 0"),
    ([[1, 0, 0.1, *FACE], [2, 0, 0.0, *FACE]], "time goes back at line 3"),
    ([[1, -1, 0.1, *FACE]], "line 2: face_id is -1"),
    ([], "no line below the head"),
])
def test_openface_that_is_wrong(rows, said, tmp_path):
    with pytest.raises(ValueError, match=f"a.csv.*{said}"): read_openface(openface(tmp_path / "a.csv", rows))


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(256)))
    for read in (read_openface, lambda path: read_pyfeat(path, fps=25)):
        with pytest.raises(ValueError, match="a.csv"): read(tmp_path / "a.csv")
        with pytest.raises(FileNotFoundError): read(tmp_path / "no.csv")
    with pytest.raises(ValueError, match="it has 256 bytes"): read_openface(tmp_path / "a.csv", max_bytes=100)


def test_openface_there_and_back(tmp_path):
    ds = demo_features()
    again = read_openface(to_openface(ds, tmp_path / "a.csv"))
    assert check_features(again) == []
    table, other = to_table(ds), to_table(again)
    whole = table.status != "landmarks_failed"
    seen = table[whole & table.face.notna()].reset_index(drop=True)
    other = other[other.face.notna()].reset_index(drop=True)
    for name in ("frame", "time", "face", "face_prob", *POINTS, *AU_NAMES): np.testing.assert_array_equal(other[name], seen[name], name)
    for angle in ("pitch", "yaw", "roll"): np.testing.assert_allclose(other[f"face_pose_{angle}"], seen[f"face_pose_{angle}"], atol=1e-4)
    head = (tmp_path / "a.csv").read_text().split("\n")[0].split(",")
    assert not [name for name in head if name.endswith(("_r", "_c"))] and "pose_Rx" in head and "pose_Tx" not in head


def test_pose_turns_as_openface_turns():
    "Each angle alone, and the order of several: the matrices are the same."
    from scipy.spatial.transform import Rotation

    radians = np.random.default_rng(1).uniform(-0.8, 0.8, (20, 3))
    pitch, yaw, roll = np.radians(pose_from_openface(radians)).T
    ours = Rotation.from_euler("ZXY", np.stack([roll, -pitch, -yaw], 1)).as_matrix()
    x, y, z = (Rotation.from_euler(axis, radians[:, [i]]) for i, axis in enumerate("xyz"))
    np.testing.assert_allclose(ours, (x * y * z).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(pose_to_openface(pose_from_openface(radians)), radians, atol=1e-12)
    assert np.isnan(pose_from_openface([[np.nan, 0, 0]])).all()


@pytest.mark.slow
def test_openface_file_in_pyfeat(tmp_path):
    "py-feat's own reader of OpenFace's files, in a process of its own."
    table = to_table(ds := demo_features())
    to_openface(ds, tmp_path / "a.csv")
    code = "from feat.utils.io import read_openface; print(read_openface('a.csv', features=['x_30', 'pose_Rx'])['x_30'].tolist())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    found = [np.nan if word == "nan" else float(word) for word in done.stdout.strip().splitlines()[-1][1:-1].split(", ")]
    np.testing.assert_array_equal(np.array(found, "float32"), table.x_30)


def fex(path, rows, more=()):
    names = ["frame", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", *POINTS, "Pitch", "Roll", "Yaw", *AU_NAMES, "anger", "Identity", "input", "approx_time", *more]
    path.write_text("\n".join(",".join(map(str, line)) for line in [names, *rows]) + "\n")
    return path


def one(frame, x=10, identity="Person_0", score=0.9):
    return [frame, x, 20, 30, 40, score, *range(136), 1, 2, 3, *[0.25] * 20, 0.1, identity, "in/talk.mp4", "00:00"]


def test_pyfeat_by_hand(tmp_path):
    empty = [1, *[""] * (len(one(0)) - 3), "in/talk.mp4", "00:00"]
    ds = read_pyfeat(fex(tmp_path / "a.csv", [one(0), one(0, 110, "Person_1"), empty, one(2, 12)]), fps=50)
    assert check_features(ds) == [] and ds.time.values.tolist() == [0, 0.02, 0.04]
    assert ds.face_name.values.tolist() == ["Person_0", "Person_1"] and ds.n_detected.values.tolist() == [2, 0, 1]
    assert ds.face_box.values[0, 1].tolist() == [110, 20, 140, 60] and ds.face_landmarks.values[0, 0, 30].tolist() == [30, 98]
    assert (ds.face_aus.values[0] == 0.25).all() and ds.attrs["video_file"] == "talk.mp4"


@pytest.mark.parametrize("rows, said", [
    ([one(0, "wide")], "line 2: FaceRectX is 'wide'"),
    ([one(0, score=3)], "face_prob.*outside"),
    ([one(0), one(0)], "line 2 and line 3"),
])
def test_pyfeat_that_is_wrong(rows, said, tmp_path):
    with pytest.raises(ValueError, match=f"a.csv.*{said}"): read_pyfeat(fex(tmp_path / "a.csv", rows), fps=25)


def test_times_come_from_the_video(tmp_path, clip):
    from mexca_video import VideoDataset

    ds = read_pyfeat(fex(tmp_path / "a.csv", [one(0), one(3)]), video=clip)
    video = VideoDataset(str(clip))
    assert ds.time.values.tolist() == [float(video.time[0]), float(video.time[3])]
    assert (ds.attrs["video_width"], ds.attrs["video_height"]) == (video.width, video.height) and len(ds.attrs["video_sha256"]) == 64
    with pytest.raises(ValueError, match="give the video that it was made from"): read_pyfeat(fex(tmp_path / "a.csv", [one(99_999)]), video=clip)


def test_what_is_read_serves_the_rest(tmp_path):
    "Corrections, the file, the table and the statistics."
    ds = read_openface(openface(tmp_path / "a.csv", [[1, 0, 0.0, *FACE], [2, 1, 0.04, *FACE]]))
    ds = rename_faces(merge_faces(ds, "Person_1", "Person_2"), {"Person_1": "Zoë"})
    assert check_features(ds) == []
    assert to_table(load(save(ds, tmp_path / "a.nc"))).groupby("face_name").AU12.mean().to_dict() == {"Zoë": 2.5}
