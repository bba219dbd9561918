"""What does it cost to hand out the videos of a corpus? python tools/benchmarks/corpus.py [--tasks 10000] [--workers 2]

Made-up tasks go through the same loop as videos do (`corpus.cluster.spread`). Each sleeps as long as a very short
measurement takes and sends back a record. Printed are the time from the first task to the last, of which what the
workers did not sleep is the cost of handing out, and for the scheduler and the client, each a process of its own, the
time for which they used a processor (which other programs do not change much) and their memory.
"""
import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil

from mexca_video.corpus.cluster import open_client, spread
from mexca_video.corpus.runs import Job, make_record

SETTINGS = ("--nthreads", "1", "--no-dashboard")


def pretend(job, seconds, packed):
    "A video that is measured at once."
    time.sleep(seconds)
    return make_record(job, "done", run=("0" * 64, "0" * 64), seconds=seconds, frames=1000, faces=1000, people=2), True


@contextlib.contextmanager
def running(*words):
    process = subprocess.Popen([sys.executable, "-m", "dask", *words], stderr=subprocess.DEVNULL)
    try: yield process
    finally:
        process.terminate()
        process.wait()


def read_address(file):
    "The address of a scheduler, when it is there."
    while True:
        with contextlib.suppress(OSError, ValueError): return json.loads(file.read_text())["address"]
        time.sleep(0.05)


def megabytes(process): return psutil.Process(process).memory_info().rss / 1e6


def busy(process):
    "Seconds for which a process has used a processor."
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


def measure(tasks, workers, seconds):
    "Rows of a table: what, and how much."
    jobs = [Job(f"video_{k:06}", f"folder/video_{k:06}.mp4", f"/study/folder/video_{k:06}.mp4") for k in range(tasks)]
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "scheduler.json"
        scheduler = stack.enter_context(running("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                                "--scheduler-file", str(file)))
        address = read_address(file)
        for _ in range(workers): stack.enter_context(running("worker", address, "--no-nanny", *SETTINGS))
        client = stack.enter_context(open_client(address))
        client.wait_for_workers(workers, timeout=120)
        before = megabytes(scheduler.pid), megabytes(os.getpid())
        idle = busy(scheduler.pid), busy(os.getpid())
        most = [0.0, 0.0]
        begin = time.perf_counter()
        first = None
        for k, _ in enumerate(spread(client, partial(pretend, seconds=seconds, packed=bytes(2000)), jobs)):
            if first is None: first = time.perf_counter() - begin
            if k % 200: continue
            most = [max(a, megabytes(b)) for a, b in zip(most, (scheduler.pid, os.getpid()))]
        total = time.perf_counter() - begin
        after = megabytes(scheduler.pid), megabytes(os.getpid())
        used = [busy(process) - start for process, start in zip((scheduler.pid, os.getpid()), idle)]
    yield "tasks", tasks
    yield "workers", workers
    yield "seconds a task sleeps", seconds
    yield "seconds until the first record", first
    yield "seconds until the last record", total
    yield "of which handing out, ms a task", 1000 * (total - tasks * seconds / workers) / tasks
    for name, k in (("scheduler", 0), ("client", 1)):
        yield f"{name}: ms of a processor a task", 1000 * used[k] / tasks
        yield f"{name}: MB before", before[k]
        yield f"{name}: MB at most", most[k]
        yield f"{name}: MB after", after[k]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.01)
    args = parser.parse_args()
    for name, value in measure(args.tasks, args.workers, args.seconds): print(f"{name:36} {value:10.2f}")
