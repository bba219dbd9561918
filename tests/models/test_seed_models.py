"""The default set of models, through the real clients, from a hub on loopback; weights drawn at random, layouts real."""
import io

import numpy as np
import pytest
import torch

from mexca_video import FaceExtractor, check_features
from mexca_video.faces import pyfeat_aus
from mexca_video.faces.crops import cut_regions, upright_regions
from mexca_video.faces.measures import cut_regions_for
from mexca_video.models.imports import import_feat
from mexca_video.models.registry import MODELS, ModelError
from mexca_video.models.weights import read_au_classifier
from mexca_video.samples import sample_image, sample_path

from descriptions import compare_descriptions
from rounding import assert_same_embeddings
from seed_models import HOG, embedding_file, serve


@pytest.mark.slow
def test_the_default_set_from_file_to_dataset(hub, cache):
    serve(hub, "vggface2", "mobilefacenet", "xgb")
    ds = FaceExtractor(1).apply(sample_path("single_face"), skip_frames=12, show_progress=False, return_embeddings=True)
    assert check_features(ds) == []
    assert ds.sizes["frame"] == 6 and ds.sizes["face"] == 1 and ds.sizes["embedding"] == 512
    assert ds.face_aus.notnull().all() and float(ds.face_aus.min()) >= 0 and float(ds.face_aus.max()) <= 1
    assert ds.attrs["au_scale"] == MODELS["xgb"].scale


@pytest.mark.slow
@pytest.mark.numeric
def test_encoder_is_inception_resnet(hub, cache):
    from facenet_pytorch import InceptionResnetV1

    serve(hub, "vggface2")
    extractor = FaceExtractor(1, landmark_model=None, au_model=None)
    assert isinstance(extractor.encoder, InceptionResnetV1)
    reference = InceptionResnetV1().eval()
    reference.load_state_dict(torch.load(io.BytesIO(embedding_file()), weights_only=True), strict=False)
    faces = extractor.detect(sample_image("multi_face_photo"))[0][0]
    with torch.inference_mode():
        assert_same_embeddings(extractor.encode(faces), reference(faces).numpy())


@pytest.mark.slow
@pytest.mark.parametrize("landmark_model, au_model", [("mobilenet", "xgb"), ("pfld", "svm"), ("mobilefacenet", "svm")])
def test_other_models_of_py_feat(landmark_model, au_model, hub, cache):
    serve(hub, landmark_model, au_model)
    group = sample_image("multi_face_photo")
    extractor = FaceExtractor.embedded(5, landmark_model=landmark_model, au_model=au_model)
    landmarks, aus = extractor.extract(group, extractor.detect(group)[1])
    assert np.shape(landmarks[0]) == (5, 68, 2) and np.isfinite(landmarks).all()
    assert aus[0].shape == (5, 20) and np.isfinite(aus[0]).all()
    if au_model == "svm":
        assert set(np.unique(aus[0])) <= {0, 1}


@pytest.mark.numeric
def test_landmark_network_gets_the_square_that_py_feat_would_cut(hub, cache):
    "py-feat counts pixels from the middle of the first one; half a pixel to the right and down, our crop is py-feat's."
    group = sample_image("multi_face_photo")
    boxes = FaceExtractor.embedded(5).detect(group)[1][0]
    ours = cut_regions(group, upright_regions(boxes) + [0.5, 0.5, 0, 0], 112)
    crop = import_feat("utils.image_operations").extract_face_square_pad_torch
    frame = torch.as_tensor(group).permute(2, 0, 1)[None].float() / 255
    theirs, _ = crop(frame, torch.as_tensor(boxes), face_size=112, expand_bbox=1.2, frame_idx=torch.zeros(5, dtype=torch.long))
    assert float((ours - theirs).abs().max()) < 1e-3


@pytest.mark.numeric
def test_action_units_are_py_feat_s(hub, cache, monkeypatch):
    "Our row of steps gives what py-feat's own functions give on the same picture and points."
    serve(hub, "mobilefacenet", "xgb")
    group = sample_image("multi_face_photo")
    extractor = FaceExtractor.embedded(5, landmark_model="mobilefacenet", au_model="xgb")
    _, patches = cut_regions_for(extractor.extractor, group, extractor.detect(group)[1][0])
    points = extractor.extractor.landmarker(patches)
    hog, marks = import_feat("utils.face_mask").extract_hog_features_batched(patches, torch.as_tensor(points.reshape(5, 136)))
    assert hog.shape == (5, HOG)
    reference, found = read_au_classifier("xgb").detect_au, extractor.extractor.au_classifier(patches, points)
    own, _ = compare_descriptions(pyfeat_aus, monkeypatch, patches, points)
    np.testing.assert_allclose(found, reference(frame=own, landmarks=[marks]), rtol=0, atol=1e-4)
    same = np.abs(own - hog).max(1) < 1e-5  # elsewhere a tie was decided another way, see `ties`
    np.testing.assert_allclose(found[same], reference(frame=hog, landmarks=[marks])[same], rtol=0, atol=1e-4)


def test_missing_hub_says_what_to_do(cache, monkeypatch):
    monkeypatch.setenv("MEXCA_VIDEO_OFFLINE", "1")
    with pytest.raises(ModelError, match="(?s)vggface2.*FaceExtractor.embedded"):
        FaceExtractor(1).encoder


def test_missing_model_is_told_before_the_first_face(cache, monkeypatch):
    "Also for a clip without any face: nothing is read in vain."
    monkeypatch.setenv("MEXCA_VIDEO_OFFLINE", "1")
    with pytest.raises(ModelError, match="vggface2"):
        FaceExtractor(1, landmark_model=None, au_model=None).apply(sample_path("no_face"), show_progress=False)
