"""
How often does a process hang whose threads all begin at once? Usage: python tools/many_processes.py RUNS [--work WORK] [--new] [--at-once N] [--patience S] [--minutes M]

WORK is `network` (four threads make the first call of a small network), `openvino` (the same without this package: it hangs, and shows that the others could), or `apply` (a clip of three frames through
`FaceExtractor.embedded(1, landmark_model=None, au_model=None).apply`). A process is forked from one that has imported the libraries and done nothing with them; with `--new` it is a new interpreter, which takes seconds
longer. Threads are switched as often as Python can. A process ends as a program does, with everything that is done at exit. Exit status 1 if one hangs or fails.
"""
import argparse
import collections
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PREPARED = dict(network=("mexca_video.compute.inference", "openvino.opset13"), openvino=("openvino.opset13",),
                apply=("mexca_video.extraction.extractor", "mexca_video.video", "openvino.opset13", "numba", "torch", "torchvision", "facenet_pytorch", "spectralcluster", "xarray"))


def at_once(function, arguments):
    "Call `function` with each of `arguments` in threads that begin together; raise the first error."
    barrier, errors = threading.Barrier(len(arguments)), []

    def work(argument):
        barrier.wait()
        try:
            function(argument)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(argument,), daemon=True) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def small_model():
    "max(x, 0) as a graph."
    import numpy as np
    import openvino
    import openvino.opset13 as op

    x = op.parameter([1, 8], np.float32)
    return openvino.Model([op.relu(x)], [x])


def network(_):
    import numpy as np

    from mexca_video.compute.inference import compile_network

    made = compile_network(small_model())
    x = np.linspace(-1, 1, 8, dtype=np.float32)[None]
    at_once(lambda _: np.testing.assert_array_equal(made(x)[0], np.maximum(x, 0)), range(4))


def openvino(_):
    import numpy as np
    import openvino

    made = openvino.Core().compile_model(small_model(), "CPU")
    requests = [made.create_infer_request() for _ in range(4)]
    at_once(lambda request: request.infer([np.zeros((1, 8), np.float32)], share_inputs=True), requests)


def apply(clip):
    from mexca_video import FaceExtractor

    extractor = FaceExtractor.embedded(1, min_face_size=60, landmark_model=None, au_model=None)
    assert extractor.apply(clip, show_progress=False).face_label.sizes == dict(frame=3, face=1)


def write_clip(path):
    "Three small frames of the sample with one face."
    import av

    from mexca_video.samples import sample_path
    from mexca_video.video import VideoDataset

    with VideoDataset(sample_path("single_face")) as dataset, av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", 25)
        stream.width, stream.height, stream.pix_fmt = 240, 136, "yuv420p"
        for image in dataset[:3]["Image"].numpy():
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image).reformat(240, 136, "yuv420p")))
        file.mux(stream.encode())


def do(work, clip):
    "The work of one process."
    sys.setswitchinterval(1e-6)
    globals()[work](clip)


class Forked:
    "A forked process, which comes back to its caller as a program that goes on to its end."
    def __init__(self, work, clip):
        self.pid, self.returncode = os.fork(), None
        if self.pid == 0:
            do(work, clip)
            sys.exit(0)

    def poll(self):
        if self.returncode is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.returncode = os.waitstatus_to_exitcode(ended[1])
        return self.returncode

    def kill(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def new(work, clip):
    "A new interpreter."
    return subprocess.Popen([sys.executable, __file__, "one", work, str(clip)])


def watch(start, runs, most, patience, until):
    "Start processes, `most` at a time; count how they end."
    ends, running = collections.Counter(), {}
    while running or (sum(ends.values()) < runs and time.monotonic() < until):
        while len(running) < most and len(running) + sum(ends.values()) < runs and time.monotonic() < until:
            running[start()] = time.monotonic()
        for process, began in list(running.items()):
            if process.poll() is not None:
                ends["done" if process.returncode == 0 else f"exit status {process.returncode}"] += 1
            elif time.monotonic() - began > patience:
                process.kill()
                ends["hangs"] += 1
            else:
                continue
            del running[process]
        time.sleep(0.002)
    return ends


def parse(args):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int)
    parser.add_argument("--work", choices=tuple(PREPARED), default="apply")
    parser.add_argument("--new", action="store_true", help="new interpreters")
    parser.add_argument("--at-once", type=int, default=2, help="processes at a time (default: 2)")
    parser.add_argument("--patience", type=float, default=60, help="seconds after which a process hangs (default: 60)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no process after so many minutes")
    return parser.parse_args(args)


def main(args=None):
    options = parse(args)
    folder, owner, begin = tempfile.mkdtemp(), os.getpid(), time.monotonic()
    clip = Path(folder) / "three.mp4"
    try:
        if options.work == "apply":  # in a process of its own: this one does nothing before it forks
            subprocess.run([sys.executable, __file__, "clip", clip], check=True)
        if not options.new:
            for name in PREPARED[options.work]:
                __import__(name)
        kind = new if options.new else Forked
        ends = watch(lambda: kind(options.work, clip), options.runs, options.at_once, options.patience, begin + 60 * options.minutes)
    finally:  # a forked process comes here too
        if os.getpid() == owner:
            shutil.rmtree(folder)
    how = "new interpreters" if options.new else "forked after the imports"
    print(f"{options.work}, {how}: hangs {ends['hangs']} of {sum(ends.values())}, {dict(ends)}, {time.monotonic() - begin:.0f} s", flush=True)
    return int(set(ends) != {"done"})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        sys.exit(do(*sys.argv[2:]))
    if sys.argv[1:2] == ["clip"]:
        sys.exit(write_clip(sys.argv[2]))
    sys.exit(main())
