"""What is installed from the wheel alone: every module, the viewers' files, and a viewer that opens."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest

from places import NBS, ROOT

pytestmark = pytest.mark.slow
PACKAGE = ROOT / "mexca_video"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

OPEN = """
import json
from pathlib import Path

import mexca_video
from mexca_video import sample_clip, view_detections, view_faces, view_timeline
from mexca_video.files import file_sha256
from mexca_video.viewers.widgets import STATIC

clip = sample_clip()
known = dict(video_file=clip.name, video_size_bytes=clip.stat().st_size, video_sha256=file_sha256(clip))
known |= dict(video_width=640, video_height=360)
ds = mexca_video.demo_features(n_frames=50, n_faces=2).assign_attrs(known)
viewer = view_detections(ds, clip)
viewer.frame = 100
script = str(viewer.picture.get_state()["_esm"])
opened = [len(one.children) for one in (viewer, view_timeline(ds, clip), view_faces(ds, clip))]
places = dict(package=mexca_video.__file__, static=str(STATIC))
same = script == (STATIC / "picture.js").read_text("utf-8")
message = viewer.message.value
print(json.dumps(places | dict(same=same, jpeg=len(viewer.picture.image), message=message, opened=opened)))
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    "Built from a copy, so that no `build` folder stays and none of old files is taken up."
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy.mkdir()
    for name in ("setup.py", "settings.ini", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        if (ROOT / name).exists(): shutil.copy(ROOT / name, copy)
    shutil.copytree(PACKAGE, copy / "mexca_video", ignore=shutil.ignore_patterns("__pycache__"))
    here = ["--no-build-isolation"] if find_spec("setuptools") else []  # otherwise pip fetches it
    run(*PIP, "wheel", "--quiet", "--no-deps", *here, "--wheel-dir", folder, copy)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file(wheel):
    with zipfile.ZipFile(wheel) as file: held = set(file.namelist())
    there = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len([path for path in there if path.suffix in (".js", ".css")]) >= 7
    assert sorted(str(path.relative_to(ROOT)) for path in there if str(path.relative_to(ROOT)) not in held) == []
    foreign = {name.split("/")[0] for name in held}
    assert foreign == {"mexca_video", next(name for name in foreign if name.endswith(".dist-info"))}
    assert any(NBS.rglob("*.ipynb")) and not any(name.endswith(".ipynb") for name in held)


def test_a_viewer_opens_from_the_wheel(wheel, tmp_path):
    "Installed into an empty folder and run from another one, so that no file of the sources can be read."
    target = tmp_path / "installed"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(*PIP, "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel)
    env = os.environ | {"PYTHONPATH": str(target)}
    said = json.loads(run(sys.executable, "-c", OPEN, cwd=elsewhere, env=env).splitlines()[-1])
    assert said["package"].startswith(str(target)) and said["static"].startswith(str(target))
    assert said["same"] and said["jpeg"] > 10_000 and said["message"] == ""
    assert all(n > 1 for n in said["opened"])
