"Faces in pictures that are stored in another shape or position than they are shown, on real clips."
from fractions import Fraction

import av
import numpy as np
import pytest

from mexca_video.faces.detection import eye_angles, find_faces, find_rotation, load_detector, look_turned
from mexca_video.samples import sample_path
from mexca_video.video import VideoDataset

import clips
from places import SHARED

PEOPLE = SHARED / "people"


@pytest.fixture(scope="module")
def detector(): return load_detector(keep_all=True)


def _squeezed(path, width, pixel=None):
    "Every 40th frame of a sample, stored `width` pixels wide and tagged with the shape of a pixel."
    with VideoDataset(sample_path("pexels"), skip_frames=40) as film: pictures = film[:]["Image"].numpy()
    frames = [av.VideoFrame.from_ndarray(p, format="rgb24").reformat(width, 360, "rgb24", interpolation="BICUBIC") for p in pictures]
    stored = [f.to_ndarray() for f in frames]
    return clips.write_clip(path, count=len(stored), size=(width, 360), draw=lambda number, *size: stored[number], pixel=pixel, options=dict(crf=6, bf=0, threads=1))  # with more, other pictures


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    "The same film with square pixels, squeezed and tagged, and squeezed without a tag."
    from mexca_video import FaceExtractor

    folder, extractor = tmp_path_factory.mktemp("squeezed"), FaceExtractor.embedded(1)
    kinds = {"square": (640, None), "tagged": (440, Fraction(16, 11)), "untagged": (440, None)}
    return {name: extractor.apply(_squeezed(folder / f"{name}.mp4", *kind), show_progress=False) for name, kind in kinds.items()}


def _difference(measured, name):
    "Of landmarks in eye distances, and of action units: from the film with square pixels, on average and at most."
    square, other = measured["square"].sel(face=0), measured[name].sel(face=0)
    points, expected = other.face_landmarks.values, square.face_landmarks.values
    eyes = np.linalg.norm(expected[:, 36:42].mean(1) - expected[:, 42:48].mean(1), axis=-1)
    moved = np.linalg.norm(points - expected, axis=-1).mean(-1) / eyes
    return float(moved.mean()), float(np.nanmax(abs(other.face_aus.values - square.face_aus.values)))


def test_faces_in_pixels_that_are_not_square(measured):
    tagged = measured["tagged"]
    assert (tagged.attrs["video_width"], tagged.attrs["video_height"]) == (640, 360) and "440x360" in tagged.attrs["video_pixels"]
    points, units = _difference(measured, "tagged")
    assert points < .02 and units < .2
    assert measured["untagged"].attrs["video_width"] == 440 and _difference(measured, "untagged")[1] > 2 * units, "it matters"


def _pictures(path, count=8, **arguments):
    with VideoDataset(path, **arguments) as film:
        chosen = np.linspace(0, len(film) - 1, count).astype(int)
        return [film[int(i)]["Image"].numpy() for i in chosen]


def _stored_turned(folder, path, degrees):
    "A clip whose pictures were stored turned by `degrees` clockwise, without a flag."
    pictures = [np.rot90(p, -degrees // 90) for p in _pictures(path, 12)]
    height, width = pictures[0].shape[:2]
    return clips.write_clip(folder / f"stored_{degrees}.mp4", count=len(pictures), size=(width, height), draw=lambda n, *size: pictures[n], options=dict(crf=18))


def _clip(name):
    if not name.endswith(".mp4"): return sample_path(name)
    if not PEOPLE.is_dir(): pytest.skip("the folder shared/people is not beside the repository")
    return PEOPLE / name


@pytest.mark.slow
@pytest.mark.parametrize("name, degrees", [
    *(("single_face", turn) for turn in (0, 90, 180, 270)), ("pexels", 90), ("hamilton_short.mp4", 0), ("hamilton_short.mp4", 270),
    ("chaplin.mp4", 0), ("chaplin.mp4", 180)])
def test_turned_pictures_are_found(detector, tmp_path, name, degrees):
    path = _stored_turned(tmp_path, _clip(name), degrees)
    assert find_rotation(detector, _pictures(path, 12)) == (360 - degrees) % 360


@pytest.mark.slow
def test_a_doubt_is_raised_by_every_turned_clip(detector, tmp_path):
    for name in ("pexels", "single_face"):
        for degrees in (0, 90, 180, 270):
            boxes, probs, points, _ = find_faces(detector, np.stack([np.rot90(p, -degrees // 90) for p in _pictures(sample_path(name))]))
            seen = [np.concatenate([part for part in parts if part is not None] or [[]]) for parts in (boxes, probs, points)]
            assert look_turned(*seen) == (degrees > 0), (name, degrees)


def test_a_few_frames_on_their_side_change_nothing(detector):
    upright, lying = _pictures(sample_path("pexels"), 6), [np.rot90(p, 1) for p in _pictures(sample_path("single_face"), 2)]
    assert find_rotation(detector, upright + lying) == 0
    assert find_rotation(detector, lying) == 0, "two frames are no proof"


def _drawn_face(turn):
    "A face of a circle, two dots and a line."
    y, x = np.mgrid[:300, :300]
    image = np.full((300, 300, 3), 240, np.uint8)
    image[(x - 150)**2 + (y - 150)**2 < 110**2] = 230, 190, 160
    for eye in (110, 190): image[(x - eye)**2 + (y - 120)**2 < 12**2] = 30
    image[(abs(y - 200) < 5) & (abs(x - 150) < 45)] = 120, 30, 30
    return np.rot90(image, turn)


@pytest.mark.slow
def test_where_nobody_can_tell_nothing_is_turned(detector):
    assert find_rotation(detector, []) == 0
    for turn in range(4):
        assert find_rotation(detector, [_drawn_face(turn)] * 4) == 0
        assert find_rotation(detector, [np.rot90(p, turn) for p in _pictures(sample_path("no_face"), 4)]) == 0


def test_angles_of_the_eyes():
    points = np.zeros((3, 5, 2))
    points[:, 1] = [[10, 0], [0, 10], [-10, 0]]
    assert eye_angles(points).tolist() == [0, 90, 180] and len(eye_angles([])) == 0
