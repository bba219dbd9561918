"""The embedded face mesh and blendshapes against MediaPipe's own FaceLandmarker; recorded by record_mediapipe.py."""

import numpy as np
import pytest

from mexca_video import VideoDataset
from mexca_video.faces.action_units import BLENDSHAPE_NAMES, Blendshapes
from mexca_video.faces.crops import cut_regions, region_to_frame
from mexca_video.faces.detection import detect_faces, load_detector
from mexca_video.faces.landmarks import MESH_TO_68, FaceMesh
from mexca_video.faces.pose import angles_of, pose_from_68, pose_from_mesh
from mexca_video.samples import sample_path

from places import DATA

pytestmark = pytest.mark.numeric
RECORDED = np.load(DATA / "mediapipe_pexels.npz", allow_pickle=False)


@pytest.fixture(scope="module")
def mesh():
    "The 478 points of our own mesh in the recorded frames, in pixels."
    detector, network, regions, patches = load_detector(keep_all=True), FaceMesh(), [], []
    with VideoDataset(str(sample_path("pexels")), skip_frames=4) as video:
        assert set(RECORDED["frame"]) <= set(video.video_frames)
        for part, frames in video.batches():
            if video.video_frames[part.start] not in RECORDED["frame"]:
                continue
            (boxes,), _, (points,) = detect_faces(detector, frames)
            regions.append(network.regions(boxes[:1], points[:1, :2])[0])
            patches.append(cut_regions(frames[0], regions[-1][None], network.size, network.padding)[0])
    import torch

    found = np.concatenate([network(part) for part in torch.stack(patches).split(32)])
    return region_to_frame(np.array(regions), found)


@pytest.mark.slow
def test_landmarks_are_within_two_percent(mesh):
    reference = RECORDED["landmarks_64ths"] / 64
    eyes = np.linalg.norm(reference[:, 33] - reference[:, 263], axis=1)
    apart = np.linalg.norm(mesh[..., :2] - reference, axis=2).mean(1) / eyes
    print(f"\nmean distance to MediaPipe {apart.mean():.2%} of the inter-ocular distance, worst frame {apart.max():.2%}")
    assert len(apart) == 118 and apart.mean() < 0.02


@pytest.mark.slow
def test_blendshapes_correlate(mesh):
    assert tuple(RECORDED["names"]) == tuple(BLENDSHAPE_NAMES)
    ours, reference = Blendshapes()(mesh), RECORDED["blendshapes"]
    together = np.corrcoef(ours.ravel(), reference.ravel())[0, 1]
    moving = np.flatnonzero(reference.std(0) > 0.02)
    each = [np.corrcoef(ours[:, i], reference[:, i])[0, 1] for i in moving]
    print(f"\ncorrelation over all weights {together:.3f}; of the {len(moving)} that move, mean {np.mean(each):.3f}, lowest {min(each):.3f}")
    assert together > 0.95 and np.mean(each) > 0.9


def test_blendshapes_of_mediapipe_s_own_points():
    "On MediaPipe's points our graph gives MediaPipe's weights: what differs is where the points come from."
    ours = Blendshapes()((RECORDED["landmarks_64ths"] / 64).astype(np.float32))
    assert np.abs(ours - RECORDED["blendshapes"]).max() < 0.02


def recorded_pose():
    "Pitch, yaw and roll of MediaPipe's own transformation matrices."
    turned = RECORDED["matrices"][:, :3, :3].astype(float)
    return angles_of(turned / np.cbrt(np.linalg.det(turned))[:, None, None])


@pytest.mark.slow
def test_pose_is_mediapipe_s(mesh):
    apart = np.abs(pose_from_mesh(mesh, np.full((len(mesh), 2), [640, 360])) - recorded_pose())
    print(f"\npitch, yaw, roll, degrees from MediaPipe's: median {np.median(apart, 0).round(2)}, largest {apart.max(0).round(2)}")
    assert (np.median(apart, 0) < 1.5).all()


def test_pose_of_68_points_follows():
    "Against the line of sight, without depth: the same movements, a few degrees off where the face is not in the middle."
    found = pose_from_68((RECORDED["landmarks_64ths"] / 64)[:, MESH_TO_68])
    expected = recorded_pose()
    assert [np.corrcoef(found[:, k], expected[:, k])[0, 1] > 0.9 for k in range(3)] == [True] * 3
    assert np.abs(found - expected).mean() < 6
