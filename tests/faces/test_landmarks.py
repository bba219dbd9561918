"""py-feat's MobileFaceNet with its real weights, against the face mesh."""
import shutil

import numpy as np
import pytest

from mexca_video import FaceExtractor
from mexca_video.models.registry import MODELS
from mexca_video.samples import sample_image
from mexca_video.schema import LANDMARK_PARTS

from places import SHARED

pytestmark = pytest.mark.numeric
WEIGHTS = SHARED / "weights" / MODELS["mobilefacenet"].file


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory):
    "Points of the man in single_face.jpg: (68, 2) of MobileFaceNet and of the face mesh, and his box."
    if not WEIGHTS.is_file():
        pytest.skip(f"the real weights {WEIGHTS.name} are not in ../shared/weights beside the repository")
    photo, mesh = sample_image("single_face_photo"), FaceExtractor.embedded(1)
    _, boxes, _, points = mesh.detect(photo, return_points=True)
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        shutil.copy(WEIGHTS, cache)
        patch.setenv("MEXCA_VIDEO_CACHE", str(cache))
        net = FaceExtractor(1, landmark_model="mobilefacenet", au_model=None)
        found = net.extract(photo, boxes)[0][0][0]
    return found, mesh.extract(photo, boxes, points=points)[0][0][0], boxes[0, 0]


def test_every_part_is_where_it_belongs(landmarks):
    points, _, (x1, y1, x2, y2) = landmarks
    part = {name: points[list(rows)] for name, rows in LANDMARK_PARTS.items()}
    inner = np.concatenate([part[name] for name in part if name != "jaw"])
    assert ((inner > [x1, y1]) & (inner < [x2, y2])).all()
    middle = {name: p.mean(0) for name, p in part.items()}
    assert middle["right_eye"][0] < middle["nose"][0] < middle["left_eye"][0]  # the subject's right is on the left
    assert middle["right_eyebrow"][1] < middle["right_eye"][1] < middle["nose"][1] < middle["outer_lip"][1] < part["jaw"][:, 1].max()
    assert part["jaw"][8, 1] == part["jaw"][:, 1].max()  # the chin
    assert part["jaw"][0, 0] < middle["right_eye"][0] and part["jaw"][16, 0] > middle["left_eye"][0]


def test_it_agrees_with_the_mesh(landmarks):
    points, mesh, _ = landmarks
    apart = np.linalg.norm(points - mesh, axis=1).mean() / np.linalg.norm(mesh[36] - mesh[45])
    print(f"\nMobileFaceNet to face mesh: {apart:.2%} of the inter-ocular distance")
    assert apart < 0.06
