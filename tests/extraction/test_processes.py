"New processes and forked ones: none waits for ever. Each is started by a process of its own, so that no other test's libraries are forked along, and has a time limit."
import os
import subprocess
import sys

import pytest

from mexca_video import samples

from places import ROOT

HERE = ROOT / "tools"
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run(code, *words, limit=120, **options):
    "What a program prints."
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=limit, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@forks
def test_forty_processes_whose_threads_all_begin_at_once():
    "OpenVINO's first conversion of an array, made by two threads at once, locks both out for ever. More and longer ones are in long/."
    done = subprocess.run([sys.executable, HERE / "many_processes.py", "40", "--work", "network", "--patience", "60"], capture_output=True, text=True, timeout=600)
    assert done.stdout.startswith("network, forked after the imports: hangs 0 of 40, {'done': 40}"), done.stdout + done.stderr


# What forked children do after the parent has run networks: (name, what it says, or the error).
CHILDREN = '''
import gc, os, signal, sys
import numpy as np
from mexca_video import FaceExtractor
from mexca_video.faces.embedding import encode_faces
from mexca_video.compute.workers import worker_pool
from mexca_video.faces.landmarks import load_landmarker
from mexca_video.faces.crops import resize_area
from mexca_video.compute.inference import ForkError
from mexca_video.video import VideoDataset

clip, options = sys.argv[1], dict(skip_frames=20, show_progress=False)
extractor = FaceExtractor.embedded(1)
whole = extractor.apply(clip, **options)
image = VideoDataset(clip)[2]["Image"]
faces, boxes, probs, points = extractor.detect(image, return_points=True)
ahead = VideoDataset(clip).batches(1)
next(ahead)
two = FaceExtractor.embedded(2)
embeddings = np.random.default_rng(0).normal(size=(40, 128)).astype(np.float32)
embeddings[:20] += 3
people = two.identify(embeddings)

works = dict(
    sum=lambda: VideoDataset(clip)[2]["Image"].sum() == image.sum(),
    image=lambda: np.array_equal(VideoDataset(clip)[2]["Image"].float().mean(2), image.float().mean(2)),
    batches=lambda: len(list(VideoDataset(clip, skip_frames=40).batches(2))) == len(range(0, -(-len(VideoDataset(clip)) // 40), 2)),
    kernel=lambda: resize_area(image.numpy(), 20, 30).shape == (3, 20, 30),
    inherited_detector=lambda: np.allclose(extractor.detect(image)[1], boxes),
    identify=lambda: np.array_equal(two.identify(embeddings), people),
    let_go=lambda: [delattr(extractor, name) for name in ("detector", "encoder", "extractor")] and gc.collect() >= 0,
    another=lambda: np.array_equal(FaceExtractor.embedded(2).identify(embeddings), people),
)
fails = dict(
    apply=lambda: extractor.apply(clip, **options),
    apply_of_another=lambda: FaceExtractor.embedded(1).apply(clip, **options),
    encode=lambda: extractor.encode(faces[0]),
    many=lambda: encode_faces(extractor.encoder, faces[0].repeat(40, 1, 1, 1)),
    extract=lambda: extractor.extract(image, boxes, points=points),
    detect_of_another=lambda: FaceExtractor.embedded(1).detect(image),
    landmarker=lambda: load_landmarker("facemesh"),
    pool=lambda: worker_pool().__enter__(),
)

def answer(name):
    if name in works: return "right" if works[name]() else "wrong"
    try: fails[name]()
    except ForkError as error: return f"raised, {'spawn' in str(error)}"
    return "not raised"

def in_child(name):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(60) # ends a child that waits
        print(name, answer(name), flush=True)
        os._exit(0)
    if ended := os.waitpid(child, 0)[1]: print(name, "ended by", ended)

for name in [*works, *fails]: in_child(name)
child = os.fork()
if child == 0:
    signal.alarm(60)
    try: next(ahead)
    except RuntimeError as error: print("ahead", "Begin anew here" in str(error), flush=True)
    os._exit(0)
os.waitpid(child, 0)
child = os.fork()
if child == 0: # ends as a program does
    signal.alarm(60)
    sys.exit(3)
print("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert whole.identical(extractor.apply(clip, **options).assign_attrs(history=whole.history)), "the parent is as it was"
'''


@pytest.mark.slow
@forks
def test_a_forked_child_is_right_or_raises():
    said = dict(line.split(" ", 1) for line in run(CHILDREN, samples.sample_path("single_face"), limit=600).splitlines())
    right = dict.fromkeys("sum image batches kernel inherited_detector identify another let_go".split(), "right")
    raised = dict.fromkeys("apply apply_of_another encode many extract detect_of_another landmarker pool".split(), "raised, True")
    assert said == right | raised | {"ahead": "True", "exit": "3"}


POOL = '''
import multiprocessing, sys
from mexca_video import FaceExtractor

def extract(file, frames=3):
    extractor = FaceExtractor.embedded(1, min_face_size=60, landmark_model=None, au_model=None)
    return dict(extractor.apply(file, process_subclip=(0, 0.1), show_progress=False).sizes)

if __name__ == "__main__":
    kind, before, clip = sys.argv[1:]
    if before == "used": extract(clip)
    with multiprocessing.get_context(kind).Pool(2) as pool:
        try: print(pool.map_async(extract, [clip] * 2).get(100))
        except RuntimeError as error: print(type(error).__name__, error)
'''


@pytest.mark.slow
@forks
@pytest.mark.parametrize("kind, before", [("fork", "used"), ("fork", "new"), ("spawn", "used")])
def test_a_pool(tmp_path, kind, before):
    "What people write. A fork of a process that has done nothing works as ever."
    (tmp_path / "pool.py").write_text(POOL)
    words = [sys.executable, tmp_path / "pool.py", kind, before, samples.sample_path("single_face")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    if (kind, before) == ("fork", "used"):
        assert done.stdout.startswith("ForkError This process was forked") and 'with get_context("spawn").Pool() as pool: results = pool.map(extract, files)' in done.stdout
    else:
        sizes = done.stdout.strip()
        assert sizes.count("'frame': 3") == 2 and sizes.count("'face': 1") == 2, sizes


LOADER = '''
import sys, torch
from torch.utils.data import DataLoader
from mexca_video import FaceExtractor
from mexca_video.video import VideoDataset

clip = sys.argv[1]
FaceExtractor.embedded(1, min_face_size=60, landmark_model=None, au_model=None).apply(clip, process_subclip=(0, 0.1), show_progress=False)
class Sums(VideoDataset):
    def __getitem__(self, item): return super().__getitem__(item)["Image"].sum()
with Sums(clip, skip_frames=10) as sums:
    alone = list(DataLoader(sums, batch_size=2))
    shared = list(DataLoader(sums, batch_size=2, num_workers=2, timeout=60, multiprocessing_context="fork"))
assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
print(len(shared))
'''


@pytest.mark.slow
@forks
def test_workers_of_a_data_loader_after_networks_have_run():
    assert int(run(LOADER, samples.sample_path("single_face"))) > 2


ENDING = '''
import sys, threading, time
import numpy as np
sys.path.insert(0, {here!r})
from many_processes import small_model
from mexca_video.compute import inference as networks
network, x = networks.compile_network(small_model()), np.zeros((1, 8), np.float32)
def work():
    while True: network(x)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
'''


def test_a_program_that_ends_while_threads_are_in_networks():
    "A thread that comes back from OpenVINO to a Python that is gone would abort the process."
    for _ in range(5): run(ENDING.format(here=str(HERE)))


def test_pictures_of_a_viewer_for_several_threads():
    "A widget may be served by another thread than the cells."
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from mexca_video.video import VideoDataset
    from mexca_video.viewers.base import Pictures

    path, numbers = samples.sample_path("single_face"), np.random.default_rng(0).integers(0, 40, 120).tolist()
    pictures, right = Pictures(path, np.arange(40)), VideoDataset(path)[:40]["Image"].numpy()
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda i: np.array_equal(pictures.image(i), right[i]) and len(pictures.jpeg(i)) > 0, numbers))
    assert all(same)
