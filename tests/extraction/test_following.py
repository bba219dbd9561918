"Faces between two looks everywhere: what is found there, and what the result does not depend on."
import numpy as np
import pytest
import xarray as xr

from mexca_video import FaceExtractor, VideoDataset, sample_clip, sample_path
from mexca_video.extraction.stream import FaceStream, expect_boxes
from mexca_video.faces.detection import Cascade, find_faces
from mexca_video.faces.mtcnn import NearPNet

from people_score import read_truth, score
from places import SHARED

CLIP = dict(process_subclip=(0, 0.5), show_progress=False)


def make_extractor(every=3): return FaceExtractor.embedded(1, detect_every=every)


@pytest.fixture(scope="module")
def features(): return make_extractor().apply(sample_path("single_face"), **CLIP)


@pytest.mark.numeric
@pytest.mark.parametrize("options", [dict(min_face_size=40, factor=0.6), pytest.param(dict(thresholds=(0.5, 0.6, 0.6)), marks=pytest.mark.slow)])
def test_near_a_face_it_is_found_as_everywhere(options):
    "In frames of every parity, with faces at the edges too."
    detector = Cascade(**options)
    near = NearPNet(detector.fast)
    with VideoDataset(sample_clip(), skip_frames=80) as video:
        frames = [video[i]["Image"].numpy() for i in range(len(video))]
    for image in [*frames, frames[0][:-1, :-1], frames[-1][40:, 33:]]:
        image = np.ascontiguousarray(image)
        boxes, probs, points, _ = (part[0] for part in find_faces(detector, [image]))
        if boxes is None: continue
        again = find_faces(detector, [image], near.propose([image], [boxes + 1]))
        for a, b, limit in zip((boxes, probs, points), again, (1e-2, 1e-4, 1e-2)): np.testing.assert_allclose(b[0], a, rtol=0, atol=limit)


def test_a_frame_without_faces_around_is_not_looked_at():
    detector = Cascade()
    images = [np.zeros((60, 80, 3), np.uint8)] * 2
    assert [len(boxes) for boxes in NearPNet(detector.fast).propose(images, [np.empty((0, 4))] * 2)] == [0, 0]
    assert find_faces(detector, images, [np.empty((0, 4), np.float32)] * 2)[0] == [None, None]


def test_pictures_smaller_than_a_patch():
    near = NearPNet(Cascade().fast)
    for size in ((8, 90), (25, 31), (50, 37)):
        near.propose([np.full((*size, 3), 90, np.uint8)], [np.array([[0, 0, 22, 22]])])


def test_the_number_of_frames_that_are_decoded_together_changes_nothing(features):
    xr.testing.assert_equal(make_extractor().apply(sample_path("single_face"), 7, **CLIP), features)


def test_resumed_run(monkeypatch, tmp_path):
    monkeypatch.setattr("mexca_video.extraction.chunks.CHUNK_FRAMES", 5)
    whole = make_extractor().apply(sample_path("single_face"), **CLIP)
    look_at = FaceStream.look_at
    with VideoDataset(sample_path("single_face")) as video: late = video[13]["Image"].numpy()
    def fail_late(self, images, near=None):
        if near is None and np.array_equal(images[0], late): raise RuntimeError("power cut")
        return look_at(self, images, near)
    with monkeypatch.context() as broken, pytest.raises(RuntimeError, match="power cut"):
        broken.setattr(FaceStream, "look_at", fail_late)
        make_extractor().apply(sample_path("single_face"), checkpoint=tmp_path / "run", **CLIP)
    assert list((tmp_path / "run").glob("*.npz"))
    resumed = make_extractor().apply(sample_path("single_face"), checkpoint=tmp_path / "run", **CLIP)
    xr.testing.assert_equal(resumed, whole)


def test_what_is_found_is_what_every_frame_shows(features):
    everywhere = make_extractor(1).apply(sample_path("single_face"), **CLIP)
    np.testing.assert_array_equal(features.n_detected, everywhere.n_detected)
    np.testing.assert_allclose(features.face_box, everywhere.face_box, atol=1e-2)


@pytest.mark.slow
def test_a_pool_of_one_thread_comes_to_an_end(features):
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try: assert len(make_extractor(4).apply(sample_path("single_face"), **CLIP).frame) == len(features.frame)
    finally: torch.set_num_threads(threads)


def test_expected_places():
    one = np.array([[10.0, 10, 20, 20]])
    assert len(expect_boxes(one, one[:0], 0.5)) == len(expect_boxes(one[:0], one, 0.5)) == 1
    assert len(expect_boxes(one[:0], one[:0], 0.5)) == 0
    crossing = np.concatenate([one, one + 6]), np.concatenate([one + 6, one])
    assert len(expect_boxes(*crossing, 0.5)) == 2


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "people").is_dir(), reason="needs ../shared/people")
def test_real_clip_loses_little():
    "A film of 1917 with small faces: looking everywhere in every fifth frame loses at most one face in 25, and nobody."
    truth = read_truth(SHARED / "people" / "chaplin.csv")
    found = score(FaceExtractor.embedded(detect_every=5).apply(SHARED / "people" / "chaplin.mp4", show_progress=False), truth)
    assert found.missed <= 0.04 and found.found == 2
