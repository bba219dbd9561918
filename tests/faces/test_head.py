"Pose, eyes, sides and quality on pictures: a mirrored picture says the mirrored thing."
import numpy as np
import pytest

from mexca_video import AU_NAMES, FaceExtractor, check_features, load, sample_image, sample_path, save
from mexca_video.faces.action_units import SIDED_AUS
from mexca_video.faces.crops import cut_regions
from mexca_video.faces.detection import detect_faces, load_detector
from mexca_video.faces.measures import LandmarksAndUnits, cut_regions_for
from mexca_video.faces.quality import Quality, rate_pictures

from places import SHARED

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def model():
    return LandmarksAndUnits("facemesh", "blendshapes", None, "exact").keeping(("face_mesh", "face_blendshapes"))


def measured(model, image, boxes, eyes):
    regions, crops = cut_regions_for(model, image, boxes, eyes)
    return model.measure(crops, regions, np.full((len(boxes), 2), image.shape[1::-1]), {})


@pytest.fixture(scope="module")
def both(model):
    "What is measured of the faces of a photograph, and of the same faces in its mirror."
    group = sample_image("multi_face_photo")
    (boxes,), _, (points,) = detect_faces(load_detector(keep_all=True), group[None])
    width, eyes = group.shape[1], points[:, :2]
    turned = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    swapped = np.stack([width - eyes[:, ::-1, 0], eyes[:, ::-1, 1]], -1)
    return measured(model, group, boxes, eyes), measured(model, np.ascontiguousarray(group[:, ::-1]), turned, swapped)


def test_mirrored_pose(both):
    "Yaw and roll change their signs, pitch does not."
    here, there = (found["face_pose"] for found in both)
    assert np.abs(here[:, 1]).max() > 5 and np.abs(here[:, 2]).max() > 5  # there is something to change
    assert np.abs(there - here * [1, -1, -1]).max() < 3


def test_mirrored_eyes(both):
    here, there = both
    assert np.abs(there["eye_openness"][:, ::-1] - here["eye_openness"]).max() < 0.06
    assert np.abs(there["eye_gaze"][:, :2] - here["eye_gaze"][:, :2] * [1, -1]).mean() < 4
    assert np.isnan(here["eye_gaze"][:, 2]).all()


def test_mirrored_sides(both):
    "The other side; the network itself is not quite symmetric."
    here, there = (found["face_aus_side"] for found in both)
    sided = [AU_NAMES.index(au) for au in SIDED_AUS]
    assert np.isnan(np.delete(here, sided, 2)).all() and np.isfinite(here[..., sided]).all()
    swapped, kept = there[:, ::-1], there
    apart = np.abs(here - swapped)[..., sided]
    assert apart.mean() < 0.05 and apart.mean() < np.abs(here - kept)[..., sided].mean()


def test_sides_average_to_the_units(both):
    for found in both:
        sided = [AU_NAMES.index(au) for au in SIDED_AUS]
        np.testing.assert_allclose(found["face_aus_side"].mean(1)[:, sided], found["face_aus"][:, sided], atol=1e-6)


def test_everybody_looks_into_the_lens(model):
    "People who were asked to look straight into the camera: head and eyes are near 0, and the eyes make up for the head."
    folder = SHARED / "faces" / "london"
    if not folder.is_dir():
        pytest.skip("no pictures in ../shared/faces/london beside the repository")
    from mexca_video import VideoDataset

    detector, found = load_detector(keep_all=False), []
    for path in sorted(folder.glob("*_03.jpg"))[::5]:
        with VideoDataset(str(path)) as video: image = video[0]["Image"].numpy()
        (box,), _, (points,) = detect_faces(detector, image[None])
        found.append(measured(model, image, box[:1], points[:1, :2]))
    pose = np.concatenate([one["face_pose"] for one in found])
    gaze = np.concatenate([one["eye_gaze"] for one in found])
    print(f"\n{len(pose)} people: pose {np.median(pose, 0).round(1)} sd {pose.std(0).round(1)}, gaze {np.median(gaze[:, :2], 0).round(1)} sd {gaze[:, :2].std(0).round(1)}")
    assert (np.abs(np.median(pose, 0)) < 2.5).all() and (np.abs(np.median(gaze[:, :2], 0)) < 3).all()
    assert np.corrcoef(pose[:, 1], gaze[:, 1])[0, 1] < -0.5


def blur_of_the_paper(grey):
    "Crete et al. 2007, equations 1 to 6, one picture after the other."
    from scipy.ndimage import uniform_filter1d

    blurs = []
    for axis in (0, 1):
        before = np.abs(np.diff(grey, axis=axis))
        after = np.abs(np.diff(uniform_filter1d(grey, 9, axis=axis, mode="mirror"), axis=axis))
        blurs.append(1 - np.maximum(before - after, 0).sum() / before.sum())
    return max(blurs)


def test_sharpness_is_that_of_the_paper():
    image = sample_image("joy")
    crops = cut_regions(image, Quality().regions(image, np.array([[100, 100, 300, 300.0], [50, 50, 150, 150]])), 64, "border")
    grey = (crops.numpy() * np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]).sum(1)
    np.testing.assert_allclose(rate_pictures(crops)[0], [1 - blur_of_the_paper(one) for one in grey], atol=1e-4)


def test_what_is_kept_on_request(tmp_path):
    extractor = FaceExtractor.embedded(1)
    options = dict(skip_frames=12, process_subclip=(0, 1), show_progress=False)
    ds = extractor.apply(sample_path("single_face"), return_blendshapes=True, return_mesh=True, **options)
    assert check_features(ds) == [] and ds.face_mesh.sizes["mesh_point"] == 478
    np.testing.assert_allclose(ds.face_mesh.sel(mesh_axis=["x", "y"]).isel(mesh_point=33).values, ds.face_landmarks.isel(landmark=36).values)
    assert load(save(ds, tmp_path / "a.nc")).identical(ds)
    plain = extractor.apply(sample_path("single_face"), **options)
    assert not {"face_mesh", "face_blendshapes", "mesh_axis", "blendshape"} & set(plain.variables)
    assert {"face_pose", "eye_openness", "eye_gaze", "face_aus_side", "face_sharpness", "face_brightness"} <= set(plain.data_vars)
    with pytest.raises(ValueError, match="return_mesh='yes'"): extractor.apply(sample_path("single_face"), return_mesh="yes")
    with pytest.raises(ValueError, match="face_blendshapes is not measured with landmark_model='facemesh' and au_model=None"):
        FaceExtractor.embedded(1, au_model=None).apply(sample_path("single_face"), return_blendshapes=True)
