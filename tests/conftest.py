"""What several test files share: a cache and a hub of their own, and the sample clip run through the pipeline once."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "helpers"), str(HERE.parent / "tools")]

from mexca_video.models import registry as models  # noqa: E402

from hub import Hub  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "numeric: compares numbers of libraries; has to pass on every processor")
    config.addinivalue_line("markers", "slow: takes long; `make test-all` runs it, `make test` does not")


@pytest.fixture(autouse=True)
def traceless():
    "No test leaves to its neighbours another folder, another number of threads, or py-feat's classes in `__main__`."
    main = vars(sys.modules["__main__"])
    before = Path.cwd(), os.environ.get("OMP_NUM_THREADS")
    yield
    classes = [name for name in ("XGBClassifier", "SVMClassifier", "EmoSVMClassifier") if main.pop(name, None)]
    assert not classes
    assert (Path.cwd(), os.environ.get("OMP_NUM_THREADS")) == before


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty cache, and no other place where a model could be found."
    import huggingface_hub.constants

    for key in ("MEXCA_VIDEO_OFFLINE", "HF_ENDPOINT", "MEXCA_VIDEO_GITHUB"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("MEXCA_VIDEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    folder = models._package_folder
    monkeypatch.setattr(models, "_package_folder", lambda package, *parts: (
        tmp_path / "feat" if package == "feat" else folder(package, *parts)))
    return tmp_path / "cache"


@pytest.fixture
def hub(cache, monkeypatch):
    with Hub() as server:
        for key, value in server.env.items():
            monkeypatch.setenv(key, value)
        yield server


@pytest.fixture(scope="session")
def clip():
    from mexca_video.samples import sample_clip

    return sample_clip()


@pytest.fixture(scope="session")
def features(clip):
    "The sample clip with the embedded models; nobody says how many people there are."
    from mexca_video import FaceExtractor

    return FaceExtractor.embedded().apply(clip, show_progress=False, return_embeddings=True)
