"""py-feat's multitask network and its regression from blendshapes: real loading, hostile files, and a run."""
import inspect
import io
import json
import os
import pickle
import shutil
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save as as_safetensors

from mexca_video import FaceExtractor, check_features, load, save, to_table
from mexca_video.extraction.extractor import EMBEDDED
from mexca_video.faces import multitask
from mexca_video.faces.action_units import BlendshapeRegression, load_au_classifier, measure_units
from mexca_video.faces.crops import cut_regions
from mexca_video.faces.multitask import EXPRESSION_VARIABLES, Multitask, angles_of_vectors, square_regions
from mexca_video.models.fetch import fetch_model
from mexca_video.models.imports import import_feat
from mexca_video.models.registry import MODELS, ModelError, find_model
from mexca_video.models.weights import read_regression, read_safetensors
from mexca_video.schema import AU_NAMES, BLENDSHAPE_NAMES, EXPRESSIONS

from seed_models import PLAN, multitask_file, multitask_weights, regression_arrays, regression_file, serve

FILE = MODELS["multitask"].file
PLS = MODELS["blendshapes_pls"].file


@pytest.fixture
def put(cache):
    "Put bytes into the cache under the name of a model's file."
    def place(data, name="multitask"):
        cache.mkdir(exist_ok=True)
        (cache / MODELS[name].file).write_bytes(data)
        return str(cache / MODELS[name].file)
    return place


def crops(count, seed=1):
    return torch.rand(count, 3, 256, 256, generator=torch.Generator().manual_seed(seed))


def compare(ours, theirs, eps=1e-4):
    "Readings against py-feat's `MultitaskOutput`."
    units = [theirs.au_names.index(au) for au in AU_NAMES]
    names = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger")
    categories = [theirs.emotion_names.index(name) for name in names]
    assert [name[:3].lower() for name in names] == ["neu", "hap", "sad", "sur", "fea", "dis", "ang"]
    pairs = [(ours.aus, theirs.au[:, units]), (ours.expressions, theirs.emotion[:, categories]), (ours.valence, theirs.valence),
             (ours.arousal, theirs.arousal), (ours.gaze, theirs.gaze), (ours.pose, theirs.pose), (ours.mesh, theirs.mesh478),
             (ours.blendshapes, theirs.blendshapes)]
    for found, wanted in pairs: np.testing.assert_allclose(found, wanted, rtol=0, atol=eps)


# ---- the network ----

@pytest.mark.numeric
def test_from_the_hub_as_py_feat(hub, cache):
    serve(hub, "multitask")
    model = Multitask()
    narrow = "SSE41" in os.environ.get("ONEDNN_MAX_CPU_ISA", "")  # there OpenVINO does not read it, and torch runs it
    assert (model.compiled is not None or narrow) and (cache / FILE).is_file()
    theirs = import_feat("multitask.inference").MultitaskModel(weights_path=str(cache / FILE))
    pictures = crops(3)
    ours = model(pictures)
    assert ours.aus.max() > 0.01 and ours.aus.std(0).max() > 0 and ours.gaze.std(0).max() > 0
    compare(ours, theirs(pictures))
    for i in range(3): # one by one as together
        for one, all_ in zip(model(pictures[i:i + 1]), ours): np.testing.assert_allclose(one[0], all_[i], rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.numeric
@pytest.mark.parametrize("change", [
    dict(gaze_bins=0, gaze_head_frame=True, gaze_hidden=16, gaze_eye_box_frac=0.3),
    dict(gaze_eye_roi=False, gaze_pose_6d=False, gaze_bins=0, emotion_use_au_prob=False),
    dict(n_au=24, n_emotion=8, n_blendshape=0, gaze_eye_roi_size=7),
    dict(drop_mefl=False, gaze_eye_roi=False),
])
def test_other_plans_as_py_feat(change, put):
    path = put(multitask_file(**change))
    compare(Multitask()(crops(2)), import_feat("multitask.inference").MultitaskModel(weights_path=path)(crops(2)))


@pytest.mark.slow
def test_engines(put):
    put(multitask_file())
    exact = Multitask(engine="exact")(crops(2))
    for found, wanted in zip(Multitask(engine="fast")(crops(2)), exact):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=0.1)


@pytest.mark.slow
def test_without_openvino(put, monkeypatch):
    "Where OpenVINO does not read the network, torch runs it, and says so."
    path = put(multitask_file())
    def refuse(*args): raise RuntimeError("Check failed\nat some place")
    monkeypatch.setattr(multitask, "compile_module", refuse)
    with pytest.warns(UserWarning, match="OpenVINO does not read this network .Check failed.; torch runs it"): model = Multitask()
    compare(model(crops(2)), import_feat("multitask.inference").MultitaskModel(weights_path=path)(crops(2)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu(put):
    path = put(multitask_file())
    theirs = import_feat("multitask.inference").MultitaskModel(weights_path=path)(crops(2))
    compare(Multitask("cuda")(crops(2)), theirs, 1e-2)


@pytest.mark.numeric
def test_crops_as_py_feat():
    "Boxes inside, over each edge, larger than the picture, and smaller than a pixel."
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    boxes = np.array([[20.3, 10.1, 61.7, 70.2], [-30, -9, 25, 31], [100, 60, 160, 99], [-200, -90, 300, 200],
                      [5, 5, 5.2, 5.3]], np.float32)
    frame = torch.tensor(picture).permute(2, 0, 1)[None].float() / 255
    cut = import_feat("utils.image_operations").extract_face_square_pad_torch
    theirs, places = cut(frame, torch.tensor(boxes), face_size=256, expand_bbox=1.2)
    regions = square_regions(boxes)
    np.testing.assert_allclose(cut_regions(picture, regions, 256, "reflection"), theirs, rtol=0, atol=1e-3)
    np.testing.assert_allclose(regions[:, :2] - regions[:, 2:3] / 2 - 0.5, places[:, :2], rtol=0, atol=1e-4)


def test_angles_have_the_signs_of_the_schema():
    "A head (x right, y down, z away) that is turned: where its nose and its top go."
    def turn(vector):
        matrix = import_feat("multitask.heads_v26").rodrigues(torch.tensor([vector], dtype=torch.float32))[0].numpy()
        return matrix @ [0, 0, -1], matrix @ [0, -1, 0] # nose, top
    (pitch, yaw, roll), = angles_of_vectors([[-0.3, 0, 0]])
    assert pitch > 0 and yaw == roll == 0 and turn([-0.3, 0, 0])[0][1] < 0 # the nose goes up
    (pitch, yaw, roll), = angles_of_vectors([[0, -0.3, 0]])
    assert yaw > 0 and turn([0, -0.3, 0])[0][0] > 0 # the subject's left is on the right of the picture
    (pitch, yaw, roll), = angles_of_vectors([[0, 0, 0.3]])
    assert roll > 0 and turn([0, 0, 0.3])[1][0] > 0


# ---- files that are not what they say ----

class Intruder:
    def __init__(self, path): self.path = path

    def __reduce__(self): return shutil.rmtree, (self.path,)


def plan_of(**changes): return {"config": json.dumps(PLAN | changes)}


def damaged(what, folder):
    "Bytes of a file that is not the network."
    _, weights = multitask_weights()
    if what == "pickle": return pickle.dumps(Intruder(folder))
    if what == "pt":
        data = io.BytesIO()
        torch.save({"config": PLAN, "model": Intruder(folder)}, data)
        return data.getvalue()
    if what == "cut": return as_safetensors(weights, plan_of())[:-1000]
    if what == "empty": return b""
    if what == "header": return (2**62).to_bytes(8, "little") + b"{}"
    if what == "no plan": return as_safetensors(weights)
    if what == "plan is no JSON": return as_safetensors(weights, {"config": "{'n_au': 20}"})
    if what == "plan is a list": return as_safetensors(weights, {"config": "[20, 7]"})
    if what == "lacks": return as_safetensors({k: v for k, v in weights.items() if not k.startswith("pose.")}, plan_of())
    if what == "more": return as_safetensors(weights | {"secret": torch.zeros(3)}, plan_of())
    if what == "shape": return as_safetensors(weights | {"sc.s": torch.zeros(20, 3)}, plan_of())
    if what == "type": return as_safetensors(weights | {"sc.s": torch.zeros_like(weights["sc.s"], dtype=torch.int32)}, plan_of())
    if what == "infinite": return as_safetensors(weights | {"sc.s": torch.full_like(weights["sc.s"], torch.inf)}, plan_of())
    return as_safetensors(weights, plan_of(**json.loads(what)))


@pytest.mark.parametrize("what, said", [
    ("pickle", "cannot be read"), ("pt", "cannot be read"), ("cut", "cannot be read"), ("empty", "cannot be read"),
    ("header", "cannot be read"), ("no plan", "has no plan"), ("plan is no JSON", "cannot be read"),
    ("plan is a list", "is a list, not a JSON object"), ("lacks", "lacks 6 tensors, such as pose.mlp.0.bias"),
    pytest.param("more", "unknown 1 tensors, such as secret", marks=pytest.mark.slow),
    ("shape", "sc.s is .20, 3."),
    pytest.param("type", "sc.s is .* of torch.int32", marks=pytest.mark.slow),
    ("infinite", "sc.s holds numbers that are not finite"),
    ('{"backbone": "hf-hub:somebody/network"}', "backbone='hf-hub:somebody/network'"),
    ('{"backbone": "local-dir:/etc"}', "backbone='local-dir:/etc'"), ('{"backbone": 7}', "backbone=7"),
    ('{"afg_channels": 1000000000}', "afg_channels=1000000000"), ('{"n_au": 21}', "n_au=21"), ('{"n_au": true}', "n_au=True"),
    ('{"mesh_normalized": false}', "mesh_normalized=False"),
    pytest.param('{"gaze_bins": 45}', "is .*, expected is", marks=pytest.mark.slow),
    pytest.param('{"gaze_head_frame": true}', "mutually exclusive", marks=pytest.mark.slow),
    ('{"drop_path_rate": NaN}', "drop_path_rate=nan"),
])
def test_a_file_that_is_not_the_network(what, said, put, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    put(damaged(what, str(kept)))
    with pytest.raises(ModelError, match=said) as error: Multitask()
    assert FILE in str(error.value) and kept.is_dir()


def test_reader_of_the_network(put):
    put(multitask_file())
    plan, weights = read_safetensors("multitask")
    assert plan["n_au"] == 20 and weights["sc.s"].shape == (20, 64)
    with pytest.raises(ModelError, match="reads multitask"): read_safetensors("blendshapes_pls")


# ---- the regression ----

@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_regression_from_the_hub_as_py_feat(hub, cache, monkeypatch, tmp_path, save):
    hub.add_hub_file("py-feat/bs_to_au", PLS, regression_file(save=save))
    weights, constants = read_regression("blendshapes_pls")
    feat = import_feat("utils.blendshape_to_au")
    monkeypatch.setattr(feat, "hf_hub_download", lambda **place: str(cache / place["filename"]))
    monkeypatch.setattr(feat, "get_resource_path", lambda: str(tmp_path))
    monkeypatch.setattr(feat, "_PLS_WEIGHTS", None)
    shapes = np.random.default_rng(3).uniform(size=(40, 52)).astype(np.float32)
    names = regression_arrays()
    theirs = feat.pls_predict_batch(shapes[:, [BLENDSHAPE_NAMES.index(name) for name in names["bs_columns"]]])
    ours = np.clip(shapes @ weights + constants, 0, 1)
    assert 0 < ours.mean() < 1
    np.testing.assert_allclose(ours[:, [AU_NAMES.index(name) for name in names["au_columns"]]], theirs, rtol=0, atol=1e-5)


def test_blendshapes_are_those_of_py_feat():
    assert sorted(import_feat("utils").MP_BLENDSHAPE_NAMES) == sorted(BLENDSHAPE_NAMES)


def test_regression_measures(embedded_cache):
    (embedded_cache / PLS).write_bytes(regression_file())
    model = load_au_classifier("blendshapes_pls")
    assert isinstance(model, BlendshapeRegression)
    mesh = np.random.default_rng(0).uniform(size=(3, 478, 2))
    regions = np.array([[100, 100, 80, 0.1]] * 3)
    aus = measure_units(model, None, None, regions, mesh)["face_aus"]
    assert aus.shape == (3, 20) and aus.dtype == np.float32 and ((aus >= 0) & (aus <= 1)).all()


@pytest.mark.parametrize("what, change, said", [
    ("shape", dict(coef=np.zeros((20, 52))), "expected is .52, 20."),
    ("objects", dict(intercept=np.array([{}] * 20)), "of object"),
    ("texts", dict(intercept=np.array(["1"] * 20)), "intercept has the shape .20,. of <U1"),
    ("infinite", dict(intercept=np.full(20, np.inf)), "not finite"),
    ("names", dict(bs_columns=np.array([f"bs_{i}" for i in range(52)])), "not the 52 that are expected"),
    ("twice", dict(au_columns=np.array(["AU01"] * 20)), "not the 20 that are expected"),
    ("lacks", dict(coef=None), "coef"),
])
def test_a_file_that_is_not_the_regression(what, change, said, put):
    arrays = {key: value for key, value in (regression_arrays() | change).items() if value is not None}
    put(regression_file(arrays), "blendshapes_pls")
    with pytest.raises(ModelError, match=said) as error: read_regression("blendshapes_pls")
    assert PLS in str(error.value)


def test_other_bytes_under_the_name_of_the_regression(put, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    whole = regression_file()
    liar = io.BytesIO()
    np.lib.format.write_array_header_1_0(liar, dict(descr="<f8", fortran_order=False, shape=(52, 20)))
    import zipfile
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive: archive.writestr("coef.npy", liar.getvalue())
    for data in (pickle.dumps(Intruder(str(kept))), b"", whole[:200], packed.getvalue(),
                 regression_file(regression_arrays() | dict(more=np.zeros(300_000)), np.savez_compressed)):
        put(data, "blendshapes_pls")
        with pytest.raises(ModelError, match="cannot be read") as error: read_regression("blendshapes_pls")
        assert PLS in str(error.value) and kept.is_dir()


# ---- only if it is asked for ----

def test_never_a_default():
    defaults = {name: option.default for name, option in inspect.signature(FaceExtractor).parameters.items()}
    for models in (defaults, EMBEDDED): assert models["au_model"] in ("xgb", "blendshapes")
    assert "Article 5(1)(f)" in MODELS["multitask"].notice and "non-commercial" in MODELS["multitask"].licence
    with pytest.raises(ValueError, match="both are one network"): FaceExtractor(1, landmark_model="multitask")
    with pytest.raises(ValueError, match="'facemesh', since au_model='blendshapes_pls'"):
        FaceExtractor(1, landmark_model="mobilefacenet", au_model="blendshapes_pls")


# ---- a run ----

@pytest.fixture
def embedded_cache(tmp_path, monkeypatch):
    "A cache of the test with the embedded models; the user's own is read, never written."
    folder = tmp_path / "cache"
    folder.mkdir()
    for name in ("sface", "facemesh"):
        try: shutil.copy(find_model(name) or fetch_model(name, show_progress=False), folder)
        except ModelError as error: pytest.skip(f"the embedded models are not here and cannot be fetched: {error}")
    monkeypatch.setenv("MEXCA_VIDEO_CACHE", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("landmarks", ["facemesh", "multitask", None])
def test_a_run(embedded_cache, clip, tmp_path, landmarks, monkeypatch):
    from mexca_video.extraction import chunks

    monkeypatch.setattr(chunks, "CHUNK_FRAMES", 2)
    (embedded_cache / FILE).write_bytes(multitask_file())
    options = dict(process_subclip=(0, 0.25), show_progress=False, skip_frames=2)
    extractor = FaceExtractor.embedded(1, au_model="multitask", landmark_model=landmarks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = extractor.apply(clip, checkpoint=tmp_path / "checkpoint", **options)
        broken = FaceExtractor.embedded(1, au_model="multitask", landmark_model=landmarks)
        (sorted((tmp_path / "checkpoint").glob("*.npz"))[-1]).unlink() # as if the run had been stopped before
        again = broken.apply(clip, checkpoint=tmp_path / "checkpoint", **options)
    assert check_features(ds) == []
    assert ds.equals(again)
    assert ds.equals(load(save(ds, tmp_path / "result.nc")))
    there = ds.face_prob.notnull()
    assert there.any()
    for name in EXPRESSION_VARIABLES: assert (ds[name].notnull().all([d for d in ds[name].dims[2:]]) == there).all()
    np.testing.assert_allclose(ds.face_expression.sum("expression").where(there).values[there.values], 1, atol=1e-5)
    assert tuple(ds.expression.values) == EXPRESSIONS
    assert "face_pose" in ds and ("eye_gaze" in ds) == (landmarks == "facemesh")
    assert ds.face_landmarks.notnull().any() == (landmarks is not None)
    assert ds.attrs["au_scale"] == MODELS["multitask"].scale
    names = [model["name"] for model in json.loads(ds.attrs["models"])]
    assert names.count("multitask") == 1 and len(names) == len(set(names))
    table = to_table(ds)
    assert {"face_expression_anger", "face_valence", "face_arousal"} <= set(table.columns)
    _extract_as_the_run(extractor, clip, ds, landmarks)


def _extract_as_the_run(extractor, clip, ds, landmarks):
    from mexca_video.video import VideoDataset

    with VideoDataset(str(clip)) as video: frame = video[int(ds.frame[0])]["Image"].numpy()
    _, boxes, _, points = extractor.detect(frame, return_points=True)
    found, aus = extractor.extract(frame, boxes, points=points)
    assert aus[0].shape == (len(boxes[0]), 20) and np.isfinite(aus[0]).all()
    np.testing.assert_allclose(np.sort(aus[0], 0), np.sort(ds.face_aus[0].dropna("face").values, 0), atol=1e-4)
    assert (found[0] is None) == (landmarks is None)


@pytest.mark.slow
def test_the_face_mesh_takes_back_what_it_does_not_see(embedded_cache):
    from mexca_video.extraction.extractor import _measure_frame

    (embedded_cache / FILE).write_bytes(multitask_file())
    extractor = FaceExtractor.embedded(1, au_model="multitask")
    wall = np.full((200, 200, 3), 120, np.uint8)
    found = _measure_frame(extractor, wall, np.array([[50, 50, 150, 150]]), np.array([[[80, 90], [120, 90]]]), {})
    assert found["presence"][0] < 0
    for name in EXPRESSION_VARIABLES: assert np.isnan(found[name]).all()
