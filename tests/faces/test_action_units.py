"""py-feat's classifiers, computed our way: py-feat's own functions are the reference; weights at random, layout real.

Nothing rests on the last bit of a library: see `ties` for histograms, `allowed_units` for what follows from them.
The faults that each comparison notices stand beside it.
"""
import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from mexca_video.faces import pyfeat_aus
from mexca_video.faces.crops import cut_regions
from mexca_video.faces.detection import detect_faces, load_detector
from mexca_video.faces.landmarks import load_landmarker
from mexca_video.faces.pyfeat_aus import describe_faces
from mexca_video.models.imports import import_feat
from mexca_video.samples import sample_image
from mexca_video.schema import AU_NAMES

from descriptions import compare_descriptions, turned_by_py_feat
from mutants import mutant
from ties import allowed_directions, assert_allowed, described_by_py_feat

SIZES = 112, 256  # pixels of the landmark networks' pictures
NAMES = "xgb", "svm"
TRAINED_ON = 128  # pictures of this size: not those of the tests, because a tree's thresholds are values it was trained on


@functools.cache
def faces(size, count=60):
    "Pictures and landmarks of a photograph's five faces, cut askew, so that some reach out of the picture."
    group, random, landmarker = sample_image("multi_face_photo"), np.random.default_rng(size), load_landmarker("facemesh")
    (boxes,), _, (points,) = detect_faces(load_detector(keep_all=True), group[None])
    regions = np.repeat(landmarker.regions(boxes, points[:, :2]), count // 5, 0)
    regions[:, :2] += random.normal(size=(count, 2)) * regions[:, 2:3] * 0.08
    regions[:, 2] *= random.uniform(0.6, 1.4, count)
    regions[:, 3] += random.normal(size=count) * 0.3
    marks = landmarker.to_68(landmarker(cut_regions(group, regions, landmarker.size, landmarker.padding)))
    return cut_regions(group, regions, size), marks + random.normal(size=marks.shape) * 0.003


def whole_way_of_py_feat(patches, points):
    "Histograms and landmarks."
    pictures, marks = turned_by_py_feat(patches, points)
    return described_by_py_feat(pictures)[1], marks


def drawn_trees(columns, coins):
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=40, max_depth=3, n_jobs=1).fit(columns, coins)


def drawn_plane(columns, coins):
    "Half of the faces are on its one side. Each column counts; fitted, it would see landmarks only: large numbers."
    from sklearn.svm import LinearSVC

    plane = LinearSVC(tol=10).fit(columns, coins)
    weights = np.random.default_rng(columns.shape[1]).normal(size=(1, columns.shape[1]))
    plane.coef_ = (coins[:1] * 2 - 1) * weights / columns.std(0)
    plane.intercept_ = -np.median(columns @ plane.coef_.T, 0)
    return plane


@functools.cache
def classifiers(name):
    "py-feat's classifiers, fitted to real faces and tossed coins; each region has a scaler and components of its own."
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    drawn = {"xgb": drawn_trees, "svm": drawn_plane}
    random, (hog, marks) = np.random.default_rng(0), whole_way_of_py_feat(*faces(TRAINED_ON))
    made = getattr(import_feat("au_detectors.StatLearning.SL_test"), {"xgb": "XGBClassifier", "svm": "SVMClassifier"}[name])()
    parts = []
    for width in (5, 8, 11):
        one, other = np.split(hog[random.permutation(len(hog))].astype(float), 2)
        scaler = StandardScaler().fit(one)
        parts += [scaler, PCA(width, whiten=width == 8).fit(scaler.transform(other))]
    made.load_weights(*parts, {})
    upper, lower = {"xgb": ([1, 2, 7], [11, 14, 17, 23, 24, 26]), "svm": ([1, 4, 6], [11, 12, 17])}[name]  # as in py-feat's code
    for au in (int(name[2:]) for name in AU_NAMES):
        part = 0 if au in upper else 2 if au in lower else 4
        columns = made.pca_transform(hog, *parts[part:part + 2], marks.reshape(-1, 136))
        made.classifiers[f"AU{au}"] = drawn[name](columns, random.permutation(len(hog)) % 2)
    return made


@pytest.fixture
def load(monkeypatch):
    def loaded(name, stored=None, code=pyfeat_aus):
        monkeypatch.setattr(code, "read_au_classifier", lambda _: stored or classifiers(name))
        return code.PyFeatClassifier(name)
    return loaded


def measured_by_py_feat(name, hog, marks):
    return np.asarray(classifiers(name).detect_au(frame=hog, landmarks=[marks]), np.float32)


COUNT = 24  # faces whose descriptions are compared


def some(size):
    return [part[:COUNT] for part in faces(size)]


def wild():
    "Landmarks that no face has: the mask has to be py-feat's, also where it reaches out of the picture."
    random, shape = np.random.default_rng(1), (COUNT, 3, 112, 112)
    return torch.as_tensor(random.random(shape), dtype=torch.float32), random.random((COUNT, 68, 2)) * 1.6 - 0.3


def close():
    "Wild landmarks around eyes, nose and mouth that are close together: the face fills the picture."
    patches, points = wild()
    points[:, 27:] = 0.5 + (points[:, 27:] - 0.5) / 4
    return patches, points


def painted(values):
    "Other pictures with the landmarks of faces: `values` has one colour."
    return torch.as_tensor(values, dtype=torch.float32).expand(COUNT, 3, 112, 112), some(112)[1]


CASES = {  # and how many of the pixels with a gradient may be ties, else the comparison says little
    "faces of 112 pixels": (lambda: some(112), 0.05),
    "faces of 256 pixels": (lambda: some(256), 0.05),
    "faint faces": (lambda: (some(112)[0] / 1000, some(112)[1]), 0.05),
    "wild landmarks": (wild, 0.25),
    "close landmarks": (close, 0.05),
    "black and white": (lambda: painted(np.random.default_rng(3).integers(0, 2, (COUNT, 1, 112, 112))), 0.1),
    "black": (lambda: painted(np.zeros((1, 1, 1, 1))), 1),
    "white": (lambda: painted(np.ones((1, 1, 1, 1))), 1),
}


@pytest.mark.numeric
@pytest.mark.parametrize("case", CASES)
def test_faces_are_described_as_py_feat_does(case, monkeypatch):
    "What py-feat says of the same pictures is allowed as well: the rules of `ties` are py-feat's."
    make, most = CASES[case]
    patches, points = make()
    hog, own = compare_descriptions(pyfeat_aus, monkeypatch, patches, points)
    assert hog.dtype == np.float32 and hog.shape == (COUNT, 5408)
    pixels, expected = described_by_py_feat(own)
    assert_allowed(own, pixels, expected)
    steepest, allowed = allowed_directions(own)
    tied = (allowed.sum(1) > 1)[steepest > 0].mean()
    apart = np.abs(hog - expected).max()
    print(f"\n{case}: {tied:.1%} of the pixels with a gradient are ties, histograms differ by up to {apart:.1g}")
    assert tied <= most


FAULTS = {
    "the next direction": ("return part if", "return (part + 1) % 8 if"),
    "directions mirrored": ("return part if (x > 0) == (y > 0)", "return part if (x > 0) != (y > 0)"),
    "an edge of directions off by a degree": ("np.tan(np.pi / 8)", "np.tan(np.pi / 8 + 0.02)"),
    "the least steep colour": ("more = steep > steepest[j]", "more = steepest[j] == 0 or steep < steepest[j]"),
    "the last colour": ("more = steep > steepest[j]", "more = True"),
    "steepness is the sum": ("np.sqrt(x * x + y * y)", "abs(x) + abs(y)"),
    "cells a pixel lower": ("cells[i // 8, j // 8,", "cells[(i - 1) // 8, j // 8,"),
    "cells a pixel to the right": ("cells[i // 8, j // 8,", "cells[i // 8, (j - 1) // 8,"),
    "each pixel counts once": (" += steepest[j]", " += 1"),
    "another epsilon": ("np.float32(1e-10)", "np.float32(1e-9)"),
    "a sum in place of a mean": ("/ np.float32(64)", "/ np.float32(1)"),
    "cells of a block swapped": ("cells[i + k // 16, j + k // 8 % 2,", "cells[i + k // 8 % 2, j + k // 16,"),
    "blocks swapped": ("block = out[number:number + 32]", "block = out[32 * (13 * j + i):32 * (13 * j + i) + 32]"),
    "another cut-off": ("np.float32(0.2))", "np.float32(0.21))"),
    "the upper border repeats the picture": ("face[k, 0, j] = face[k, 2, j]", "face[k, 0, j] = face[k, 1, j]"),
    "the left border repeats the picture": ("face[k, i, 0] = face[k, i, 2]", "face[k, i, 0] = face[k, i, 1]"),
    "half a pixel off": ("np.float32(height / 2), np.float32(-0.5)", "np.float32(height / 2), np.float32(0)"),
    "nothing between two pixels": ("east = x - np.float32(left)", "east = np.float32(0)"),
    "a hull without its last column": ("max(first[row], 0):last[row] + 1", "max(first[row], 0):last[row]"),
    "no forehead": ("mask[0:min(marks[0, 1], marks[16, 1])", "mask[0:0"),
    "another colour outside": ("face[:, i + 1, j + 1] = 128", "face[:, i + 1, j + 1] = 127"),
    "a smaller box": ("half = 0.5 * 2.5 *", "half = 0.5 * 2.49 *"),
    "landmarks rounded": ("turning[:, None, :, 2]).astype", "turning[:, None, :, 2]).round().astype"),
}


def four_faces():
    "A face, one with hardly any contrast, one that reaches out of the photograph, and one that fills the picture."
    chosen = "faces of 112 pixels", "faint faces", "wild landmarks", "close landmarks"
    cases = [CASES[case][0]() for case in chosen]
    return torch.stack([patches[0] for patches, _ in cases]), np.stack([points[0] for _, points in cases])


def test_the_comparison_is_content_with_plain_python(monkeypatch):
    "Another arithmetic, without fused multiplications: all that differs is rounding."
    compare_descriptions(mutant(pyfeat_aus), monkeypatch, *four_faces())


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_notices(fault, monkeypatch):
    with pytest.raises(AssertionError):
        compare_descriptions(mutant(pyfeat_aus, FAULTS[fault]), monkeypatch, *four_faces())


def allowed_units(name, hog, marks):
    "The lowest and the highest units that py-feat gives if rounding moves the histograms: a tree has thresholds."
    random = np.random.default_rng(4)
    moves = 1e-6 * (hog > 0) * random.uniform(-1, 1, (2, *hog.shape)).astype(np.float32)
    units = np.stack([measured_by_py_feat(name, hog + move, marks) for move in (0, *moves, *-moves)])
    low, high = units.min(0), units.max(0)
    assert np.mean(high - low > 1e-4) < 0.02  # else the comparison would say little
    return low, high


def assert_units(found, name, hog, marks):
    low, high = allowed_units(name, hog, marks)
    apart = np.maximum(low - found, found - high)
    assert apart.max() < 1e-4, f"{(apart > 1e-4).sum()} of {found.size} units differ, by up to {apart.max():.2g}"


@pytest.mark.numeric
@pytest.mark.parametrize("name", NAMES)
def test_same_histograms_give_the_same_units(name, load):
    hog, marks = whole_way_of_py_feat(*faces(256))
    hog[:3], hog[3], hog[4:20] = 0, 1, hog[4:20] * np.random.default_rng(2).random((16, 5408))
    found = load(name).measure(hog, marks)
    assert found.dtype == np.float32 and len(np.unique(found)) >= 2
    assert_units(found, name, hog, marks)


@pytest.mark.numeric
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES)
def test_from_picture_to_units(name, size, load):
    """py-feat's classifiers say the same of our histograms; and of its own, where no tie has been decided another way.

    That the histograms of the others are right as well is said by `test_faces_are_described_as_py_feat_does`.
    """
    found, (hog, marks) = load(name)(*faces(size)), describe_faces(*faces(size))
    assert_units(found, name, hog, marks)
    expected, expected_marks = whole_way_of_py_feat(*faces(size))
    same = np.abs(hog - expected).max(1) < 1e-5
    print(f"\n{same.sum()} of {len(same)} faces have the same histograms")
    if same.any():
        assert_units(found[same], name, expected[same], expected_marks[same])


UNIT_FAULTS = {
    "left is right": ("xgb", "column[node]] < threshold", "column[node]] >= threshold"),
    "the first tree is left out": ("xgb", "in range(first[unit], ", "in range(first[unit] + 1, "),
    "another part of the face": ("xgb", '["AU01", "AU02", "AU07"], "upper"', '["AU01", "AU02", "AU07"], "lower"'),
    "no scale": ("svm", "(hog - self.mean) / self.scale)", "(hog - self.mean))"),
    "no mean of the components": ("xgb", "@ self.weights - self.shift", "@ self.weights"),
    "whitened too": ("xgb", "if pca.whiten else", "if True else"),
    "no intercept": ("svm", "@ self.weights + self.shift > 0", "@ self.weights > 0"),
    "landmarks turned round": ("xgb", "np.reshape(marks, (-1, 136))", "np.reshape(marks[..., ::-1], (-1, 136))"),
    "the unit before": ("xgb", "out[n, unit] = one", "out[n, unit - 1] = one"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", UNIT_FAULTS)
def test_the_comparison_of_units_notices(fault, load):
    (name, *change), (hog, marks) = UNIT_FAULTS[fault], whole_way_of_py_feat(*faces(256))
    found = load(name, code=mutant(pyfeat_aus, change)).measure(hog, marks)
    with pytest.raises(AssertionError, match="units differ"):
        assert_units(found, name, hog, marks)


def assert_nearly_all(found, expected):
    """Are these units of the same faces, computed twice?

    torch may invert one matrix with other last bits than many, and a gradient may point in another direction then:
    one face in twelve may have other units.
    """
    others = ~np.isclose(found, expected, rtol=0, atol=1e-4, equal_nan=True).all(1)
    assert others.mean() < 1 / 12, f"{others.sum()} of {len(others)} faces have other units"


@pytest.mark.parametrize("name", NAMES)
def test_faces_in_each_other_s_place_are_noticed(name, load):
    units = load(name)(*faces(256))
    with pytest.raises(AssertionError, match="have other units"):
        assert_nearly_all(np.roll(units, 1, 0), units)


@pytest.mark.numeric
@pytest.mark.parametrize("name", NAMES)
def test_one_by_one_is_together(name, load):
    model, (patches, points) = load(name), faces(256)
    one_by_one = np.concatenate([model(patches[i:i + 1], points[i:i + 1]) for i in range(len(points))])
    assert_nearly_all(one_by_one, model(patches, points))
    assert model(patches[:0], points[:0]).shape == (0, 20)


@pytest.mark.numeric
@pytest.mark.parametrize("name", NAMES)
def test_threads_share_one(name, load):
    model, (patches, points) = load(name), faces(256)
    expected = model(patches, points)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model(patches, points), range(12)):
            assert_nearly_all(found, expected)


@pytest.mark.numeric
@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_nan_and_nothing_else(name, load):
    model, (patches, points) = load(name), faces(256)
    broken = points.copy()
    broken[1, 30], broken[3], broken[5, :, 1], broken[7, 0, 0] = np.nan, 0.5, 0.5, np.inf
    found = model(patches, broken)
    assert np.isnan(found[[1, 3, 5, 7]]).all()
    others = np.setdiff1d(np.arange(len(points)), [1, 3, 5, 7])
    assert_nearly_all(found[others], model(patches, points)[others])
    hog, marks = describe_faces(patches, points)
    hog[2, 17], expected = np.nan, model.measure(hog, marks)
    found = model.measure(hog, marks)
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(expected, 2, 0), atol=1e-6)


def changed(name, **changes):
    "The classifiers with another one for AU12, or with another attribute."
    stored = classifiers(name)
    made = type(stored)()
    made.__dict__ |= stored.__dict__ | {key: value for key, value in changes.items() if key != "AU12"}
    if "AU12" in changes:
        made.classifiers = stored.classifiers | {"AU12": changes["AU12"]}
    return made


@functools.cache
def inputs():
    hog, marks = whole_way_of_py_feat(*faces(TRAINED_ON))
    made = classifiers("xgb")
    return made.pca_transform(hog, made.scaler_full, made.pca_model_full, marks.reshape(-1, 136)), np.arange(60) % 2


@pytest.mark.numeric
def test_early_stopping_is_heeded(load):
    from xgboost import XGBClassifier

    X, y = inputs()
    early = XGBClassifier(n_estimators=50, max_depth=2, n_jobs=1, early_stopping_rounds=5, num_parallel_tree=2, subsample=0.7)
    early.fit(X[:40], y[:40], eval_set=[(X[40:], y[40:])], verbose=False)
    assert early.best_iteration + 1 < early.get_booster().num_boosted_rounds()
    stored, (hog, marks) = changed("xgb", AU12=early), whole_way_of_py_feat(*faces(256))
    np.testing.assert_allclose(load("xgb", stored).measure(hog, marks), stored.detect_au(frame=hog, landmarks=[marks]), atol=1e-6)


@pytest.mark.parametrize("options, found", [
    (dict(booster="dart"), "booster 'dart'"), (dict(objective="binary:hinge"), "objective 'binary:hinge'"),
    (dict(missing=0.0), "0.0 for missing values"),
])
def test_other_boosters_are_refused(options, found, load):
    from xgboost import XGBClassifier

    other = XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1, **options).fit(*inputs())
    with pytest.raises(ValueError, match=f"AU12 has .*{found}.*another au_model"):
        load("xgb", changed("xgb", AU12=other))


def test_other_classifiers_are_refused(load):
    from sklearn.svm import SVC

    with pytest.raises(ValueError, match="AU12 has a SVC"):
        load("svm", changed("svm", AU12=SVC().fit(*inputs())))
    with pytest.raises(ValueError, match="a calibrator"):
        load("xgb", changed("xgb", calibrators={"AU12": None}))


def test_nodes_that_form_no_tree_are_refused(load, monkeypatch):
    "A way through the nodes that leads back to itself would have no end."
    read = pyfeat_aus._read_booster

    def in_a_circle(au, classifier):
        trees, start = read(au, classifier)
        parent = next(i for i, left in enumerate(trees[0]["left_children"]) if left > 0)
        trees[0]["left_children"][parent] = 0
        return trees, start

    monkeypatch.setattr(pyfeat_aus, "_read_booster", in_a_circle)
    with pytest.raises(ValueError, match="AU01 has nodes that form no tree"):
        load("xgb")
