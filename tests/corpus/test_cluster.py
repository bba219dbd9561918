"A corpus over many processes, some of which are killed."
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from mexca_video import load, process_corpus
from mexca_video.corpus import cluster

from invented import Inventor, write_study
from places import ROOT, TESTS

NAMES = ["ada", "ben", "cem", "dora", "eve", "fritz", "gül", "hana"]
IDS = [name.replace("ü", "u") for name in NAMES]
ENV = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS / "helpers")]), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", IDS)


def asked(log): return sorted(Path(log).read_text().split())


def assert_same(first, second, ids):
    for id in ids:
        one, other = (load(folder / "results" / f"{id}.nc") for folder in (first, second))
        xr.testing.assert_identical(one, other)


def test_without_dask_it_is_said(study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for how in (dict(workers=2), dict(client="tcp://127.0.0.1:1")):
        with pytest.raises(ImportError, match=r"mexca_video\[corpus\]"):
            process_corpus(study, tmp_path / "out", Inventor(), show_progress=False, **how)
    assert set(process_corpus(study, tmp_path / "out", Inventor(), show_progress=False).state) == {"done"}


def test_no_scheduler(study, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.2)
    with pytest.raises(ConnectionError, match="no scheduler answers at tcp://127.0.0.1:1;"):
        process_corpus(study, tmp_path / "out", Inventor(), "tcp://127.0.0.1:1", show_progress=False)


def test_the_script_for_slurm_is_a_script(tmp_path):
    text = cluster.slurm_script(tmp_path / "my corpus.csv", tmp_path / "out", shards=3)
    (tmp_path / "job.sh").write_text(text)
    assert subprocess.run(["bash", "-n", tmp_path / "job.sh"]).returncode == 0
    assert "--array=1-3" in text and "my corpus.csv'" in text


@pytest.mark.slow
def test_videos_that_kill(study, tmp_path, monkeypatch):
    "One kills every process, one the first only; the others are done, and nobody else is charged."
    monkeypatch.setenv("PYTHONPATH", ENV["PYTHONPATH"])
    log, out = tmp_path / "log", tmp_path / "out"
    extractor = Inventor(log=str(log), kill=("ben",), kill_once=("eve",), fail=("hana",))
    table = process_corpus(study, out, extractor, workers=2, show_progress=False).set_index("id")
    states = {id: "done" for id in IDS} | dict(ben="set_aside", hana="failed")
    assert table.state.to_dict() == states
    assert (table.attempts["ben"], table.attempts["eve"], table.attempts["ada"]) == (2, 2, 1)
    assert table.error["ben"].startswith("2 processes died")
    assert asked(log) == sorted([*IDS, "ben", "eve"])
    process_corpus(study, tmp_path / "plain", Inventor(fail=("hana",)), show_progress=False)
    assert_same(out, tmp_path / "plain", [id for id in IDS if states[id] == "done"])


@contextlib.contextmanager
def running(*words, cwd):
    "A process of Dask's command line."
    process = subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=cwd, env=ENV, stderr=subprocess.DEVNULL)
    try: yield process
    finally:
        process.kill()
        process.wait()


def wait_for(find, seconds=120):
    end = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def read_address(path):
    with contextlib.suppress(OSError, ValueError): return json.loads(path.read_text())["address"]


def begun(out):
    "(id, process) of a video that is worked on."
    for path in (out / "begun").glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            return path.stem, int(json.loads(path.read_text())["begun"][-1].split()[1])


@pytest.mark.slow
def test_a_scheduler_and_three_workers_one_of_which_is_killed(study, tmp_path):
    "All are processes of their own, as on a cluster, and speak over the loopback."
    log, out, file = tmp_path / "log", tmp_path / "out", tmp_path / "scheduler.json"
    with contextlib.ExitStack() as stack:
        stack.enter_context(running("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                    "--scheduler-file", str(file), cwd=tmp_path))
        address = wait_for(lambda: read_address(file))
        for _ in range(3):
            stack.enter_context(running("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", cwd=tmp_path))
        client = stack.enter_context(cluster.open_client(address))
        client.wait_for_workers(3, timeout=120)
        code = ("import sys; from invented import Inventor; from mexca_video import process_corpus; "
                f"process_corpus({str(study)!r}, {str(out)!r}, Inventor(log={str(log)!r}, seconds=1), {address!r}, show_progress=False)")
        run = subprocess.Popen([sys.executable, "-c", code], env=ENV)
        victim, process = wait_for(lambda: begun(out))
        os.kill(process, signal.SIGKILL)
        assert run.wait(120) == 0
        left = len(client.scheduler_info()["workers"])
    table = process_corpus(study, out, Inventor(), show_progress=False).set_index("id")
    assert left == 2 and set(table.state) == {"done"}
    assert table.attempts.to_dict() == {id: 2 if id == victim else 1 for id in IDS}
    assert asked(log) == sorted([*IDS, victim])
    process_corpus(study, tmp_path / "plain", Inventor(), show_progress=False)
    assert_same(out, tmp_path / "plain", IDS)
