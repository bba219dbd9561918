"""The commands as a shell sees them."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mexca_video import load
from mexca_video.samples import sample_path

BIN = Path(sys.executable).parent
QUICK = ["--embedded", "--process-subclip", "0", "0.2", "--show-progress", "false"]


def run(*words, command="extract-faces"):
    done = subprocess.run([BIN / command, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr
    return done


def heavy_modules(code):
    code += "\nimport sys; print(sorted({'torch', 'openvino', 'xarray', 'feat', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def test_importing_and_helping_load_nothing_heavy():
    assert heavy_modules("import mexca_video") == "[]"
    assert heavy_modules("import mexca_video.cli\ntry: mexca_video.cli.cli(['--help'])\nexcept SystemExit: pass") == "[]"


def test_every_public_name_is_there():
    code = "import mexca_video as m; [getattr(m, n) for n in m.__all__]; print('all there')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "all there\n"


def test_help_and_version():
    text = run("--help").stdout
    for option in ("--num-faces", "--min-face-size", "--thresholds", "--factor", "--post-process", "--select-largest", "--selection-method",
                   "--keep-all", "--device", "--max-cluster-frames", "--embeddings-model", "--au-model", "--landmark-model", "--batch-size",
                   "--skip-frames", "--process-subclip", "--show-progress", "--filepath", "--outdir", "--embedded", "--output-format"):
        assert option in text
    assert run("--version").stdout.startswith("extract-faces 0.")


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    "Two good files and two bad ones in one call."
    folder = tmp_path_factory.mktemp("several")
    bad = folder / "a text.mp4"
    bad.write_text("no video in here")
    done = run("-f", sample_path("single_face"), bad, "-f", folder / "missing.mp4", sample_path("no_face"), *QUICK,
               "--num-faces", 1, "--output-format", "nc,csv", "-o", folder / "new" / "out")
    return done, folder


def test_one_bad_file_does_not_stop_the_others(several):
    done, folder = several
    out = folder / "new" / "out"
    assert done.returncode == 1
    assert done.stdout.split() == [str(out / name) for name in ("single_face.nc", "single_face.csv", "no_face.nc", "no_face.csv")]
    assert sorted(p.name for p in out.iterdir()) == ["no_face.csv", "no_face.nc", "single_face.csv", "single_face.nc"]
    last = done.stderr.splitlines()[-3:]
    assert last[0] == "extract-faces: 2 of 4 files failed:" and "a text.mp4" in last[1] and "missing.mp4" in last[2]


def test_what_was_written_can_be_read(several):
    import pandas as pd

    out = several[1] / "new" / "out"
    ds = load(out / "single_face.nc")
    assert ds.sizes["frame"] == 6 and json.loads(ds.attrs["arguments"])["num_faces"] == 1
    table = pd.read_csv(out / "single_face.csv")
    assert len(table) == 6 and list(table.columns[:4]) == ["frame", "time", "face", "face_name"]
    assert load(out / "no_face.nc").sizes["face"] == 0


def test_progress_goes_to_standard_error(tmp_path):
    done = run("-f", sample_path("single_face"), "--embedded", "--process-subclip", "0", "0.1", "-o", tmp_path)
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'single_face.nc'}\n" and "3/3" in done.stderr


@pytest.mark.parametrize("words, status, said", [
    ([], 2, "-f/--filepath"),
    (["-f", "a.mp4", "--num-faces", "none at all"], 2, "num-faces"),
    (["-f", "a.mp4", "--num-faces", "0"], 2, "num_faces=0"),
    (["-f", "a.mp4", "--au-model", "blendshapes"], 2, "reads its 478 points"),
    (["-f", "a.mp4", "--output-format", "xlsx"], 2, "nc,csv"),
    (["-f", "a.mp4", "b/a.mov"], 2, "same place"),
    (["-f", "missing.mp4", "--embedded"], 1, "missing.mp4"),
])
def test_wrong_words(words, status, said, tmp_path):
    done = run(*words, *(["-o", tmp_path] if words else []))
    assert done.returncode == status and said in done.stderr and done.stdout == ""


def test_models_and_fetch(monkeypatch):
    listed = run("models", command="mexca-video").stdout
    assert "blendshapes" in listed and "vggface2" in listed and "MIT" in listed
    records = json.loads(run("models", "--json", command="mexca-video").stdout)
    assert {"name", "sha256", "citation", "trained_on"} <= set(records[0])
    path = run("fetch", "sface", command="mexca-video").stdout.strip()
    assert Path(path).is_file()
    monkeypatch.setenv("MEXCA_VIDEO_OFFLINE", "1")
    done = run("fetch", "resnet", command="mexca-video")
    assert done.returncode == 1 and "resnet" in done.stderr
