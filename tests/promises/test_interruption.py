"""A run that is killed, stopped or out of space goes on where it was, and ends with the same Dataset."""

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mexca_video import FaceExtractor, load, sample_clip, sample_path, save
from mexca_video.cli import cli
from mexca_video.extraction import chunks
from mexca_video.extraction.chunks import Checkpoint, CheckpointError
from mexca_video.extraction.stream import FaceStream

from places import ARTEFACTS

KILLS = 20
PROCESSES = multiprocessing.get_context("forkserver")  # new processes that need not import everything again
PROCESSES.set_forkserver_preload(["mexca_video.extraction.extractor", "mexca_video.io.netcdf", "mexca_video.video", "torch", "torchvision", "openvino.opset13", "numba", "facenet_pytorch", "onnx", "xarray", "sklearn.cluster"])


def extract(checkpoint, result, frames):
    "What a process does: the sample clip in stretches of 8 frames; a byte goes to `frames` for each frame that was looked at."
    chunks.CHUNK_FRAMES, look_at = 8, FaceStream.look_at
    def count(self, images):
        found = look_at(self, images)
        with open(frames, "ab", 0) as file: file.write(b".")
        return found
    FaceStream.look_at = count
    save(FaceExtractor.embedded().apply(sample_clip(), 4, 2, show_progress=False, checkpoint=checkpoint), result)


def start(folder, checkpoint, result):
    (folder / "frames").write_bytes(b"")
    run = PROCESSES.Process(target=extract, args=(checkpoint, result, folder / "frames"))
    run.start()
    return run


def same(a, b):
    "Are two Datasets identical but for the time at which they were made?"
    return a.assign_attrs(history="").identical(b.assign_attrs(history=""))


def finished(checkpoint):
    return max((int(file.stem) for file in checkpoint.glob("[0-9]*.npz")), default=0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_random_moments(tmp_path):
    "Each run is killed at a random moment after it was seen at work; the last one may finish."
    checkpoint, moment, kills, losses = tmp_path / "run", random.Random(0), 0, []
    while not (tmp_path / "result.nc").exists():
        before, run = finished(checkpoint), start(tmp_path, checkpoint, tmp_path / "result.nc")
        if kills < KILLS:
            wanted = moment.choice([0, 0, 3, 6, 10])
            while run.is_alive() and (tmp_path / "frames").stat().st_size < wanted: time.sleep(0.002)
            time.sleep(moment.random() * (2 if wanted == 0 else 0.2))
            run.kill()
            kills += 1
        run.join(200)
        assert run.exitcode in (0, -signal.SIGKILL)
        if run.exitcode: losses.append(before + (tmp_path / "frames").stat().st_size - finished(checkpoint))
    whole = start(tmp_path, None, tmp_path / "unbroken.nc")
    whole.join(200)
    assert whole.exitcode == 0 and same(load(tmp_path / "result.nc"), load(tmp_path / "unbroken.nc"))
    assert not list(checkpoint.glob("*.part")) and not list(tmp_path.glob("*.part"))
    report = dict(kills=len(losses), frames_lost_at_most=max(losses), frames=144, stretch=8)
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / "kills.json").write_text(json.dumps(report))
    print(report)
    assert len(losses) >= KILLS - 2 and max(losses) <= 2 * 8 + 4 * 4  # the stretch that is being measured, the one that is looked at, and the frames ahead of it


@contextmanager
def small_disk(folder, size):
    "A disk of `size` bytes."
    folder.mkdir()
    if not shutil.which("mount") or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small tmpfs cannot be mounted here (it needs root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


OPTIONS = dict(skip_frames=4, show_progress=False)


@pytest.fixture
def short(monkeypatch):
    "Stretches of 8 frames."
    monkeypatch.setattr("mexca_video.extraction.chunks.CHUNK_FRAMES", 8)


@pytest.mark.slow
def test_disk_that_fills_up(tmp_path, short):
    whole = FaceExtractor.embedded().apply(sample_clip(), **OPTIONS)
    with small_disk(tmp_path / "disk", 90_000) as disk:
        extractor = FaceExtractor.embedded()
        with pytest.raises(OSError, match="cannot be written.*selected frames are kept there") as told:
            extractor.apply(sample_clip(), checkpoint=disk / "run", **OPTIONS)
        assert told.value.errno == errno.ENOSPC
        done = finished(disk / "run")
        assert 0 < done < 72 and extractor.partial.sizes["frame"] == done
        assert not list((disk / "run").glob("*.part"))
        shutil.copytree(disk / "run", tmp_path / "roomy")
    assert same(FaceExtractor.embedded().apply(sample_clip(), checkpoint=tmp_path / "roomy", **OPTIONS), whole)


def stop_after(monkeypatch, extractor, frames, error=KeyboardInterrupt):
    "Raise `error` when `extractor` has looked at `frames` frames."
    look_at, seen = FaceStream.look_at, []
    def count(self, images):
        if self.detector is extractor.finder: seen.append(1)
        if len(seen) > frames and self.detector is extractor.finder: raise error
        return look_at(self, images)
    monkeypatch.setattr(FaceStream, "look_at", count)


@pytest.mark.slow
def test_ctrl_c_leaves_a_partial_result(monkeypatch, short):
    extractor = FaceExtractor.embedded()
    whole = extractor.apply(sample_clip(), **OPTIONS)
    with pytest.raises(ValueError, match="was not stopped"): extractor.partial
    stop_after(monkeypatch, extractor, 30)
    with pytest.raises(KeyboardInterrupt): extractor.apply(sample_clip(), **OPTIONS)
    part = extractor.partial
    assert part.sizes["frame"] == 24 and part.attrs["unfinished"] == "stopped after 24 of 72 selected frames"
    np.testing.assert_array_equal(part.n_detected, whole.n_detected[:24])
    both = dict(face=np.arange(min(part.sizes["face"], whole.sizes["face"])), frame=part.frame)
    np.testing.assert_array_equal(part.face_aus.sel(both), whole.face_aus.sel(both))


def test_stopped_at_once(monkeypatch):
    extractor = FaceExtractor.embedded()
    stop_after(monkeypatch, extractor, 0)
    with pytest.raises(KeyboardInterrupt): extractor.apply(sample_clip(), **OPTIONS)
    with pytest.raises(ValueError, match="nothing is finished"): extractor.partial


@pytest.mark.slow
def test_resumed_run_and_another_run(tmp_path, monkeypatch, short):
    extractor = FaceExtractor.embedded()
    stop_after(monkeypatch, extractor, 20, RuntimeError("power cut"))
    with pytest.raises(RuntimeError, match="power cut"): extractor.apply(sample_clip(), checkpoint=tmp_path / "run", **OPTIONS)
    assert finished(tmp_path / "run") == 16
    for other, words in ((dict(num_faces=2), "num_faces: None there, 2 now"), (dict(min_face_size=30), "min_face_size: 20 there, 30 now")):
        with pytest.raises(CheckpointError, match=words): FaceExtractor.embedded(**other).apply(sample_clip(), checkpoint=tmp_path / "run", **OPTIONS)
    with pytest.raises(CheckpointError, match="skip_frames: 4 there, 3 now"):
        FaceExtractor.embedded().apply(sample_clip(), checkpoint=tmp_path / "run", show_progress=False, skip_frames=3)
    with pytest.raises(CheckpointError, match="models"): FaceExtractor.embedded(au_model=None).apply(sample_clip(), checkpoint=tmp_path / "run", **OPTIONS)
    shutil.copy(sample_clip(), tmp_path / "other.mp4")
    with open(tmp_path / "other.mp4", "ab") as file: file.write(b"\0\0\0\x08free")
    with pytest.raises(CheckpointError, match="video_sha256"): FaceExtractor.embedded().apply(tmp_path / "other.mp4", checkpoint=tmp_path / "run", **OPTIONS)
    assert finished(tmp_path / "run") == 16
    resumed = FaceExtractor.embedded().apply(sample_clip(), checkpoint=tmp_path / "run", **OPTIONS)
    assert same(resumed, FaceExtractor.embedded().apply(sample_clip(), **OPTIONS))


@pytest.mark.parametrize("made", ["a file", "a full folder", "a broken manifest"])
def test_what_is_no_checkpoint(tmp_path, made):
    place = tmp_path / "run"
    if made == "a file": place.write_text("notes")
    else:
        place.mkdir()
        (place / ("manifest.json" if made == "a broken manifest" else "thesis.txt")).write_text("{")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError, match="run"): Checkpoint(place, {})
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_resume_in_the_shell(tmp_path):
    "Killed, run again, run once more: continued, then skipped; with other options refused."
    command = [Path(sys.executable).parent / "extract-faces", "--embedded", "-f", sample_clip(), "-o", tmp_path, "--skip-frames", "2", "--resume", "--show-progress", "false"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE)
    while run.poll() is None and finished(tmp_path / "people.checkpoint") == 0: time.sleep(0.01)
    run.kill()
    run.communicate()
    assert finished(tmp_path / "people.checkpoint") >= 64 and not (tmp_path / "people.nc").exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / "people.nc"), done.stderr
    assert os.listdir(tmp_path) == ["people.nc"] and load(tmp_path / "people.nc").sizes["frame"] == 144
    began = time.time()
    assert subprocess.run(command, capture_output=True, text=True).stdout == done.stdout
    assert (tmp_path / "people.nc").stat().st_mtime < began
    other = subprocess.run([*command, "--min-face-size", "40"], capture_output=True, text=True)
    assert other.returncode == 1 and "min_face_size: 20 there, 40 now" in other.stderr and "Traceback" not in other.stderr


def test_resume_of_a_file_with_a_long_name(tmp_path):
    "The checkpoint's name would be longer than a name may be."
    path = tmp_path / ("视" * 83 + ".mp4")
    shutil.copy(sample_path("single_face"), path)
    assert cli(["--embedded", "-f", str(path), "-o", str(tmp_path / "out"), "--skip-frames", "24", "--resume", "--show-progress", "false"]) == 0
    assert os.listdir(tmp_path / "out") == [f"{path.stem}.nc"]


def test_the_program_waits_for_what_its_threads_do():
    "A thread that comes back from a network to a Python that is gone would abort the process."
    code = "import time\nfrom mexca_video.compute.workers import worker_pool\ndef work():\n    time.sleep(0.7); print('done', flush=True)\nwith worker_pool() as pool:\n    pool.submit(work); time.sleep(0.3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
