"""The compiled networks say what torch's say, and both engines are what they claim to be."""

import numpy as np
import pytest
import torch

from mexca_video import FaceExtractor, VideoDataset, sample_clip, sample_image
from mexca_video.compute import inference as networks
from mexca_video.compute.inference import compile_module
from mexca_video.extraction.extractor import make_stream
from mexca_video.faces.crops import cut_for, cut_regions
from mexca_video.faces.detection import detect_faces, find_faces, load_detector
from mexca_video.faces.embedding import encode_faces
from mexca_video.faces.landmarks import load_landmarker
from mexca_video.faces.mtcnn import FastMTCNN

from rounding import assert_same_embeddings
from seed_models import serve


def differences(detector, image):
    "Largest difference of boxes, probabilities and points to facenet-pytorch's; the same faces in the same order."
    reference, found = ([part[0] for part in find(detector, image[None])] for find in (detect_faces, find_faces))
    assert (reference[0] is None) == (found[0] is None)
    return [0, 0, 0] if found[0] is None else [float(abs(a - b).max()) for a, b in zip(reference, found)]


PICTURES = {"multi_face_photo": {}, "odd size": dict(crop=(333, 517)), "low thresholds": dict(thresholds=(0.5, 0.5, 0.5)), "small faces": dict(min_face_size=12), "large faces": dict(min_face_size=60),
            "by probability": dict(select_largest=False), "one face": dict(keep_all=False), "another step": dict(factor=0.6)}


@pytest.mark.numeric
@pytest.mark.parametrize("case", PICTURES)
def test_a_photograph_is_seen_as_the_reference_sees_it(case):
    options = dict(keep_all=True) | PICTURES[case]
    height, width = options.pop("crop", (None, None))
    image = np.ascontiguousarray(sample_image("multi_face_photo")[:height, :width])
    box, prob, point = differences(load_detector(**options), image)
    assert box < 1e-3 and prob < 1e-5 and point < 1e-3


@pytest.mark.numeric
def test_the_sample_clip_is_seen_as_the_reference_sees_it():
    detector, worst = load_detector(keep_all=True), np.zeros(3)
    with VideoDataset(sample_clip(), skip_frames=16) as video:
        for i in range(len(video)): worst = np.maximum(worst, differences(detector, video[i]["Image"].numpy()))
    print(f"largest differences in {len(video)} frames: boxes {worst[0]:.0e} pixels, probabilities {worst[1]:.0e}, points {worst[2]:.0e} pixels")
    assert worst[0] < 1e-3 and worst[1] < 1e-5 and worst[2] < 1e-3


@pytest.mark.numeric
def test_the_seen_faces_do_not_depend_on_threads():
    from concurrent.futures import ThreadPoolExecutor

    detector, image = load_detector(keep_all=True), sample_image("multi_face_photo")
    alone = [part[0] for part in find_faces(detector, image[None])]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: [part[0] for part in find_faces(detector, image[None])], range(12)))
    for found in together:
        for a, b, limit in zip(alone, found, (1e-3, 1e-5, 1e-3)): np.testing.assert_allclose(a, b, rtol=0, atol=limit)


@pytest.mark.numeric
def test_compiled_inception_resnet_is_torch_s():
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    encoder, image = InceptionResnetV1().eval(), sample_image("multi_face_photo")
    (boxes,), _, (points,), _ = find_faces(load_detector(keep_all=True), image[None])
    faces = cut_for("vggface2", image, boxes, points)
    plain = encode_faces(encoder, faces)
    network, asked = compile_module(encoder, 160), []
    encoder.compiled = lambda *inputs: asked.append(len(inputs[0])) or network(*inputs)
    compiled = encode_faces(encoder, faces)
    assert asked == [5] and len(plain) == 5
    assert_same_embeddings(compiled, plain)
    with pytest.raises(AssertionError, match="embeddings"): assert_same_embeddings(compiled[[1, 0, 2, 3, 4]], plain)


@pytest.mark.numeric
@pytest.mark.parametrize("name", ["mobilefacenet", "mobilenet", "pfld"])
def test_compiled_landmarks_are_torch_s(name, hub, cache):
    "Random weights; the difference in pixels of a face whose square is 300 wide."
    serve(hub, name)
    landmarker, image = load_landmarker(name), sample_image("multi_face_photo")
    boxes = find_faces(load_detector(keep_all=True), image[None])[0][0]
    patches = cut_regions(image, landmarker.regions(boxes), landmarker.size)
    assert landmarker.compiled
    compiled, landmarker.compiled = landmarker(patches), None
    plain = landmarker(patches)
    assert 300 * abs(plain - compiled).max() < 0.01


@pytest.mark.slow
def test_torch_s_cascade_is_the_compiled_one():
    "What serves a GPU, here on the CPU: the same result of a whole run."
    extractor = FaceExtractor.embedded(3, landmark_model=None, au_model=None)
    compiled = extractor.apply(sample_clip(), skip_frames=16, show_progress=False)
    extractor.detector.fast = FastMTCNN(extractor.detector, compiled=False)
    plain = extractor.apply(sample_clip(), skip_frames=16, show_progress=False)
    assert compiled.face_label.equals(plain.face_label) and compiled.n_detected.sum() > 15
    np.testing.assert_allclose(plain.face_box, compiled.face_box, atol=1e-3)
    np.testing.assert_allclose(plain.face_prob, compiled.face_prob, atol=1e-5)


def test_fast_says_where_it_is_exact(monkeypatch):
    monkeypatch.setattr("mexca_video.extraction.extractor.has_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="engine='fast' equals 'exact' here"): FaceExtractor.embedded(engine="fast")
    with pytest.raises(ValueError, match="engine='slow'"): FaceExtractor.embedded(engine="slow")
    with pytest.raises(TypeError): FaceExtractor(2, *[None] * 13, "fast")


@pytest.mark.numeric
@pytest.mark.skipif(not networks.has_bfloat16(), reason="this processor has no bfloat16")
def test_fast_deviates_little():
    exact, fast = (FaceExtractor.embedded(3, engine=engine).apply(sample_clip(), skip_frames=12, show_progress=False, return_embeddings=True) for engine in networks.ENGINES)
    cosine = (exact.face_embedding * fast.face_embedding).sum("embedding") / np.sqrt((exact.face_embedding ** 2).sum("embedding") * (fast.face_embedding ** 2).sum("embedding"))
    assert cosine.where(exact.face_prob.notnull()).min() > 0.999 and exact.face_label.equals(fast.face_label)


def test_a_gpu_that_has_no_room_for_a_batch(monkeypatch):
    "Torch's cascade sees several frames at once, here on the CPU; without room it takes half of them."
    extractor, sizes = FaceExtractor.embedded(3, landmark_model=None, au_model=None), []
    extractor.detector.fast = FastMTCNN(extractor.detector, compiled=False)
    stream = make_stream(extractor, dict(return_embeddings=False, return_blendshapes=False, return_mesh=False))
    with VideoDataset(sample_clip(), skip_frames=48) as video: images = [video[i]["Image"].numpy() for i in range(len(video))]
    alone, detect = [stream.look_at([image])[0] for image in images], extractor.detector.fast.detect
    def small(frames, near=None):
        sizes.append(len(frames))
        if len(frames) > 2: raise torch.OutOfMemoryError
        return detect(frames, near)
    monkeypatch.setattr(extractor.detector.fast, "detect", small)
    together = stream.look_at(images)
    assert sizes[0] == len(images) > 4 and max(sizes[-2:]) <= 2
    for (count, faces), (alone_count, alone_faces) in zip(together, alone):
        assert count == alone_count == len(faces)
        for face, one in zip(faces, alone_faces): np.testing.assert_allclose(face[0], one[0], atol=1e-3)
