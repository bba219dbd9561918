"""The commands as a shell sees them."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest

from mexca_video import FaceExtractor, demo_features, load, rename_faces, save, to_csv
from mexca_video.cli import _warnings_as_lines, cli, main, summarize
from mexca_video.extraction.chunks import Checkpoint
from mexca_video.extraction.doubts import DoubtWarning, describe_doubts
from mexca_video.extraction.stream import FaceStream
from mexca_video.samples import sample_clip, sample_path

from places import DATA

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_bad_file_does_not_stop_the_others(several):
    done, folder = several
    out = folder / "new" / "out"
    assert done.returncode == 1
    assert done.stdout.split() == [str(out / name) for name in ("single_face.nc", "single_face.csv", "no_face.nc", "no_face.csv")]
    assert sorted(p.name for p in out.iterdir()) == ["no_face.csv", "no_face.nc", "single_face.csv", "single_face.nc"]
    last = done.stderr.splitlines()[-3:]
    assert last[0] == "extract-faces: 2 of 4 files failed:" and "a text.mp4" in last[1] and "missing.mp4" in last[2]


@pytest.mark.slow
def test_what_was_written_can_be_read(several):
    out = several[1] / "new" / "out"
    ds = load(out / "single_face.nc")
    assert ds.sizes["frame"] == 6 and json.loads(ds.attrs["arguments"])["num_faces"] == 1
    table = pd.read_csv(out / "single_face.csv")
    assert len(table) == 6 and list(table.columns[:4]) == ["frame", "time", "face", "face_name"]
    assert load(out / "no_face.nc").sizes["face"] == 0


@pytest.mark.slow
def test_progress_goes_to_standard_error(tmp_path):
    done = run("-f", sample_path("single_face"), "--embedded", "--process-subclip", "0", "0.1", "-o", tmp_path)
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'single_face.nc'}\n" and "3/3" in done.stderr


@pytest.mark.parametrize("words, status, said", [
    ([], 2, "-f/--filepath"),
    (["-f", "a.mp4", "--num-faces", "none at all"], 2, "num-faces"),
    (["-f", "a.mp4", "--num-faces", "0"], 2, "num_faces=0"),
    (["-f", "a.mp4", "--au-model", "blendshapes"], 2, "reads its 478 points"),
    (["-f", "a.mp4", "--output-format", "xlsx"], 2, "nc,csv"),
    (["-f", "friday/*.mp4"], 2, "--filepath friday/*.mp4: no file matches this pattern"),
    (["-f", "a.mp4", "x/[ab]?.mov"], 2, "--filepath x/[ab]?.mov: no file matches"),
    (["-f", str(DATA)], 2, "tests/data: there is no file in this folder or below it that ends in .3gp"),
    (["-f", "a.mp4", "--batch-size", "0"], 2, "--batch-size: '0' is not a whole number from 1"),
    (["-f", "a.mp4", "--batch-size", "two"], 2, "--batch-size: 'two' is not a whole number from 1"),
    (["-f", "a.mp4", "--skip-frames", "0"], 2, "--skip-frames: '0' is not a whole number from 1"),
    (["-f", "a.mp4", "--skip-frames", "-3"], 2, "--skip-frames: '-3' is not a whole number from 1"),
    (["-f", "a.mp4", "--process-subclip", "5", "2"], 2, "--process-subclip: 5.0 2.0 is not a part of a video; START comes before END"),
    (["-f", "a.mp4", "--process-subclip", "2", "2"], 2, "START comes before END"),
    (["-f", "a.mp4", "--process-subclip", "None", "2"], 2, "START comes before END"),
    (["-f", "a.mp4", "--process-subclip", "1,5", "2"], 2, "--process-subclip: '1,5' is not a number of seconds from 0 on, with a point before the decimals, such as 1.5; END may be None"),
    (["-f", "a.mp4", "--process-subclip", "-1", "2"], 2, "'-1' is not a number of seconds"),
    (["-f", "a.mp4", "--process-subclip", "0", "nan"], 2, "'nan' is not a number of seconds"),
    (["-f", "a.mp4", "--resume", "--output-format", "csv"], 2, "--resume: found --output-format csv"),
    (["-f", "a.mp4", "--device", "abacus"], 2, "'abacus' is not a device"),
    (["-f", "missing.mp4", "--embedded"], 1, "missing.mp4"),
])
def test_wrong_words(words, status, said, tmp_path):
    done = run(*words, *(["-o", tmp_path] if words else []))
    assert done.returncode == status and said in done.stderr and done.stdout == ""


def test_models_and_fetch(monkeypatch):
    listed = run("models", command="mexca-video").stdout
    assert "blendshapes" in listed and "vggface2" in listed and "MIT" in listed
    assert "Before you use multitask" in listed and "Article 5(1)(f)" in listed and "AffectNet" in listed
    records = json.loads(run("models", "--json", command="mexca-video").stdout)
    assert {"name", "sha256", "citation", "trained_on"} <= set(records[0])
    path = run("fetch", "sface", command="mexca-video").stdout.strip()
    assert Path(path).is_file()
    monkeypatch.setenv("MEXCA_VIDEO_OFFLINE", "1")
    done = run("fetch", "resnet", command="mexca-video")
    assert done.returncode == 1 and "resnet" in done.stderr


# --- going on -----------------------------------------------------------------------------------------------------------

SHORT = ["--embedded", "-f", str(sample_path("single_face")), "--process-subclip", "0", "0.1", "--show-progress", "false"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    assert cli([*SHORT, "-o", str(folder)]) == 0
    return folder / "single_face.nc"


@pytest.fixture
def corrected(measured, tmp_path):
    "A result in which a person was given her name after the run."
    return save(rename_faces(load(measured), {"Person_1": "Ada"}), tmp_path / "single_face.nc")


@pytest.fixture
def no_measuring(monkeypatch):
    "Whatever is measured is an error."
    def measure(*args): raise AssertionError("it was measured")
    monkeypatch.setattr(FaceStream, "run", measure)


def again(nc, *words): return cli([*SHORT, "-o", str(nc.parent), "--resume", *words])


def age(path, seconds):
    "Set the time of the last change back."
    when = path.stat().st_mtime - seconds
    os.utime(path, (when, when))


def test_missing_table_is_written_from_the_corrected_result(corrected, no_measuring, capsys):
    before, csv = corrected.read_bytes(), corrected.with_suffix(".csv")
    assert again(corrected, "--output-format", "nc,csv") == 0, capsys.readouterr().err
    assert corrected.read_bytes() == before and set(pd.read_csv(csv).face_name.dropna()) == {"Ada"}
    assert capsys.readouterr().out.split() == [str(corrected), str(csv)]


def test_older_table_is_replaced_and_a_newer_one_stays(corrected, no_measuring):
    csv = to_csv(demo_features(), corrected.with_suffix(".csv"))
    age(csv, 60)
    assert again(corrected, "--output-format", "csv,nc") == 0
    assert set(pd.read_csv(csv).video_file) == {"single_face.mp4"}
    csv.write_text(csv.read_text() + "\n")
    before = csv.read_bytes()
    assert again(corrected, "--output-format", "csv,nc") == 0 and csv.read_bytes() == before


def test_folder_in_the_place_of_the_table(corrected, no_measuring, capsys):
    corrected.with_suffix(".csv").mkdir()
    assert again(corrected, "--output-format", "nc,csv") == 1
    assert "single_face.csv: that is a folder" in capsys.readouterr().err


def test_order_of_the_formats_does_not_matter(tmp_path, no_measuring, measured):
    "The table is written after the result, whatever comes first on the command line; or it would be older for ever."
    from mexca_video.cli import _read_options, _targets

    assert list(_targets("a.mp4", _read_options(["-f", "a.mp4", "--output-format", "csv,nc,csv"]))) == ["nc", "csv"]


@pytest.mark.parametrize("formats", ["nc", "nc,csv"])
@pytest.mark.parametrize("table", [True, False])
def test_result_of_another_run_is_left_alone(corrected, no_measuring, capsys, formats, table):
    if table: to_csv(load(corrected), corrected.with_suffix(".csv"))
    before = {p.name: p.read_bytes() for p in corrected.parent.iterdir()}
    assert again(corrected, "--output-format", formats, "--skip-frames", "2") == 1
    assert "another run (arguments.skip_frames: 1 there, 2 now)" in capsys.readouterr().err.replace("'", "")
    assert {p.name: p.read_bytes() for p in corrected.parent.iterdir()} == before


@pytest.mark.parametrize("change, said", [
    (lambda ds: ds.assign_attrs(unfinished="stopped after 2 of 3 selected frames"), "is unfinished (stopped after 2 of 3"),
    (lambda ds: demo_features(), "another run"),
    (lambda ds: ds.attrs.clear() or ds, "another run"),
])
def test_results_that_are_not_finished(corrected, no_measuring, capsys, change, said):
    save(change(load(corrected)), corrected)
    before = corrected.read_bytes()
    assert again(corrected, "--output-format", "nc,csv") == 1
    assert said in capsys.readouterr().err and corrected.read_bytes() == before


def test_table_alone_is_not_resumed(tmp_path, no_measuring, capsys):
    (tmp_path / "single_face.csv").write_text("mine")
    with pytest.raises(SystemExit) as stopped: again(tmp_path / "single_face.nc", "--output-format", "csv")
    assert stopped.value.code == 2 and "nc,csv" in capsys.readouterr().err
    assert (tmp_path / "single_face.csv").read_text() == "mine"


@pytest.mark.parametrize("own", [True, False])
def test_checkpoint_that_is_left_over(corrected, no_measuring, own):
    "It holds embeddings, so that of this run goes; one of another run is somebody's work."
    run = FaceExtractor.embedded().describe_run(sample_path("single_face"), 1, (0.0, 0.1))
    place = corrected.parent / "single_face.checkpoint"
    Checkpoint(place, run | dict(format=1) if own else dict(video_sha256="0", arguments={}))
    assert again(corrected, "--output-format", "nc,csv") == 0
    assert place.exists() is not own


def test_finished_files_need_no_place_to_write(corrected, no_measuring, monkeypatch):
    from mexca_video import files

    monkeypatch.setattr(files, "_mode_of_new_files", lambda folder: pytest.fail("asked for a place"))
    assert again(corrected) == 0


# --- places, warnings ---------------------------------------------------------------------------------------------------

def test_places_are_asked_before_anything_is_measured(tmp_path, no_measuring, capsys):
    for word in ("nc", "csv"):
        (tmp_path / word / f"single_face.{word}").mkdir(parents=True)
        assert cli([*SHORT, "-o", str(tmp_path / word), "--output-format", "nc,csv"]) == 1
        said = capsys.readouterr().err
        assert f"single_face.{word}: that is a folder" in said and ".part" not in said
        assert [p.name for p in (tmp_path / word).iterdir()] == [f"single_face.{word}"]


def test_read_only_folder(tmp_path, no_measuring, monkeypatch, capsys):
    "Root may write anywhere, so the refusal is played."
    from mexca_video import files

    def refuse(folder): raise PermissionError(13, "Permission denied", str(folder / ".0123.part"))

    monkeypatch.setattr(files, "_mode_of_new_files", refuse)
    assert cli([*SHORT, "-o", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"cannot write {tmp_path / 'single_face.nc'}: Permission denied" in said and ".part" not in said


def test_outdir_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert cli([*SHORT, "-o", str(folder)]) == 2
        assert f"--outdir {folder}: that folder cannot be made" in capsys.readouterr().err


@pytest.mark.slow
def test_warnings_name_their_file_and_identities_are_counted(tmp_path):
    "The same warning about two files is two lines; the status stays 0."
    for name in ("one.mp4", "two.mp4"): shutil.copy(sample_path("single_face"), tmp_path / name)
    done = run("-f", tmp_path / "one.mp4", tmp_path / "two.mp4", sample_path("no_face"), *QUICK, "--num-faces", "9", "-o", tmp_path / "out")
    assert done.returncode == 0 and len(done.stdout.split()) == 3
    *first, last = done.stderr.splitlines()
    assert len(first) == 5 and "UserWarning" not in done.stderr and ".py:" not in done.stderr
    for line, name in zip(first[:4:2], ("one.mp4", "two.mp4")): assert line.startswith(f"extract-faces: {tmp_path / name}: faces stay without identity: ")
    for line, name in zip(first[1::2], ("one.mp4", "two.mp4")): assert line.startswith(f"extract-faces: {tmp_path / name}: 6 frames, 6 faces, 0 people, 16 of 20 action units; doubtful: 6 of 6 faces belong to nobody: num_faces=9")
    assert first[4].startswith(f"extract-faces: {sample_path('no_face')}: 5 frames, 0 faces, 0 people; doubtful: No face was found in 5 frames")
    assert last == f"extract-faces: faces were found but not told apart in 2 of 3 files, their face_label is empty: {tmp_path / 'one.mp4'}, {tmp_path / 'two.mp4'}"


def test_warnings_are_shown_once_for_each_file(capsys):
    before = warnings.showwarning
    for path in ("a.mp4", "b.mp4"):
        with _warnings_as_lines(path):
            for _ in range(3): warnings.warn("two\nlines", stacklevel=1)
            warnings.warn(f"{path}: named already", stacklevel=1)
    assert warnings.showwarning is before
    assert capsys.readouterr().err.splitlines() == [
        "extract-faces: a.mp4: two lines", "extract-faces: a.mp4: named already", "extract-faces: b.mp4: two lines", "extract-faces: b.mp4: named already"]


@pytest.mark.parametrize("text, line", [
    ("talk.mp4 is damaged. Frame 3", "monday/talk.mp4 is damaged. Frame 3"),
    ("monday/talk.mp4 is damaged", "monday/talk.mp4 is damaged"),
    ("tuesday/talk.mp4 is newer", "monday/talk.mp4: tuesday/talk.mp4 is newer"),
    ("no talk.mp4, nor talk.mp4.", "no monday/talk.mp4, nor talk.mp4."),
    ("smalltalk.mp4x", "monday/talk.mp4: smalltalk.mp4x"), ("", "monday/talk.mp4: str"), ("two\nlines", "monday/talk.mp4: two lines"),
])
def test_a_line_names_its_file_by_its_path(text, line):
    "There may be a talk.mp4 for each day."
    from mexca_video.cli import _one_line

    assert _one_line(text, "monday/talk.mp4") == line


def test_the_users_own_filter_holds(tmp_path):
    code = "import warnings\nfrom mexca_video.cli import _warnings_as_lines\nwith _warnings_as_lines('a.mp4'): warnings.warn('b')"
    for flag, said in (("ignore", ""), ("always", "extract-faces: a.mp4: b\n")):
        assert subprocess.run([sys.executable, "-W", flag, "-c", code], capture_output=True, text=True).stderr == said


# --- mexca-video table --------------------------------------------------------------------------------------------------

def test_table_of_a_corrected_result(corrected, tmp_path):
    csv = corrected.with_suffix(".csv")
    csv.write_text("old")
    done = run("table", corrected, command="mexca-video")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{csv}\n", "")
    assert csv.read_bytes() == to_csv(load(corrected), tmp_path / "wanted.csv").read_bytes() and "Ada" in csv.read_text()


def test_tables_elsewhere(corrected, tmp_path, capsys):
    other = save(demo_features(), tmp_path / "other.nc")
    assert main(["table", str(other), str(corrected), "-o", str(tmp_path / "new" / "tables")]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "new" / "tables" / name) for name in ("other.csv", "single_face.csv")]
    assert not list(tmp_path.glob("*.csv"))


def test_one_bad_result_does_not_stop_the_others(corrected, tmp_path, capsys):
    (tmp_path / "text.nc").write_text("no result")
    named = save(rename_faces(load(corrected), {"Ada": "NA"}), tmp_path / "named.nc")
    assert main(["table", str(tmp_path / "missing.nc"), str(tmp_path / "text.nc"), str(named), str(corrected)]) == 1
    shown = capsys.readouterr()
    assert shown.out.split() == [str(corrected.with_suffix(".csv"))]
    lines = shown.err.splitlines()
    assert len(lines) == 3 and all(line.startswith("mexca-video: ") for line in lines)
    assert "missing.nc" in lines[0] and "text.nc" in lines[1] and "named.csv" in lines[2] and "rename_faces" in lines[2]


def test_tables_of_one_name(tmp_path):
    words = ["table", tmp_path / "a" / "talk.nc", tmp_path / "b" / "talk.nc"]
    done = run(*words, "-o", tmp_path, command="mexca-video")
    assert done.returncode == 1 and done.stderr.count("there is no file") == 2 # two tables would have their places, but there are no such files
    assert run("table", command="mexca-video").returncode == 2


def test_tables_of_a_pattern_and_a_folder(corrected, tmp_path, capsys):
    "Patterns that no shell replaced, folders, and results of one name."
    for day in ("monday", "tuesday"):
        (tmp_path / "out" / day).mkdir(parents=True)
        shutil.copy(corrected, tmp_path / "out" / day / "talk.nc")
    tables = [f"{day}/talk.csv" for day in ("monday", "tuesday")]
    for words, home in ((["out/*/*.nc"], "out"), (["out"], "out"), (["out/*/*.nc", "-o", "new"], "new"), (["out", "-o", "other"], "other")):
        with contextlib.chdir(tmp_path): assert main(["table", *words]) == 0
        assert [Path(path).as_posix() for path in capsys.readouterr().out.split()] == [f"{home}/{table}" for table in tables]
    for words, said in ((["none/*.nc"], "FILE.nc none/*.nc: no file matches"), (["empty"], "that ends in .nc")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with contextlib.chdir(tmp_path), pytest.raises(SystemExit) as stopped: main(["table", *words])
        assert stopped.value.code == 2 and said in capsys.readouterr().err


# --- which files, and where their results go ----------------------------------------------------------------------------

@pytest.fixture
def study(tmp_path, monkeypatch):
    "Three folders with a talk.mp4 each, one with a note besides, and what macOS leaves."
    for name in ("monday/talk.mp4", "tuesday/talk.mp4", "friday/late/talk.mp4", "friday/walk.MOV", "friday/notes.txt", "friday/._walk.MOV", ".trash/talk.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample_path("single_face"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(capsys, *words):
    status, shown = cli([*words, "--embedded", "--landmark-model", "None", "--au-model", "None", "--process-subclip", "0", "0.03", "--show-progress", "false", "-o", "out"]), capsys.readouterr()
    return status, [Path(path).relative_to("out").as_posix() for path in shown.out.splitlines()], shown.err.splitlines()


ALL = ["friday/walk.nc", "friday/late/talk.nc", "monday/talk.nc", "tuesday/talk.nc"]


@pytest.mark.slow
@pytest.mark.parametrize("words, wanted", [
    (["-f", "monday/talk.mp4", "friday/walk.MOV"], ["talk.nc", "walk.nc"]),
    (["-f", "monday/talk.mp4", "tuesday/talk.mp4", "friday/late/talk.mp4"], ["monday/talk.nc", "tuesday/talk.nc", "friday/late/talk.nc"]),
    (["-f", "*day/*.mp4"], ["monday/talk.nc", "tuesday/talk.nc"]),
    (["-f", "**/*.mp4"], ["friday/late/talk.nc", "monday/talk.nc", "tuesday/talk.nc"]),
    (["-f", "."], ALL), (["-f", "./"], ALL), (["-f", "."] + ["monday/talk.mp4", "./monday/talk.mp4"], ALL),
    (["-f", "friday"], ["walk.nc", "late/talk.nc"]), (["-f", "friday", "-f", "monday"], ["walk.nc", "late/talk.nc", "talk.nc"]),
])
def test_every_file_has_its_place(study, capsys, words, wanted):
    status, paths, lines = written(capsys, *words)
    assert status == 0, lines
    assert paths == wanted and all((study / "out" / path).is_file() for path in paths)
    assert len(lines) == len(wanted) and all(": 1 frame, 1 face, 1 person" in line for line in lines)


def test_lines_tell_files_of_one_name_apart(study, capsys):
    (study / "tuesday" / "talk.mp4").write_text("no video")
    status, paths, lines = written(capsys, "-f", "monday/talk.mp4", "tuesday/talk.mp4")
    assert (status, paths) == (1, ["monday/talk.nc"])
    assert "monday/talk.mp4: 1 frame" in lines[0] and lines[1].startswith("extract-faces: tuesday/talk.mp4 cannot be read")


def test_one_stem_two_endings(study, capsys):
    shutil.copy("monday/talk.mp4", "monday/talk.mov")
    assert written(capsys, "-f", "monday/talk.mp4", "monday/talk.mov", "friday/walk.MOV")[:2] == (0, ["monday/talk.mp4.nc", "monday/talk.mov.nc", "friday/walk.nc"])


def test_a_file_with_a_pattern_for_a_name(study, capsys):
    "A file that is there is itself, whatever its name looks like."
    shutil.copy("monday/talk.mp4", "take [1].mp4")
    assert written(capsys, "-f", "take [1].mp4")[:2] == (0, ["take [1].nc"])


def test_places_are_the_same_when_the_run_goes_on(study, capsys, monkeypatch):
    assert written(capsys, "-f", ".", "--resume")[:2] == (0, ALL)
    monkeypatch.setattr(FaceStream, "run", lambda *args: pytest.fail("it was measured again"))
    status, paths, lines = written(capsys, "-f", ".", "--resume")
    assert (status, paths) == (0, ALL) and len(lines) == 4 # the line comes for finished files too
    assert not list(study.glob("out/**/*.checkpoint"))


# --- what is said of each file ------------------------------------------------------------------------------------------

def test_a_crowd_and_num_faces(tmp_path, capsys):
    "Two people stand side by side in the last scenes of the sample clip; one was asked for."
    status = cli(["-f", str(sample_clip()), "--embedded", "--landmark-model", "None", "--au-model", "None", "--num-faces", "1", "--process-subclip", "4", "5",
        "--skip-frames", "6", "--show-progress", "false", "-o", str(tmp_path)])
    said = capsys.readouterr().err.splitlines()
    assert status == 0 and len(said) == 1 # once, though apply warns of it too
    assert "4 frames, 8 faces, 1 person; doubtful: 4 of 8 faces belong to nobody: up to 2 faces are in a frame, and num_faces=1." in said[0]
    assert describe_doubts(load(tmp_path / "people.nc"))[0] in said[0]


def test_summary_says_what_is_doubtful():
    assert "doubtful" not in summarize(demo_features())
    assert summarize(demo_features(n_faces=0)).splitlines()[-1].startswith("doubtful: No face was found in 48 frames")


def test_doubts_of_apply_are_not_said_twice(capsys):
    with _warnings_as_lines("a.mp4"):
        warnings.warn("a.mp4: no face", DoubtWarning, stacklevel=1)
        warnings.warn("a.mp4: damaged", stacklevel=1)
    assert capsys.readouterr().err == "extract-faces: a.mp4: damaged\n"
