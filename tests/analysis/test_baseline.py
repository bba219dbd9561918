"What remains after a baseline is what was added to it; and on photographs it tells a smile better than before."
import json

import numpy as np
import pytest

from mexca_video import FaceExtractor, check_features, demo_features, load, save, share_safe
from mexca_video.analysis.baseline import measure_baseline, subtract_baseline
from mexca_video.analysis.events import add_events
from mexca_video.figures import draw_action_units, draw_au_map
from mexca_video.schema import build_features

from places import SHARED

LONDON = SHARED / "faces" / "london"


def with_values(values, n_frames=20, n_faces=2):
    "A result with these action units, (frame, face); all of a face alike. People rest in the first second."
    demo = demo_features(n_frames, n_faces)
    arrays = {name: demo[name].values.copy() for name in demo.data_vars if name not in ("status", "face_aus_side")}
    measured = np.broadcast_to(np.asarray(values, float)[..., None], arrays["face_aus"].shape)
    arrays["face_aus"] = np.where(np.isfinite(arrays["face_prob"])[..., None], measured, np.nan)
    ds = build_features(frame=demo.frame, time=demo.time, attrs=demo.attrs, **arrays)
    return add_events(ds, [dict(onset=0, end=1, type="rest")])


LEVEL = np.array([0.1, 0.4])  # of each person at rest
CHANGE = np.where(np.arange(20) < 5, 0, 0.3)[:, None]


@pytest.fixture
def ds(): return with_values(LEVEL + CHANGE)


@pytest.mark.parametrize("during", ["rest", (0, 1), [(0, 0.5), (0.5, 1)], ["rest", (0, 0.2)]])
@pytest.mark.parametrize("method", ["mean", "median"])
def test_what_was_added_remains(ds, during, method):
    found = subtract_baseline(ds, during, method=method)
    assert check_features(found) == [] and found.face_aus.dtype == "float32" and found.face_aus.attrs == ds.face_aus.attrs
    there = ds.face_prob.notnull().values
    np.testing.assert_allclose(found.face_aus.values[there], np.broadcast_to(CHANGE[..., None], ds.face_aus.shape)[there], atol=1e-6)
    said = json.loads(found.attrs["au_baseline"])
    assert said["method"] == method and list(said["frames"]) == ["0", "1"] and said["frames"]["0"] <= 5
    assert found.attrs["history"].splitlines()[-1].split()[1] == "mexca_video.subtract_baseline"
    assert "minus" in found.attrs["au_scale"]


def test_quantile_and_excluded_frames(ds):
    table = measure_baseline(ds, "quantile", quantile=0)
    np.testing.assert_allclose(table.baseline.groupby(table.face).first(), LEVEL, atol=1e-6)
    without = add_events(ds, [dict(onset=0, end=1, type="door")], exclude="door")
    np.testing.assert_allclose(measure_baseline(without, "quantile", quantile=0).baseline, np.repeat(LEVEL + .3, 20), atol=1e-6)
    with pytest.raises(ValueError, match="no frame that was analysed and is not excluded"): measure_baseline(without, "rest")
    assert json.loads(subtract_baseline(ds, "quantile").attrs["au_baseline"])["method"] == "quantile 0.1"


def test_below_zero():
    found = subtract_baseline(with_values(LEVEL - CHANGE / 3), "rest")
    assert np.nanmin(found.face_aus) == pytest.approx(-0.1, abs=1e-6) and check_features(found) == []


def test_robust():
    "One blink of five frames moves the mean and not the median."
    values = LEVEL + CHANGE
    values[3] = 1
    found = {method: subtract_baseline(with_values(values), "rest", method=method).face_aus[10, 1, 0].item() for method in ("mean", "median")}
    assert found["median"] == pytest.approx(0.3, abs=1e-6) and found["mean"] < 0.2


def test_another_film_by_name(ds):
    other = with_values(np.broadcast_to(LEVEL[::-1] + 0.05, (20, 2)))
    names = other.face_name.values[::-1]
    other = other.assign_coords(face_name=("face", names, other.face_name.attrs))
    found = subtract_baseline(ds, other)
    assert json.loads(found.attrs["au_baseline"])["file"] == "demo.mp4"
    there = ds.face_prob.notnull().values
    np.testing.assert_allclose(found.face_aus.values[there][:, 0], np.broadcast_to(CHANGE - .05, there.shape)[there], atol=1e-6)
    with pytest.raises(ValueError, match="same model"): subtract_baseline(ds, other.assign_attrs(au_scale="0 to 5"))
    with pytest.raises(ValueError, match="no baseline for Person_2"): subtract_baseline(ds, other.isel(face=[1]))


def test_a_person_who_is_missing(ds):
    ds.face_aus.values[:5, 1] = np.nan
    with pytest.raises(ValueError, match=r"no baseline for Person_2 \(0 of 1 frame\)"): subtract_baseline(ds, "rest")
    with pytest.raises(ValueError, match=r"Person_1 \(\d of 9 frames\), Person_2"): subtract_baseline(ds, "rest", least=9)
    with pytest.warns(UserWarning, match="Person_2"): found = subtract_baseline(ds, "rest", missing="nan")
    assert found.face_aus.sel(face=1).isnull().all() and found.face_aus.sel(face=0).notnull().any()
    assert check_features(found) == []
    assert (measure_baseline(ds, "rest").query("face == 1").share_missing == 1).all()


def test_nobody_has_no_baseline():
    demo = demo_features(20, 2)
    arrays = {name: demo[name].values.copy() for name in demo.data_vars if name != "status"}
    arrays["face_label"][:, 1] = np.nan
    ds = build_features(frame=demo.frame, time=demo.time, attrs=demo.attrs, **arrays)
    found = subtract_baseline(ds, (0, 1))
    assert found.face_aus.sel(face=1).isnull().all() and check_features(found) == []


def test_sides_have_their_own():
    found = subtract_baseline(demo_features(), (0, 2), method="mean")
    np.testing.assert_allclose(found.face_aus_side.isel(frame=slice(0, 10)).mean("frame").sel(au="AU12"), 0, atol=1e-6)


def test_wrong_arguments(ds):
    done = subtract_baseline(ds, "rest")
    for arguments, words in ((dict(during="sleep"), "no event of the type 'sleep'"), (dict(during="rest", method="mode"), "'mean' or 'median'"),
                             (dict(during="quantile", quantile=2), "between 0 and 1"), (dict(during="rest", missing="drop"), "'raise' or 'nan'"),
                             (dict(during=(3, 1)), "no interval"), (dict(during=None), "during is None")):
        with pytest.raises(ValueError, match=words): subtract_baseline(ds, **arguments)
    with pytest.raises(ValueError, match="already"): subtract_baseline(done, "rest")


def test_file_and_shared_copy(ds, tmp_path):
    found = subtract_baseline(ds, "rest")
    assert load(save(found, tmp_path/"a.nc")).identical(found)
    safe = share_safe(found)
    assert json.loads(safe.attrs["au_baseline"])["during"] == "Event_1" and "rest" not in safe.attrs["history"]
    assert "file" not in json.loads(share_safe(subtract_baseline(ds, ds)).attrs["au_baseline"])


def test_figures_show_zero(ds):
    import matplotlib.pyplot as plt

    found = subtract_baseline(with_values(LEVEL - CHANGE / 3), "rest")
    zero = lambda ax: ax.findobj(lambda a: a.get_gid() == "zero")
    ax = draw_action_units(found, "AU12")
    assert len(zero(ax)) == 1 and ax.get_ylim()[0] < -0.1
    assert not zero(draw_action_units(ds, "AU12"))
    mesh = draw_au_map(found)[0].collections[0]
    assert mesh.norm.vmin == -mesh.norm.vmax and mesh.norm.vmin < -0.1
    plt.close("all")


def area(positive, negative):
    "How often a positive one has more than a negative one: the area under the ROC curve."
    positive, negative = (np.asarray(one, float)[np.isfinite(one)] for one in (positive, negative))
    return (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2


def measure_photographs(people):
    """Each person as a slot with three frames: the neutral photograph mirrored, as it is, and smiling. The mirrored one is the
    baseline, so that the neutral face is not compared with itself."""
    from PIL import Image

    read = lambda person, kind: np.asarray(Image.open(LONDON / f"{person}_{kind}.jpg").convert("RGB"))
    extractor = FaceExtractor.embedded(min_face_size=150)
    aus = np.full((3, len(people), 20), np.nan)
    boxes = np.zeros((3, len(people), 4))
    for k, person in enumerate(people):
        images = np.stack([read(person, "03"), read(person, "08")])
        found = extractor.detect(images, return_points=True)
        box = [one[:1] for one in found[1]]
        points = [one[:1] for one in found[3]]
        aus[1:, k] = [one[0] for one in extractor.extract(images, box, points=points)[1]]
        width = images.shape[2] - 1
        turned = points[0][:, [1, 0, 2, 4, 3]] * [-1, 1] + [width, 0]
        mirrored = np.column_stack([width - box[0][:, 2], box[0][:, 1], width - box[0][:, 0], box[0][:, 3]])
        aus[0, k] = extractor.extract(images[:1, :, ::-1].copy(), [mirrored], points=[turned])[1][0][0]
        boxes[:, k] = mirrored[0], box[0][0], box[1][0]
    shape = aus.shape[:2]
    demo = demo_features(3, 1)
    ds = build_features(frame=range(3), time=range(3), face_box=boxes, face_prob=np.ones(shape), face_landmarks=np.zeros((*shape, 68, 2)),
                        face_aus=aus, face_label=np.tile(np.arange(len(people)), (3, 1)), face_confidence=np.ones(shape),
                        n_detected=[len(people)] * 3, attrs=demo.attrs)
    return add_events(ds, [dict(onset=0, type="rest"), dict(onset=1, type="neutral"), dict(onset=2, type="smile")])


@pytest.mark.skipif(not LONDON.is_dir(), reason="the photographs of ../shared/faces/london are not here")
@pytest.mark.parametrize("n", [10, pytest.param(102, marks=pytest.mark.slow)])
def test_own_neutral_does_not_make_a_smile_worse(n):
    people = sorted({path.name[:3] for path in LONDON.glob("*_03.jpg")})[:n]
    ds = measure_photographs(people)
    change = subtract_baseline(ds, "rest")
    at = lambda one, event: one.face_aus.sel(au="AU12").values[(one.event == event).values][0]
    before, after = (area(at(one, "smile"), at(one, "neutral")) for one in (ds, change))
    print(f"{n} people: area under the curve of AU12 {before:.3f} before and {after:.3f} after")
    assert np.isfinite(change.face_aus.sel(au="AU12")).all()
    assert before > 0.8 and after >= before
