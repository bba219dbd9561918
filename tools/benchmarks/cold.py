"""From `python` to the first result: a clip of five frames with the embedded set, each run in a fresh process, without and with compiled networks in the cache."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import pandas as pd

from mexca_video import FaceExtractor, VideoDataset, sample_path
from mexca_video.files import cache_folder

STAGES = """
import sys, time
seen = []
def lap(name):
    with open("/proc/self/status") as file: peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    seen.append((name, time.perf_counter(), time.process_time(), peak / 1024))
lap("start")
import numpy; lap("NumPy")
import openvino, numba, xarray, netCDF4; lap("OpenVINO, numba, xarray, netCDF4")
from mexca_video import FaceExtractor, save; lap("mexca_video")
extractor = FaceExtractor.embedded()
result = extractor.apply(sys.argv[1], show_progress=False); lap("first run")
save(result, sys.argv[2]); lap("save")
extractor.apply(sys.argv[1], show_progress=False); lap("second run")
for (_, before, busy, _), (name, after, used, memory) in zip(seen, seen[1:]): print(name, after - before, used - busy, memory, sep="\\t")
"""


def write_clip(path, count=5):
    "The first frames of a sample clip."
    with VideoDataset(sample_path("single_face")) as video, av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        for image in video[:count]["Image"].numpy(): file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())


def run_once(clip, cache):
    "Rows of one fresh process: stage, seconds, seconds of the processor, peak memory so far in MB."
    command = [sys.executable, "-c", STAGES, str(clip), str(clip.parent / "result.nc")]
    out = subprocess.run(command, env=os.environ | dict(MEXCA_VIDEO_CACHE=str(cache)), capture_output=True, text=True, check=True).stdout
    return [(name, *map(float, rest)) for name, *rest in (line.split("\t") for line in out.splitlines())]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write cold.csv to (default: out)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind, alternating (default: 5)")
    args = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "five.mp4"
        write_clip(clip)
        FaceExtractor.embedded().apply(clip, show_progress=False)  # the models are here then, and numba's kernels in its cache
        cache = Path(folder) / "cache"
        shutil.copytree(cache_folder(), cache, ignore=shutil.ignore_patterns("compiled", "samples"))
        for _ in range(args.repeats):
            shutil.rmtree(cache / "compiled", ignore_errors=True)
            for kind in ("compiled anew", "from the cache"):
                rows = run_once(clip, cache)
                total = ("to the first result", *(sum(row[i] for row in rows[:-1]) for i in (1, 2)), rows[-2][3])
                found += [dict(cache=kind, stage=name, seconds=a, processor=b, peak_mb=c) for name, a, b, c in (*rows, total)]
    table = pd.DataFrame(found).groupby(["cache", "stage"], sort=False).median().round(2)
    print(table.to_string(), f"Medians of {args.repeats}.", sep="\n")
    args.outdir.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.outdir / "cold.csv", lineterminator="\n")
    wall = table.seconds.unstack(0).loc["to the first result"]
    print(f"With compiled networks in the cache: {wall['from the cache'] / wall['compiled anew']:.2f} of the time without.")


if __name__ == "__main__": main()
