"Each of many videos is done once, whatever stops the run."
import json
import os
import signal
import time
from pathlib import Path

import pytest
import xarray as xr

from mexca_video import FaceExtractor, corpus_status, load, process_corpus, rename_faces, save
from mexca_video.corpus.manifest import ManifestError
from mexca_video.corpus.runs import read_record

from invented import Inventor, start, write_study

FORKS = pytest.mark.skipif(os.name == "nt", reason="processes are forked and killed")
NAMES = ["ada", "ben", "cem", "dora"]


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", NAMES)


def run(study, out, **options):
    settings = {name: options.pop(name) for name in ("client", "workers", "shard", "retry") if name in options}
    return process_corpus(study, out, Inventor(**options), show_progress=False, **settings).set_index("id")


def asked(log): return sorted(Path(log).read_text().split())


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_layout(study, tmp_path):
    out = tmp_path / "out"
    table = run(study, out)
    assert set(table.state) == {"done"} and (table.frames == 12).all()
    assert sorted(path.name for path in (out / "results").iterdir()) == [f"{name}.nc" for name in NAMES]
    record = json.loads((out / "records" / "ada.json").read_text(encoding="utf-8"))
    assert {*record} == {"id", "video", "sha256", "arguments", "state", "attempts", "error", "seconds", "started", "ended",
                         "frames", "faces", "people", "warnings", "version"}
    assert not list((out / "begun").iterdir())
    assert json.loads((out / "run.json").read_text())["extractor"]["mood"] == "merry"


def test_done_is_done(study, tmp_path):
    log = str(tmp_path / "log")
    run(study, tmp_path / "out", log=log)
    run(study, tmp_path / "out", log=log)
    run(tmp_path / "out" / "corpus.csv", tmp_path / "out", log=log)  # what was run is a manifest too
    assert asked(log) == NAMES
    run(study, tmp_path / "out", log=log, mood="sad")
    assert asked(log) == sorted(NAMES * 2)
    (tmp_path / "out" / "results" / "ben.nc").unlink()
    (study.parent / "ada.mp4").write_bytes((study.parent / "ada.mp4").read_bytes() + bytes(8))
    run(study, tmp_path / "out", log=log, mood="sad")
    assert asked(log) == sorted([*NAMES * 2, "ada", "ben"])


def test_a_lost_record_costs_nothing(study, tmp_path):
    log = str(tmp_path / "log")
    run(study, tmp_path / "out", log=log)
    (tmp_path / "out" / "records" / "ada.json").write_text("{")
    assert run(study, tmp_path / "out", log=log).state["ada"] == "done"
    assert asked(log) == NAMES


def test_failures_are_kept_and_the_run_goes_on(study, tmp_path):
    log = str(tmp_path / "log")
    table = run(study, tmp_path / "out", fail=("ben",), log=log)
    assert table.state.to_dict() == dict(ada="done", ben="failed", cem="done", dora="done")
    assert table.error["ben"] == "ben.mp4: the film is torn"
    run(study, tmp_path / "out", fail=("ben",), log=log)
    assert asked(log) == NAMES
    assert run(study, tmp_path / "out", log=log, retry=True).state["ben"] == "done"
    assert asked(log) == sorted([*NAMES, "ben"])


def test_corrections_are_not_overwritten(study, tmp_path):
    run(study, tmp_path / "out")
    path = tmp_path / "out" / "results" / "ada.nc"
    save(rename_faces(load(path), {"Person_1": "Ada"}), path)
    table = run(study, tmp_path / "out", mood="sad")
    assert table.state["ada"] == "failed" and "corrections" in table.error["ada"]
    assert "Ada" in load(path).face_name


def test_rows_have_their_own_arguments(study, tmp_path):
    (study.parent / "trials.tsv").write_text("onset\tduration\ttrial_type\n0\t1\tjoke\n")
    text = "video,num_faces,skip_frames,start,end,events\nada.mp4,3,,,,\nben.mp4,,2,0.01,0.1,trials.tsv\n"
    study.write_text(text, encoding="utf-8")
    run(study, tmp_path / "out", num_faces=1)
    ada, ben = (load(tmp_path / "out" / "results" / f"{name}.nc") for name in ("ada", "ben"))
    assert (ada.sizes["face"], ben.sizes["face"]) == (3, 1)
    found = json.loads(ben.attrs["arguments"])
    assert (found["skip_frames"], found["process_subclip"]) == (2, [0.01, 0.1])
    assert "joke" in ben.event and "event" not in ada.coords


def test_an_interruption_is_no_death(study, tmp_path, monkeypatch):
    def stop(self, path, **options): raise KeyboardInterrupt
    monkeypatch.setattr(Inventor, "apply", stop)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt): run(study, tmp_path / "out")
    monkeypatch.undo()
    assert set(run(study, tmp_path / "out").attempts) == {1}


@FORKS
def test_a_killed_run_goes_on(study, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    for _ in range(2):
        process = start(study, out, log=str(log), kill=("ben",))
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    assert read_record(out, "ada")["attempts"] == 1
    table = run(study, out, log=str(log), kill=("ben",))
    assert table.state.to_dict() == dict(ada="done", ben="set_aside", cem="done", dora="done")
    assert table.error["ben"].startswith("2 processes died")
    assert asked(log) == ["ada", "ben", "ben", "cem", "dora"]
    table = run(study, out, log=str(log), retry=True)
    assert (table.state["ben"], table.attempts["ben"]) == ("done", 1)


@FORKS
def test_two_runs_share_a_folder(study, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    first, second = (start(study, out, log=str(log), seconds=0.3) for _ in range(2))
    wait_until(lambda: (out / "corpus.csv").is_file() and "running" in set(corpus_status(out).state))
    for process in (first, second):
        process.join(60)
        assert process.exitcode == 0
    assert asked(log) == NAMES
    assert set(corpus_status(out).state) == {"done"}


def test_shards_are_the_whole(study, tmp_path):
    for i in (1, 2, 3): run(study, tmp_path / "parts", shard=f"{i}/3")
    run(study, tmp_path / "whole")
    for name in NAMES:
        part, whole = (load(tmp_path / folder / "results" / f"{name}.nc") for folder in ("parts", "whole"))
        xr.testing.assert_identical(part, whole)


def test_models_that_are_missing_are_no_fault_of_a_video(study, tmp_path, monkeypatch):
    def fail(*args): raise ValueError("the weights cannot be fetched")
    monkeypatch.setattr("mexca_video.corpus.runs.load_models", fail)
    with pytest.raises(ValueError, match="cannot be fetched"): run(study, tmp_path / "out")
    for name in ("records", "begun", "results"): assert not list((tmp_path / "out" / name).iterdir())
    monkeypatch.undo()
    assert set(run(study, tmp_path / "out").state) == {"done"}


def test_what_cannot_be_right_is_refused_before_anything_runs(study, tmp_path):
    study.write_text("video,num_faces\nada.mp4,0\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="num_faces"): run(study, tmp_path / "out")
    study.write_text("video,num_faces\nada.mp4,9\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"ada: max_cluster_frames=5 does not fit; expected more than num_faces=9"):
        process_corpus(study, tmp_path / "out", FaceExtractor.embedded(max_cluster_frames=5), show_progress=False)
    assert not (tmp_path / "out").exists()


def test_progress_reckons_with_what_is_measured(study, tmp_path, capsys):
    process_corpus(study, tmp_path / "out", Inventor(seconds=0.05, fail=("ben",)))
    assert "4/4" in capsys.readouterr().err.splitlines()[-1]
    process_corpus(study, tmp_path / "out", Inventor(seconds=0.05))
    said = capsys.readouterr().err.splitlines()[-1]
    assert "4/4" in said and "failed=1" in said and "?video/s" in said
