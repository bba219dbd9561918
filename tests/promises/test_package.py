"""What goes with the package: names for editors, citation, changelog, the wheel by itself."""
import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from configparser import ConfigParser

import pytest
import stub
import yaml

import mexca_video
from mexca_video import cite, demo_features, load
from mexca_video.citing import SPECTRAL
from mexca_video.models.registry import MODELS
from mexca_video.schema import ATTRIBUTES

from places import DATA, ROOT

CONFIG = ConfigParser(delimiters=["="])
CONFIG.read(ROOT / "settings.ini", encoding="utf-8")
SETTINGS = CONFIG["DEFAULT"]
FILES = (
    "settings.ini", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "CITATION.cff",
)


def test_editors_read_the_same_names():
    assert stub.FILE.read_text(encoding="utf-8") == stub.make(), "run `make readme`"
    names = set()
    for node in ast.walk(ast.parse(stub.FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom): names |= {(alias.asname, node.module) for alias in node.names}
    home = {(name, module) for module, names in mexca_video._HOME.items() for name in names}
    assert names == home | {(module, None) for module in mexca_video._MODULES}
    assert {name for name, module in names if module} == set(mexca_video.__all__) - {"__version__"}


def test_citation_file_names_us_and_every_model():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert found["cff-version"] == "1.2.0" and found["type"] == "software"
    assert {"message", "title", "authors"} <= set(found)
    assert (found["version"], found["repository-code"]) == (SETTINGS["version"], SETTINGS["git_url"])
    for reference in found["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference), reference["title"]
    named = {entry.get("doi") or entry["identifiers"][0]["value"] for entry in found["references"]}
    asked = " ".join([*(model.citation for model in MODELS.values()), SPECTRAL])
    papers = re.findall(r"(?<=doi:)\S+|arXiv:\S+", asked)
    assert named == {paper.rstrip(".") for paper in papers}


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.nc")))
def test_results_of_every_version_can_be_cited(name):
    found = cite(load(DATA / name))
    assert len(found.references) == 5 + ("first" in name) and found.references[0].startswith("mexca_video")
    assert "MTCNN (Zhang et al., 2016" in found.methods and "thresholds 0.6, 0.7, 0.7" in found.methods
    assert "None" not in found.methods and ".." not in found.methods and "  " not in found.methods


def test_what_a_result_does_not_say_is_left_out():
    ds = demo_features()
    bare = ds.assign_attrs(arguments="{}", software="{}", identification="", au_scale="")
    for name in list(bare.attrs):
        if name.startswith("video_"): del bare.attrs[name]
    assert cite(bare).methods == "A video was analysed with mexca_video."
    for models in ('{"name": 1}', "[1]", "", "null"):
        with pytest.raises(ValueError, match="attribute models"): cite(ds.assign_attrs(models=models))
    assert json.dumps(cite(ds))


def test_changelog_says_whether_numbers_change():
    parts = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert any(part.startswith(SETTINGS["version"]) for part in parts)
    assert all("**Do numbers change?**" in part for part in parts)


def test_forms_and_environment_say_what_is_true():
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    required = {field.get("id") for field in form["body"] if field.get("validations", {}).get("required")}
    assert {"software", "models"} <= required & set(ATTRIBUTES)
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert f"python={SETTINGS['min_python']}" in environment and "." in environment[-1]["pip"]


def lacking():
    "What building a wheel needs; a folder called build is no package."
    found = {name: importlib.util.find_spec(name) for name in ("build", "twine", "setuptools")}
    return ", ".join(name for name, spec in found.items() if not spec or not spec.origin)


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    "Source distribution and wheel, the second made from the first."
    if missing := lacking(): pytest.skip(f"needs the packages {missing}")
    source = tmp_path_factory.mktemp("source")
    for name in FILES: shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "mexca_video", source / "mexca_video", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", source / "dist", source]
    done = subprocess.run(command, capture_output=True, text=True, cwd=source)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return sorted((source / "dist").iterdir())


@pytest.mark.slow
def test_source_and_wheel_are_fit_to_publish(dist):
    assert [path.suffix for path in dist] == [".whl", ".gz"] or [path.suffix for path in dist] == [".gz", ".whl"]
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *dist], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    wheel = next(path for path in dist if path.suffix == ".whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"mexca_video/py.typed", "mexca_video/__init__.pyi"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"mexca_video", f"mexca_video-{SETTINGS['version']}.dist-info"}
    files = [path for path in (ROOT / "mexca_video").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert not sorted({path.relative_to(ROOT).as_posix() for path in files} - set(names))


@pytest.mark.slow
def test_the_wheel_alone_runs_the_demo(dist, tmp_path):
    "In an environment that has what the wheel needs, but neither this folder nor an editable installation."
    wheel = next(path for path in dist if path.suffix == ".whl")
    venv.create(tmp_path / "env", with_pip=False)
    bin_ = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    folder = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "env")})
    install = [sys.executable, "-m", "pip", "--python", bin_ / "python", "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, cwd=tmp_path)
    with open(os.path.join(folder, "needed.pth"), "w") as file:  # .pth files in the folders that it names are not read
        file.write("\n".join(path for path in sys.path if path.endswith("site-packages")))
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    how = dict(env=env, cwd=tmp_path, capture_output=True, text=True)
    where = subprocess.run([bin_ / "python", "-c", "import mexca_video; print(mexca_video.__file__)"], **how)
    assert where.stdout.startswith(str(tmp_path / "env")), where.stderr
    done = subprocess.run([bin_ / "mexca-video", "demo", "--outdir", tmp_path / "out"], **how)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {"sample.nc", "sample.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert load(tmp_path / "out" / "sample.nc").sizes["face"] == 3
