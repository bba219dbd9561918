"The sample clip is what its plan says, and a detector agrees with the truth that comes from the plan."
import subprocess
import sys

import av
import numpy as np
import pytest

from mexca_video import samples
from mexca_video.samples import CLIP_FPS, CLIP_SIZE, PLAN, SAMPLES, sample_clip, sample_image, sample_path, sample_truth


@pytest.fixture(scope="module")
def clip(tmp_path_factory): return sample_clip(tmp_path_factory.mktemp("samples")/"people.mp4")


@pytest.fixture(scope="module")
def decoded(clip):
    with av.open(str(clip)) as video: return [(f.time, f.to_ndarray(format="rgb24")) for f in video.decode(video=0)]


def test_every_sample_is_there():
    for name, sample in SAMPLES.items():
        path = sample_path(name)
        assert path.name == sample.file
        if sample.fps is None: assert sample_image(name).shape == (sample.size[1], sample.size[0], 3)
        else:
            with av.open(str(path)) as video:
                stream = video.streams.video[0]
                assert (stream.width, stream.height) == sample.size
                assert float(stream.average_rate) == pytest.approx(sample.fps, abs=1e-3)


def test_samples_are_found_without_importing_feat():
    code = "import sys; from mexca_video.samples import sample_path; sample_path('pexels'); assert not {'feat', 'torch', 'av', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_name_what_is_wrong(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="'nobody'.*pexels.*multi_face_photo"): sample_path("nobody")
    with pytest.raises(ValueError, match="is a video.*joy"): sample_image("pexels")
    monkeypatch.setattr(samples, "_media_folder", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="WolfgangLanger_Pexels.mp4"): sample_path("pexels")
    monkeypatch.undo()
    monkeypatch.setattr(samples.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install"): sample_path("pexels")


def test_plan_holds_together():
    scenes = {}
    for shot in PLAN: scenes.setdefault(shot.scene, []).append(shot)
    assert list(scenes) == list(range(len(scenes)))
    for shots in scenes.values():
        assert len({s.frames for s in shots}) == 1
        people = [s.person for s in shots]
        assert len(people) == len(set(people))
        for s in shots:
            w, h = SAMPLES[s.source].size
            for x1, y1, x2, y2 in filter(None, (s.crop, s.crop_to)): assert 0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h
            cw, ch, pw, ph = s.crop[2] - s.crop[0], s.crop[3] - s.crop[1], s.panel[2] - s.panel[0], s.panel[3] - s.panel[1]
            assert cw/ch == pytest.approx(pw/ph, rel=0.01), f"{s} is stretched"
        for a in shots: # no two panels of a scene overlap
            for b in shots:
                if a is not b: assert a.panel[2] <= b.panel[0] or b.panel[2] <= a.panel[0]
    assert max(len(s) for s in scenes.values()) == 2 and any(s.person is None for s in PLAN)


@pytest.mark.slow
def test_clip_has_the_frames_and_times_of_the_plan(decoded):
    n = sum({s.scene: s.frames for s in PLAN}.values())
    assert len(decoded) == n == 288
    assert np.allclose([t for t, _ in decoded], np.arange(n)/CLIP_FPS, atol=1e-4)
    assert {f.shape for _, f in decoded} == {(CLIP_SIZE[1], CLIP_SIZE[0], 3)}


def test_clip_keeps_the_colours(decoded):
    for i, picture in enumerate(samples._pictures()):
        if i % 24 == 0: assert np.abs(np.asarray(picture, float) - decoded[i][1]).mean() < 3, i


def test_truth_lies_in_the_clip(decoded):
    truth = sample_truth()
    assert truth.frame.between(0, len(decoded) - 1).all() and not truth.duplicated(["frame", "person"]).any()
    assert np.allclose(truth.time, [decoded[i][0] for i in truth.frame], atol=1e-4)
    assert (truth[["x1", "y1"]].to_numpy() >= 0).all() and (truth.x1 < truth.x2).all() and (truth.y1 < truth.y2).all()
    assert (truth.x2 <= CLIP_SIZE[0]).all() and (truth.y2 <= CLIP_SIZE[1]).all()
    visible = truth.groupby("frame").size().reindex(range(len(decoded)), fill_value=0)
    assert set(visible) == {0, 1, 2} and truth.person.nunique() == 3


def test_truth_matches_the_detector(decoded):
    import torch
    from facenet_pytorch import MTCNN
    truth, found, wanted = sample_truth(), 0, 0
    detector = MTCNN(keep_all=True)
    for i in range(0, len(decoded), 12):
        with torch.no_grad(): boxes, _ = detector.detect(decoded[i][1])
        boxes, panels = np.zeros((0, 4)) if boxes is None else boxes, truth[truth.frame == i]
        centres = (boxes[:, :2] + boxes[:, 2:])/2
        owners = [[p.person for p in panels.itertuples() if p.x1 <= x < p.x2 and p.y1 <= y < p.y2] for x, y in centres]
        assert all(len(o) == 1 for o in owners), f"frame {i}: a box belongs to nobody"
        names = [o[0] for o in owners]
        found, wanted = found + sum(names.count(p) == 1 for p in panels.person), wanted + len(panels)
    assert found >= 0.95*wanted > 0


def test_clip_is_used_again_and_replaced_when_old(clip, monkeypatch):
    before = clip.stat().st_mtime_ns
    assert sample_clip(clip) == clip and clip.stat().st_mtime_ns == before
    monkeypatch.setattr(samples, "PLAN", [PLAN[4]._replace(scene=0)])
    other = clip.parent/"short.mp4"
    sample_clip(other)
    old = other.stat().st_mtime_ns
    monkeypatch.setattr(samples, "PLAN", [PLAN[4]._replace(scene=0, frames=12)])
    assert sample_clip(other).stat().st_mtime_ns != old
    with av.open(str(other)) as video: assert sum(1 for _ in video.decode(video=0)) == 12


def test_clip_without_x264(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "PLAN", [PLAN[4]._replace(scene=0, frames=12)])
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with av.open(str(sample_clip(tmp_path/"old.mp4"))) as video:
        assert video.streams.video[0].codec_context.name == "mpeg4"
        times = [f.time for f in video.decode(video=0)]
    assert np.allclose(times, np.arange(12)/CLIP_FPS, atol=1e-4)


def test_other_files_are_left_alone_and_failures_leave_nothing(tmp_path, monkeypatch):
    other = tmp_path/"holiday.mp4"
    other.write_bytes(b"not ours")
    with pytest.raises(FileExistsError, match="holiday.mp4"): sample_clip(other)
    assert other.read_bytes() == b"not ours"
    monkeypatch.setattr(samples, "PLAN", [PLAN[0]._replace(start=19.5)])
    with pytest.raises(ValueError, match="'pexels' ends before"): sample_clip(tmp_path/"long.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.mp4"]
