"""Copies with hidden faces: sound, timestamps, rotation and rates stay, and nothing half-written is left."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import CLIPS, write_recipe

from mexca_video import VideoDataset, blur_faces, demo_features, share_safe
from mexca_video.schema import build_features, check_features


def write(path, pts, *, sound=False, size=(64, 48), time_base=Fraction(1, 1000)):
    "A clip of noise whose frames are shown at `pts`, with a tone if `sound`."
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = time_base
        stream.codec_context.options = {"bf": "0"}
        tone = file.add_stream("aac", rate=44100, layout="mono") if sound else None
        for t in pts:
            frame = av.VideoFrame.from_ndarray(random.integers(0, 256, (size[1], size[0], 3)).astype("uint8"), format="rgb24")
            frame.pts, frame.time_base = t, time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        for k in range(40 if sound else 0):
            wave = np.sin(np.arange(1024) * 0.1 + k * 102.4).astype("float32")[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, k * 1024, Fraction(1, 44100)
            file.mux(tone.encode(frame))
        if sound:
            file.mux(tone.encode())
    return path


def result(path, rows, boxes):
    "A result with one person at `boxes` (rows, 4) in the given frames of a clip."
    video = VideoDataset(str(path))
    n = len(rows)
    boxes = np.asarray(boxes, "float32").reshape(n, 1, 4)
    known = np.isfinite(boxes).all(-1)
    return build_features(
        frame=np.asarray(rows), time=np.asarray(video.time)[rows], n_detected=known.sum(1), face_box=boxes, face_prob=np.where(known, 1, np.nan).astype("float32"),
        face_label=np.where(known, 0, np.nan).astype("float32"), face_confidence=np.full((n, 1), np.nan, "float32"),
        face_landmarks=np.full((n, 1, 68, 2), np.nan, "float32"), face_aus=np.full((n, 1, 20), np.nan, "float32"), attrs=dict(video_width=video.width, video_height=video.height))


def packets(path):
    with av.open(str(path)) as file:
        return [(float(p.pts * p.time_base), bytes(p)) for p in file.demux(audio=0) if p.size]


def test_sound_is_copied_packet_by_packet(tmp_path):
    clip = write(tmp_path / "a.mp4", range(0, 1000, 40), sound=True)
    ds = result(clip, [0, 10, 20], [[10, 10, 30, 30]] * 3)
    for name in ("copy.mp4", "copy.mkv", "copy.mov"):
        copy = blur_faces(clip, ds, tmp_path / name)
        a, b = packets(clip), packets(copy)
        assert [data for _, data in a] == [data for _, data in b] and len(a) > 30
        first = [np.array([t for t, _ in found]) for found in (a, b)]
        assert abs((first[0] - first[0][0]) - (first[1] - first[1][0])).max() < 2e-3
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.parametrize("pts", [list(range(0, 1000, 40)), [0, 40, 45, 200, 1000, 1001, 1700], list(range(5000, 6000, 33))], ids=["even", "variable", "late"])
def test_every_frame_keeps_its_time(tmp_path, pts):
    clip = write(tmp_path / "a.mkv", pts)
    ds = result(clip, [0], [[10, 10, 30, 30]])
    for name in ("copy.mkv", "copy.mp4"):
        before, after = VideoDataset(str(clip)), VideoDataset(str(blur_faces(clip, ds, tmp_path / name)))
        assert len(after) == len(before)
        assert abs(np.asarray(after.time) - np.asarray(before.time)).max() < 2e-3


def hidden_frames(clip, copy, box):
    "The frames in which a box of the copy has lost its detail."
    x1, y1, x2, y2 = box
    after = VideoDataset(str(copy))
    detail = lambda image: abs(np.diff(image[y1:y2, x1:x2].numpy().astype(int), axis=1)).mean()
    before = VideoDataset(str(clip))
    return [i for i in range(len(after)) if detail(after[i]["Image"]) < 0.25 * detail(before[i]["Image"])]


def test_frames_between_detections_are_hidden(tmp_path):
    clip = write(tmp_path / "a.mp4", range(0, 2000, 40))
    boxes = [[10, 10, 30, 30], [14, 10, 34, 30], [np.nan] * 4, [10, 10, 30, 30]]
    copy = blur_faces(clip, result(clip, [0, 3, 6, 30], boxes), tmp_path / "b.mp4", hold=0.2)
    found = hidden_frames(clip, copy, (14, 10, 30, 30))
    # a step of the result is up to 24 frames, so a face is hidden until the next processed frame, whatever `hold` says
    assert found == list(range(0, 50))
    copy = blur_faces(clip, result(clip, list(range(50)), [boxes[0]] * 5 + [boxes[2]] * 45), tmp_path / "c.mp4", hold=0.2)
    assert hidden_frames(clip, copy, (14, 10, 30, 30)) == list(range(0, 10))


def test_keep_and_unassigned(tmp_path):
    clip = write(tmp_path / "a.mp4", range(0, 400, 40))
    ds = result(clip, [0, 5], [[10, 10, 30, 30]] * 2)
    assert hidden_frames(clip, blur_faces(clip, ds, tmp_path / "b.mp4", keep="Person_1"), (12, 12, 28, 28)) == []
    assert hidden_frames(clip, blur_faces(clip, ds, tmp_path / "c.mp4", keep=[0]), (12, 12, 28, 28)) == []
    nobody = ds.copy(deep=True)
    nobody.face_label[...] = np.nan
    assert len(hidden_frames(clip, blur_faces(clip, nobody, tmp_path / "d.mp4", how="pixelate"), (12, 12, 28, 28))) == 10


@pytest.mark.parametrize("name", CLIPS)
def test_every_kind_of_clip(name, tmp_path):
    "Codecs, containers, odd sizes, rotated pictures: the copy has the same frames, upright, at the same times."
    clip = write_recipe(name, tmp_path)
    with VideoDataset(str(clip)) as before:
        width = before.width
        ds = result(clip, [0], [[np.nan] * 4])
        copy = blur_faces(clip, ds, tmp_path / "copy.mkv")
        with VideoDataset(str(copy)) as after:
            assert len(after) == len(before) and after.width - width in (0, 1)
            assert abs(np.asarray(after.time) - np.asarray(before.time)).max() < 2e-3
            a, b = (video[len(before) - 1]["Image"].numpy().astype(int) for video in (before, after))
            assert abs(a - b[:a.shape[0], :a.shape[1]]).mean() < 8


def test_a_failure_leaves_nothing(tmp_path):
    clip = write(tmp_path / "a.mp4", range(0, 400, 40))
    ds = result(clip, [0], [[10, 10, 30, 30]])
    for wrong, message in ((dict(keep=["Anna"]), "Anna"), (dict(how="erase"), "erase"), (dict(out=clip), "original"), (dict(out=tmp_path / "b.avi"), "b.avi")):
        with pytest.raises(ValueError, match=message):
            blur_faces(clip, ds, **{"out": tmp_path / "b.mp4"} | wrong)
    with pytest.raises(ValueError, match="the result reaches frame"):
        blur_faces(clip, ds.assign_coords(frame=[77]), tmp_path / "b.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_share_safe_is_a_whole_result(n):
    ds = demo_features(n_faces=n, embeddings=True)
    safe = share_safe(ds)
    assert check_features(safe) == [] and "face_embedding" not in safe
    assert safe.attrs["video_sha256"] == safe.attrs["video_file"] == "removed"
    assert share_safe(safe).drop_attrs().identical(safe.drop_attrs())
