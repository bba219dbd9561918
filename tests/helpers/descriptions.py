"Are faces described as py-feat describes them, but for what ties leave open?"
import numpy as np
import torch

from mexca_video.models.imports import import_feat

from ties import assert_allowed, assert_same_pictures, described_by, turned_by


def turned_by_py_feat(patches, points):
    with torch.inference_mode():
        align = import_feat("utils.face_mask").extract_faces_from_landmarks_batched
        pictures, marks = align(patches, torch.as_tensor(points * patches.shape[-1]).float(), face_size=112)
        return pictures.numpy(), np.stack(marks)


def compare_descriptions(code, monkeypatch, patches, points):
    "Does `code` turn, mask and describe faces as py-feat does, but for what ties leave open?"
    hog, marks = code.describe_faces(patches, points)
    pictures, expected_marks = turned_by_py_feat(patches, points)
    np.testing.assert_array_equal(marks, expected_marks)
    framed, edge = turned_by(code, monkeypatch, patches, points)
    own = framed[:, :, 1:-1, 1:-1]
    assert_same_pictures(own, pictures, edge)
    assert_allowed(own, described_by(code, framed), hog)
    return hog, own
