"""The whole pipeline on real video with real models, against what is known of the clip."""
import itertools
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from PIL import Image

from mexca_video import FaceExtractor, VideoDataset, check_features
from mexca_video.extraction.stream import FaceStream
from mexca_video.samples import sample_image, sample_path, sample_truth
from mexca_video.schema import STATUS


def truth_of(ds):
    "(frame, face) name of the person in whose part of the picture each detection's centre lies, '' without a detection."
    truth, who = sample_truth(), np.full(ds.face_prob.shape, "", object)
    boxes = ds.face_box.values
    for row in truth[truth.frame.isin(ds.frame.values)].itertuples():
        position = int(np.searchsorted(ds.frame.values, row.frame))
        x, y = (boxes[position, :, :2] + boxes[position, :, 2:]).T / 2
        who[position, (x >= row.x1) & (x < row.x2) & (y >= row.y1) & (y < row.y2)] = row.person
    return who


def same(a, b):
    "Two results are the same but for the time at which they were made."
    return a.drop_attrs(deep=False).identical(b.drop_attrs(deep=False))


def test_everyone_is_found_and_named(features):
    assert check_features(features) == []
    who, truth = truth_of(features), sample_truth()
    detected = np.isfinite(features.face_prob.values)
    assert detected.sum() >= 0.99 * len(truth)
    names = {person: set(features.face_name.values[np.nonzero(who == person)[1]]) for person in set(truth.person)}
    assert sorted(len(n) for n in names.values()) == [1, 1, 1], names
    assert len(set.union(*names.values())) == features.sizes["face"] == 3
    assert (who[detected] != "").all()
    assert "people: 3; number estimated" in features.attrs["identification"]


def test_empty_stretch_is_there(features):
    empty = sorted(set(range(288)) - set(sample_truth().frame))
    nobody = features.sel(frame=empty)
    assert len(empty) > 20 and (nobody.n_detected == 0).all() and (nobody.status == STATUS["no_face"]).all()


def test_values_make_sense(features):
    there = features.status.values == STATUS["ok"]
    low, high = features.face_box.values[there][:, None, :2], features.face_box.values[there][:, None, 2:]
    nose, side = features.face_landmarks.values[there][:, 27:36], (high - low).max(-1, keepdims=True)
    assert ((nose > low) & (nose < high)).all()
    assert (np.abs(features.face_landmarks.values[there] - (low + high) / 2) < side).all()
    assert features.face_confidence.values[there].min() > 0.3
    smile = features.face_aus.sel(au="AU12", face=features.face[features.face_name == "Person_2"]).squeeze()  # the man
    assert smile.max() > 0.8 and smile.min() < 0.1


def test_attributes_say_how_it_was_made(features, clip):
    import hashlib

    assert features.attrs["video_sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    arguments = json.loads(features.attrs["arguments"])
    assert arguments["embeddings_model"] == "sface" and arguments["num_faces"] is None and arguments["skip_frames"] == 1
    assert [m["name"] for m in json.loads(features.attrs["models"])] == ["mtcnn", "sface", "facemesh", "blendshapes"]
    assert str(clip.parent) not in json.dumps({k: str(v) for k, v in features.attrs.items()})


@pytest.mark.parametrize("options", [dict(num_faces=3), dict(num_faces=None), dict(num_faces=3, max_cluster_frames=40)])
def test_identify_and_confidence_by_themselves(features, options):
    "The same people from the embeddings alone, given or estimated, all faces clustered or groups of them."
    frame, slot = np.nonzero(np.isfinite(features.face_prob.values))
    embeddings, labels = features.face_embedding.values[frame, slot], features.face_label.values[frame, slot]
    extractor = FaceExtractor.embedded(**options)
    np.testing.assert_array_equal(extractor.identify(embeddings, frames=frame), labels)
    apart = extractor.identify(embeddings)
    assert len(set(zip(apart, labels))) == 3  # without frames too: the same three groups
    confidence = extractor.compute_confidence(embeddings, labels)
    np.testing.assert_allclose(confidence, features.face_confidence.values[frame, slot], atol=1e-6)
    assert confidence.min() >= 0 and confidence.max() <= 1


def test_batch_size_changes_nothing(clip):
    extractor, part = FaceExtractor.embedded(2), dict(process_subclip=(3, 5), show_progress=False, return_embeddings=True, skip_frames=3)
    one = extractor.apply(clip, 1, **part)
    assert one.sizes["face"] == 2 and one.sizes["frame"] == 16
    for batch_size in (5, 100):
        assert same(one, extractor.apply(clip, batch_size, **part))
    assert same(one, extractor(filepath=clip, **part))


@pytest.mark.numeric
@pytest.mark.parametrize("options", [{}, dict(select_largest=False), dict(min_face_size=60, thresholds=(0.7, 0.8, 0.9), factor=0.6)])
def test_detect_is_mtcnn(options, clip):
    frames = VideoDataset(str(clip))[60:108:12]["Image"].numpy()
    _, boxes, probs = FaceExtractor.embedded(2, **options).detect(frames)
    reference = MTCNN(keep_all=True, **options)
    for found, probability, box, prob in zip(boxes, probs, *reference.detect(frames)):
        assert (found is None) == (box is None)
        if box is not None:
            np.testing.assert_allclose(found, box, rtol=0, atol=1e-3)
            np.testing.assert_allclose(probability, prob, rtol=0, atol=1e-5)


def add_up(image, box, size):
    "Whole numbers: sums (size, size, 3) and counts (size, size, 1) of the pixels that area averaging puts together."
    def windows(low, high):
        at, n = np.arange(size), high - low
        return low + at * n // size, low - (-(at + 1) * n // size)
    (left, right), (top, bottom) = windows(box[0], box[2]), windows(box[1], box[3])
    total = np.pad(image.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    sums = total[bottom][:, right] - total[top][:, right] - total[bottom][:, left] + total[top][:, left]
    return sums, np.outer(bottom - top, right - left)[..., None]


def assert_averaged(levels, sums, counts, down=0):
    "Are levels the means, cut to whole numbers? One that is a whole number may be `down` lower: a division rounds."
    low, whole = sums // counts, sums % counts == 0
    wrong = (levels != low) & ~(whole & (levels == low - down))
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} levels are not the mean"


@pytest.mark.numeric
def test_faces_are_those_of_mtcnn():
    group = torch.as_tensor(sample_image("multi_face_photo"))[None]
    extractor = FaceExtractor(5, au_model=None, landmark_model=None)
    faces, boxes, _ = extractor.detect(group)
    for face, reference, box in zip(faces[0], extractor.detector.extract(group, boxes, None)[0], boxes[0]):
        means = add_up(group[0].numpy(), box.astype(int).clip(0, [1000, 667] * 2), 160)
        assert_averaged((face * 128 + 127.5).permute(1, 2, 0).numpy(), *means)
        assert_averaged((reference * 128 + 127.5).permute(1, 2, 0).numpy(), *means, down=1)
    raw = FaceExtractor(5, au_model=None, landmark_model=None, post_process=False).detect(group)[0][0]
    assert raw.min() >= 0 and raw.max() <= 255 and raw.max() > 100


@pytest.mark.parametrize("fault", ["rounded", "a pixel to the right", "one row more", "a level lower"])
def test_the_comparison_of_means_notices(fault):
    image, box = sample_image("multi_face_photo"), np.array([430, 100, 641, 377])
    sums, counts = add_up(image, box, 160)
    levels = {"rounded": (sums + counts // 2) // counts, "a level lower": sums // counts - 1}.get(fault)
    if levels is None:
        moved = {"a pixel to the right": (1, 0, 1, 0), "one row more": (0, 0, 0, 1)}[fault]
        levels = np.floor_divide(*add_up(image, box + moved, 160))
    assert_averaged(sums // counts, sums, counts)
    with pytest.raises(AssertionError, match="not the mean"):
        assert_averaged(levels, sums, counts, down=1)


@pytest.mark.numeric
@pytest.mark.parametrize("method", ["probability", "largest", "largest_over_threshold", "center_weighted_size"])
def test_selection_is_that_of_mtcnn(method):
    group = sample_image("multi_face_photo")[None]
    faces, boxes, probs = FaceExtractor.embedded(1, selection_method=method, keep_all=False).detect(group)
    reference = MTCNN(selection_method=method)
    found = reference.detect(group, landmarks=True)
    box, prob, _ = reference.select_boxes(*found, [Image.fromarray(group[0])], method=method)
    assert boxes.shape == (1, 1, 4) and faces[0].shape[0] == 1
    np.testing.assert_allclose(boxes[0], np.asarray(box[0], np.float32), rtol=0, atol=1e-3)
    np.testing.assert_allclose(probs[0], np.asarray(prob[0], np.float32), rtol=0, atol=1e-5)


def test_frames_with_different_numbers_of_faces():
    group = sample_image("multi_face_photo")
    left, nobody = group.copy(), np.zeros_like(group)
    left[:, 430:] = 0
    extractor = FaceExtractor.embedded(5)
    for frames in (np.stack([group, nobody, left]), torch.as_tensor(np.stack([group, nobody, left]))):
        faces, boxes, probs = extractor.detect(frames)
        assert [None if b is None else len(b) for b in boxes] == [5, None, 2]
        assert faces[1] is None and probs[1] is None and faces[2].shape == (2, 3, 112, 112)
        landmarks, aus = extractor.extract(frames, boxes)
        assert landmarks[1] is None and aus[1] is None and len(landmarks[0]) == 5 and aus[2].shape == (2, 20)


def test_nobody_at_all():
    ds = FaceExtractor.embedded(2).apply(sample_path("no_face"), skip_frames=20, show_progress=False)
    assert ds.sizes["face"] == 0 and ds.sizes["frame"] == 5 and check_features(ds) == []
    assert (ds.n_detected == 0).all() and ds.attrs["identification"] == "no face was detected"


def test_fewer_faces_than_people_lose_nothing(clip):
    with pytest.warns(UserWarning, match="num_faces=9"):
        ds = FaceExtractor.embedded(9).apply(clip, process_subclip=(0, 0.2), show_progress=False)
    assert (ds.n_detected == 1).all() and ds.face_label.isnull().all() and check_features(ds) == []
    assert (ds.status == STATUS["unassigned"]).all() and ds.face_landmarks.notnull().all()


def test_more_faces_than_people_stay_unassigned(clip):
    "Two people in the picture, one asked for: the other stands in a slot behind, without a label."
    ds = FaceExtractor.embedded(1).apply(clip, process_subclip=(4, 5), skip_frames=4, show_progress=False)
    assert ds.sizes["face"] == 2 and (ds.n_detected == 2).all() and check_features(ds) == []
    assert (ds.face_label.sel(face=0) == 0).all() and ds.face_label.sel(face=1).isnull().all()
    assert (ds.status.sel(face=1) == STATUS["unassigned"]).all() and ds.face_confidence.isnull().all()


def test_one_person_is_counted_as_one():
    ds = FaceExtractor.embedded().apply(sample_path("single_face"), skip_frames=4, show_progress=False)
    assert ds.sizes["face"] == 1 and "people: 1; number estimated" in ds.attrs["identification"]


def test_models_can_be_deleted_and_come_back():
    extractor = FaceExtractor.embedded(2)
    for name in ("detector", "encoder", "clusterer", "extractor"):
        delattr(extractor, name)  # nothing is loaded yet, and that is fine
        first = getattr(extractor, name)
        assert getattr(extractor, name) is first
        delattr(extractor, name)
        assert getattr(extractor, name) is not first
    assert isinstance(extractor.detector, MTCNN)
    assert type(extractor.clusterer).__name__ == "SpectralClusterer"


SIGNALS = """
import gc, os, signal
import threading

import numpy as np
from mexca_video.faces.embedding import SFace
from mexca_video.faces.landmarks import FaceMesh

signal.signal(signal.SIGINT, lambda *_: None)
for _ in range(2):
    models = [SFace(), FaceMesh()]
    models[0](np.zeros((1, 3, 112, 112)))
    del models
    gc.collect()
    for _ in range(5):
        os.kill(os.getpid(), signal.SIGINT)
print("alive")
"""


def test_signals_are_survived_after_models_were_deleted():
    "OpenVINO takes the stack for signals away with its last core; Ctrl-C then ended Python. In a process of its own."
    done = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "alive\n", done.stderr


def test_a_face_that_fails_is_one_face(clip, monkeypatch):
    "Action units that break for whole batches, and for one face alone: the others are measured, the one is NaN and says so."
    from mexca_video.faces import measures

    measure, alone = measures.measure_units, itertools.count()

    def breaks(model, landmarker, crops, regions, points):
        if len(crops) > 1:
            raise RuntimeError("not together")
        if next(alone) == 1:
            raise RuntimeError("not this one")
        return measure(model, landmarker, crops, regions, points)

    monkeypatch.setattr(measures, "measure_units", breaks)
    with pytest.warns(UserWarning, match="action units of 1 face could.*not this one"):
        ds = FaceExtractor.embedded(1).apply(clip, process_subclip=(0, 0.2), show_progress=False)
    assert sorted(ds.status.values.ravel()) == sorted(STATUS[s] for s in ("ok", "aus_failed", "ok", "ok", "ok"))
    assert (ds.face_aus.isnull().all("au") == (ds.status == STATUS["aus_failed"])).all()
    assert check_features(ds) == []


def test_progress_tells_frames_and_faces(clip, capsys):
    FaceExtractor.embedded(1).apply(clip, process_subclip=(0, 0.2))
    out, err = capsys.readouterr()
    assert out == "" and "5/5" in err and "faces=5" in err and ("frame/s" in err or "s/frame" in err)


def test_wrong_arguments_of_apply(clip, tmp_path):
    extractor = FaceExtractor.embedded(2)
    with pytest.raises(ValueError, match="batch_size=0"):
        extractor.apply(clip, 0)
    with pytest.raises(ValueError, match="people.mp4"):
        extractor.apply(clip, process_subclip=(3, 1))
    with pytest.raises(FileNotFoundError, match="nothing.mp4"):
        extractor.apply(tmp_path / "nothing.mp4")


@pytest.mark.slow
def test_too_little_memory_for_a_batch(clip, monkeypatch):
    "A batch is halved until it fits, and nothing else changes."
    extractor, sizes = FaceExtractor.embedded(3), []
    whole = extractor.apply(clip, skip_frames=8, show_progress=False)
    landmarker = extractor.extractor.landmarker
    class Small(type(landmarker)):
        def measure(self, patches):
            sizes.append(len(patches))
            if len(patches) > 5: raise torch.OutOfMemoryError("CUDA out of memory")
            return super().measure(patches)
    monkeypatch.setattr(landmarker, "__class__", Small)
    ds = extractor.apply(clip, skip_frames=8, show_progress=False)
    assert max(sizes) > 5 and int((ds.status == 0).sum()) == int((whole.status == 0).sum()) > 40
    np.testing.assert_allclose(ds.face_landmarks, whole.face_landmarks, atol=1e-2)


def test_a_network_that_hangs(clip, monkeypatch):
    "The run is given up after a while, and says so."
    extractor, hold = FaceExtractor.embedded(3, landmark_model=None, au_model=None), threading.Event()
    monkeypatch.setattr("mexca_video.compute.workers.ANSWER_PATIENCE", 0.5)
    def hang(self, images):
        threading.Timer(10, hold.set).start()  # so that the program can end
        hold.wait(60)
        return [(0, [])] * len(images)
    monkeypatch.setattr(FaceStream, "look_at", hang)
    with pytest.raises(TimeoutError, match="no answer for 0.5 s, and the run was given up"): extractor.apply(clip, show_progress=False)


def test_numbers_of_numpy_are_numbers(clip):
    "As they come out of a table; the arguments are written down in JSON."
    options = dict(skip_frames=np.int64(24), process_subclip=(np.float32(0), np.int64(6)), show_progress=False)
    extractor = FaceExtractor.embedded(np.int64(2), min_face_size=np.int32(30), thresholds=np.array([0.6, 0.7, 0.7]), landmark_model=None, au_model=None)
    ds = extractor.apply(clip, np.int64(2), **options)
    assert json.loads(ds.attrs["arguments"])["skip_frames"] == 24 and json.loads(ds.attrs["arguments"])["min_face_size"] == 30
    assert extractor.describe_run(clip, np.int64(24))["arguments"]["skip_frames"] == 24


@pytest.mark.parametrize("options, named", [(dict(thresholds=0.6), "thresholds=0.6"), (dict(keep_all="no"), "keep_all='no'"), (dict(num_faces=5, max_cluster_frames=5), "more than num_faces=5"), (dict(device="meta"), "device='meta'")])
def test_options_are_checked_at_once(options, named):
    with pytest.raises(ValueError, match=named): FaceExtractor.embedded(**options)


def test_what_fails_at_the_end_loses_nothing(clip, monkeypatch):
    extractor = FaceExtractor.embedded(2, landmark_model=None, au_model=None)
    with monkeypatch.context() as broken:
        broken.setattr("mexca_video.extraction.extractor.name_faces", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError): extractor.apply(clip, skip_frames=24, show_progress=False)
    ds = extractor.partial
    assert ds.sizes["frame"] == 12 and "unfinished" not in ds.attrs


def test_embeddings_that_all_fail(clip, monkeypatch):
    "Everything else is kept."
    extractor = FaceExtractor.embedded(landmark_model=None, au_model=None)
    monkeypatch.setattr(extractor, "encode", lambda faces: 1 / 0)
    with pytest.warns(UserWarning, match="embeddings"): ds = extractor.apply(clip, skip_frames=24, show_progress=False)
    assert ds.face_label.isnull().all() and ds.face_prob.notnull().any() and ds.attrs["identification"] == "no face could be embedded"


@pytest.mark.slow
def test_faces_that_are_left_out_are_counted(clip):
    one, all_ = (FaceExtractor.embedded(1, keep_all=kept, landmark_model=None, au_model=None).apply(clip, skip_frames=12, show_progress=False) for kept in (False, True))
    assert one.n_detected.equals(all_.n_detected) and one.n_detected.max() > 1
    assert one.face_prob.notnull().sum("face").max() == 1 and check_features(one) == []


def test_a_stranger_is_nobody_where_people_are_estimated():
    centre = np.eye(128, dtype=np.float32)
    embeddings = np.concatenate([np.tile(centre[0], (300, 1)), centre[1:2]]) + np.random.default_rng(0).normal(0, 0.02, (301, 128)).astype(np.float32)
    assert np.flatnonzero(np.isnan(FaceExtractor.embedded().identify(embeddings, frames=np.arange(301)))).tolist() == [300]
    assert np.isfinite(FaceExtractor.embedded(1).identify(embeddings, frames=np.arange(301))).all()
    with pytest.raises(ValueError, match="frames=None"): FaceExtractor.embedded().identify(embeddings, boxes=np.zeros((301, 4)))


def test_people_who_lost_all_their_faces_are_no_obstacle():
    from mexca_video.people.identification import assign_people

    embeddings, labels = np.eye(4, 8), np.array([0.0, 2, 2, 0])
    assert assign_people(embeddings, labels, np.array([0, 0, 1, 1])).tolist() == [0, 2, 2, 0]
    assert sorted(assign_people(embeddings, np.array([0.0, 0, 2, 0]), np.array([0, 0, 1, 1]))[:2].tolist()) == [0, 2]
