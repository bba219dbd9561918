"A corpus over many processes, some of which are killed."
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import xarray as xr

from mexca_video import FaceExtractor, load, process_corpus, save
from mexca_video.corpus import cluster
from mexca_video.samples import sample_clip

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


class Network(NamedTuple):
    "Where the processes of a cluster run."
    address: Callable  # number of the process -> its address
    words: Callable  # number of the process -> words in front of a command


LOOPBACK = Network(lambda k: "127.0.0.1", lambda k: [])


def ip(*words): subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


@pytest.fixture
def network():
    """Five networks of their own, joined by a bridge in a sixth, as machines by a switch.

    Only root can make them; where they cannot be made, all processes speak over the loopback.
    """
    names = [f"mexca-{os.getpid()}-{k}" for k in range(6)]
    try:
        for name in names: ip("netns", "add", name)
        ip("-n", names[5], "link", "add", "bridge", "type", "bridge")
        ip("-n", names[5], "link", "set", "bridge", "up")
        for k, name in enumerate(names[:5]):
            ip("-n", names[5], "link", "add", f"cable{k}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", names[5], "link", "set", f"cable{k}", "master", "bridge", "up")
            ip("-n", name, "addr", "add", f"10.77.0.{k + 1}/24", "dev", "eth0")
            for device in ("lo", "eth0"): ip("-n", name, "link", "set", device, "up")
        found = Network(lambda k: f"10.77.0.{k + 1}", lambda k: ["ip", "netns", "exec", names[k]])
    except (OSError, subprocess.CalledProcessError): found = LOOPBACK
    yield found
    if shutil.which("ip"):
        for name in names: subprocess.run(["ip", "netns", "del", name], capture_output=True)


@contextlib.contextmanager
def running(network, k, *words, cwd):
    "Process number `k` of a cluster."
    process = subprocess.Popen([*network.words(k), sys.executable, *map(str, words)], cwd=cwd, env=ENV, stderr=subprocess.DEVNULL)
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


def at_work(out, log):
    "(id, process) of a video that is measured now."
    for path in (out / "begun").glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            process = int(json.loads(path.read_text())["begun"][-1].split()[1])
            if path.stem in asked(log): return path.stem, process


RUN = """
import sys
from invented import Inventor
from mexca_video import process_corpus
from mexca_video.corpus.cluster import open_client
study, out, log, address = sys.argv[1:]
with open_client(address) as client:
    client.wait_for_workers(3, timeout=120)
    process_corpus(study, out, Inventor(log=log, seconds=1), client, show_progress=False)
    open(log + "_left", "w").write(str(len(client.scheduler_info()["workers"])))
"""


def kill_one_of_three(network, study, out, log, cwd):
    "A scheduler, three workers and a client; the first worker that is found at work is killed. Returns its video."
    file = cwd / "scheduler.json"
    with contextlib.ExitStack() as stack:
        def start(k, *words): return stack.enter_context(running(network, k, *words, cwd=cwd))
        start(0, "-m", "dask", "scheduler", "--host", network.address(0), "--port", "0", "--no-dashboard", "--scheduler-file", file)
        address = wait_for(lambda: read_address(file))
        for k in (1, 2, 3): start(k, "-m", "dask", "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        run = start(4, "-c", RUN, study, out, log, address)
        victim, process = wait_for(lambda: at_work(out, log))
        os.kill(process, signal.SIGKILL)
        assert run.wait(120) == 0
    return victim


@pytest.mark.slow
def test_a_scheduler_and_three_workers_one_of_which_is_killed(network, study, tmp_path):
    "All are processes of their own, as on a cluster, each in a network of its own where that can be made."
    log, out = tmp_path / "log", tmp_path / "out"
    victim = kill_one_of_three(network, study, out, log, tmp_path)
    assert Path(f"{log}_left").read_text() == "2"
    table = process_corpus(study, out, Inventor(log=str(log)), show_progress=False).set_index("id")
    assert set(table.state) == {"done"}
    assert table.attempts.to_dict() == {id: 2 if id == victim else 1 for id in IDS}
    assert asked(log) == sorted([*IDS, victim])
    process_corpus(study, tmp_path / "plain", Inventor(), show_progress=False)
    assert_same(out, tmp_path / "plain", IDS)


@pytest.mark.slow
def test_a_long_video_is_shared_and_a_worker_dies_of_it(tmp_path):
    "The result is that of one piece, to the last bit, identities included."
    shutil.copy(sample_clip(), tmp_path / "people.mp4")
    (tmp_path / "corpus.csv").write_text("video,skip_frames\npeople.mp4,4\n")
    out = tmp_path / "shared"
    killed = []

    def kill():
        wait_for(lambda: list(out.glob("begun/people~*.json")))
        with contextlib.suppress(OSError, ValueError, IndexError):
            killed.append(int(json.loads(next(iter(out.glob("begun/people~*.json"))).read_text())["begun"][-1].split()[1]))
            os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    extractor = FaceExtractor.embedded()
    table = process_corpus(tmp_path / "corpus.csv", out, extractor, workers=2, split=64, show_progress=False)
    killer.join()
    assert killed and table.state.tolist() == ["done"] and table.attempts.tolist() == [1]
    assert not (out / "parts" / "people").exists() and not list((out / "begun").iterdir())
    whole = extractor.apply(tmp_path / "people.mp4", skip_frames=4, show_progress=False)
    shared = load(out / "results" / "people.nc")
    save(whole, tmp_path / "whole.nc")
    xr.testing.assert_identical(shared.drop_attrs(), load(tmp_path / "whole.nc").drop_attrs())
    assert shared.attrs | dict(history="") == load(tmp_path / "whole.nc").attrs | dict(history="")
