"""The right people on clips whose truth is known: composed ones, each with one thing that makes it hard, and two real ones."""

import importlib.util
import warnings
from functools import cache

import numpy as np
import pytest

from mexca_video import FaceExtractor
from mexca_video.extraction.stream import FaceStream

import places
from people_clips import CLIPS, IGNORE, LONDON, write_people
from people_score import bcubed, read_truth, score

SHARED = places.SHARED / "people"
BOTH = pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips with hand-made truth, ../shared/people, are not here")


def clip_marks(names, quick=()):
    "Each clip, skipped with the reason where its photographs are not there; slow unless it is in `quick`."
    skip = pytest.mark.skipif(not LONDON.is_dir(), reason="the photographs of ../shared/faces/london are not here")
    marks = lambda name: [skip] * CLIPS[name].london + [pytest.mark.slow] * (name not in quick)
    return pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in names])


class Runs:
    "Clips that are written once, and results that are computed once."

    def __init__(self, folder):
        self.write = cache(lambda name: write_people(name, folder))
        self.extractor = cache(FaceExtractor.embedded)  # its networks are loaded once for each number
        self.features = cache(self._apply)

    def _apply(self, clip, number, batch_size=7, skip_frames=1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that two people may be one is said as a warning, and is not what is tried here
            return self.extractor(number).apply(clip, batch_size, skip_frames, show_progress=False)

    def score(self, name, known, **options):
        clip = self.write(name)
        features = self.features(clip, CLIPS[name].people if known else None, **options)
        return score(features, read_truth(clip.with_suffix(".csv")), complete=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("people"))


def is_right(found, people):
    "The right number, the right people, no name for what is no face, and few faces without a name."
    assert found.found == people, found
    assert found.bcubed >= 0.95 and found.false_named == 0 and found.unnamed <= 0.05, found


PEOPLED = [name for name in CLIPS if CLIPS[name].people]
QUICK = ["two", "five", "crossing", "hand, 0.5 s", "shot and reverse shot", "twice"]


@clip_marks(PEOPLED, QUICK)
def test_right_people(runs, name):
    found = runs.score(name, False)
    assert found.true == CLIPS[name].people and found.missed < 0.2, f"the clip is not what it should be: {found}"
    is_right(found, CLIPS[name].people)


@clip_marks(PEOPLED, ["five", "twice"])
def test_right_people_of_a_known_number(runs, name):
    "Every second frame, to save time."
    is_right(runs.score(name, True, skip_frames=2), CLIPS[name].people)


@pytest.mark.parametrize("number", [None, 2])
def test_nobody(runs, number):
    clip = runs.write("nobody")
    assert score(runs.features(clip, number), read_truth(clip.with_suffix(".csv")), complete=True) == (0, 0, 1, 0, 0, 0, 0)


@BOTH
@pytest.mark.parametrize("skip_frames", [5, 25])
@clip_marks(["five", "shot and reverse shot", "call", "crossing"], ["shot and reverse shot"])
def test_every_nth_frame(runs, name, skip_frames, known):
    found = runs.score(name, known, skip_frames=skip_frames)
    assert found.true == CLIPS[name].people, f"not everybody is in these frames: {found}"
    is_right(found, CLIPS[name].people)


def same_people(one, other):
    "Do two results hold the same people in the same frames?"
    assert one.frame.equals(other.frame) and one.sizes["face"] == other.sizes["face"]
    np.testing.assert_array_equal(one.face_label, other.face_label)
    np.testing.assert_array_equal(one.status, other.status)
    np.testing.assert_allclose(one.face_confidence, other.face_confidence, atol=1e-4)


@clip_marks(["crossing", "shot and reverse shot", "call", "whip pan", "twice"], ["crossing"])
def test_batch_size_changes_nothing(runs, name):
    clip = runs.write(name)
    same_people(runs.features(clip, None), runs.features(clip, None, batch_size=1))


def apply_quietly(number, clip, batch_size, checkpoint, stop=None):
    "A run with stretches of 16 frames; with `stop`, the power fails after so many frames."
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr("mexca_video.extraction.chunks.CHUNK_FRAMES", 16)
        extractor, seen = FaceExtractor.embedded(number), []
        look_at = FaceStream.look_at
        def count(self, images):
            seen.append(1)
            if len(seen) > stop: raise RuntimeError("power cut")
            return look_at(self, images)
        if stop: patch.setattr(FaceStream, "look_at", count)
        return extractor.apply(clip, batch_size, show_progress=False, checkpoint=checkpoint)


def resumed_and_whole(clip, folder, frames, number=None):
    "The result of a run that is stopped after `frames` frames and goes on with another batch size, and of one that is not stopped."
    with pytest.raises(RuntimeError, match="power cut"): apply_quietly(number, clip, 1, folder, frames)
    return apply_quietly(number, clip, 7, folder), apply_quietly(number, clip, 7, None)


@clip_marks(["hand, 0.5 s", "cross-fade", "crossing", "whip pan", "twice"])
def test_resumed_run_has_the_same_people(runs, name, tmp_path):
    "It is stopped in the middle of what makes the clip hard."
    same_people(*resumed_and_whole(runs.write(name), tmp_path / "run", 26))


@needs_shared
@pytest.mark.parametrize("known", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["unknown", "known"])
@pytest.mark.parametrize("name", [pytest.param("hamilton_short", marks=pytest.mark.slow), "chaplin"])
def test_real_clips(runs, name, known):
    truth = read_truth(SHARED / f"{name}.csv")
    people = {"hamilton_short": 7, "chaplin": 2}[name]
    found = score(runs.features(SHARED / f"{name}.mp4", people if known else None), truth)
    assert found.true == people
    assert found.found == people and found.bcubed >= 0.95 and found.false_named == 0, found


@needs_shared
def test_scorer_says_what_the_shared_one_says(runs):
    spec = importlib.util.spec_from_file_location("shared_score", SHARED / "score.py")
    shared = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shared)
    features = runs.features(SHARED / "chaplin.mp4", None)
    for shift in (0, 3):  # also where some faces have no name
        labels = features.face_label.where(features.frame % 7 >= shift)
        ours = score(features.assign(face_label=labels), read_truth(SHARED / "chaplin.csv"))
        theirs = shared.score(features.assign(face_label=labels), shared.read_truth(SHARED / "chaplin.csv"))
        assert (ours.true, ours.found, ours.false, ours.false_named) == tuple(theirs[key] for key in ("true", "total", "false", "false_kept"))
        assert ours.bcubed == pytest.approx(theirs["b3"]) and ours.missed + ours.unnamed == pytest.approx(theirs["lost"])


def test_bcubed_of_known_answers():
    assert bcubed(list("aabb"), [0, 0, 1, 1]) == 1 and bcubed([], []) == 1
    assert bcubed(list("aabb"), [0, 0, 0, 0]) == pytest.approx(2 / 3)  # precision 1/2, recall 1
    assert bcubed(list("aaaa"), [0, 0, 1, 1]) == pytest.approx(2 / 3)  # precision 1, recall 1/2


def boxes_of(*faces):
    "A result of one frame: (x, y, width, label) each."
    import xarray as xr

    boxes = np.array([[(x - w / 2, y - w / 2, x + w / 2, y + w / 2) for x, y, w, _ in faces]], np.float32)
    return xr.Dataset({"face_box": (("frame", "face", "box_edge"), boxes), "face_label": (("frame", "face"), [[face[3] for face in faces]])}, {"frame": [0]})


def test_scorer_tells_faults_apart():
    truth = {0: [(50, 50, 40, "a"), (150, 50, 40, "b"), (250, 50, 40, IGNORE)]}
    right = boxes_of((52, 51, 42, 0), (149, 50, 40, 1), (250, 52, 38, 0))
    assert score(right, truth, complete=True) == (2, 2, 1, 0, 0, 0, 0)
    false = boxes_of((52, 51, 42, 0), (149, 50, 40, np.nan), (300, 200, 40, 2), (20, 200, 30, np.nan))
    assert score(false, truth, complete=True) == (2, 2, 1, 0, 0.5, 2, 1)
    missed = score(boxes_of((52, 51, 42, 0)), truth, complete=True)
    assert (missed.missed, missed.bcubed, missed.found) == (0.5, 1, 1)
    assert score(boxes_of((52, 51, 42, 0), (150, 50, 40, 1)), {0: [(50, 50, 40, "a"), (150, 50, 40, "no face")]}) == (1, 2, 1, 0, 0, 1, 1)


@pytest.mark.slow
def test_clips_are_the_same_each_time(tmp_path):
    for name in ("hand, 0.2 s", "whip pan"):
        for drawn, again in zip(CLIPS[name].frames(), CLIPS[name].frames()):
            np.testing.assert_array_equal(drawn[0], again[0])
            assert drawn[1] == again[1]


def test_truth_knows_what_is_covered():
    rows = [rows for _, rows in CLIPS["pole, 0.5 s"].frames()]
    names = [[row[3] for row in frame if row[0] < 160] for frame in rows]
    assert names[0] == ["joy"] and names[-1] == ["joy"] and names[28] == [] and [IGNORE] in names
    assert 12 <= sum(name == [] for name in names) <= 20  # about 0.5 s of 25 frames a second
    assert all([row[3] for row in frame if row[0] > 160] == ["surprise"] for frame in rows)
