"""A film of two hours in 4K: how long `VideoDataset` needs to know its frames, how much memory that takes, and what one frame far away costs."""
import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd

from mexca_video import VideoDataset, sample_image, sample_path

RATE = 25  # frames a second
SIZE = 3840, 2160


def peak_mb():
    "Most memory of this process so far, in MB."
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def write_part(path, seconds, codec):
    "A few seconds of 4K in which everything moves, one closed group of pictures each two seconds."
    image = np.tile(sample_image("multi_face_photo"), (8, 8, 1))
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=RATE, options=dict(preset="ultrafast", crf="38", **{"x264-params": f"keyint={2 * RATE}:scenecut=0:open-gop=0"}))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for k in range(seconds * RATE):
            part = np.ascontiguousarray(image[3 * k % 400:][:SIZE[1], 5 * k % 400:][:, :SIZE[0]])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        file.mux(stream.encode())


def repeat(part, path, seconds):
    "The packets of a short film over and over: a long one, of which nothing is encoded again."
    with av.open(str(part)) as source: packets = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in source.demux(video=0) if p.size]
    with av.open(str(part)) as source, av.open(str(path), "w") as file:
        stream = file.add_stream_from_template(source.streams.video[0])
        base = source.streams.video[0].time_base
        length = round(len(packets) / RATE / base)
        for turn in range(seconds * RATE // len(packets)):
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.time_base = pts + turn * length, dts + turn * length, Fraction(base)
                packet.stream, packet.is_keyframe = stream, key
                file.mux(packet)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write film.csv to (default: out)")
    parser.add_argument("--minutes", type=float, default=120, help="length of the film (default: 120)")
    parser.add_argument("--frames", type=int, default=20, help="frames that are asked for, far from each other (default: 20)")
    args = parser.parse_args()
    with VideoDataset(sample_path("single_face")) as small: small[0]
    with tempfile.TemporaryDirectory() as folder:
        part, film = Path(folder) / "part.mp4", Path(folder) / "film.mp4"
        write_part(part, 10, "libx264")
        repeat(part, film, int(args.minutes * 60))
        Path("/proc/self/clear_refs").write_text("5")  # what was needed to write the film does not count
        rows = measure(film, args.frames, peak_mb())
        rows.insert(0, ("size of the file", round(film.stat().st_size / 1e6), "MB"))
    table = pd.DataFrame(rows, columns=["what", "value", "unit"])
    print(f"{args.minutes:g} minutes of {SIZE[0]}x{SIZE[1]} at {RATE} frames a second", table.to_string(index=False), sep="\n")
    args.outdir.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.outdir / "film.csv", index=False, lineterminator="\n")


def seconds(work):
    "How long something takes."
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(film, count, before):
    "Rows (what, value, unit)."
    opened = []
    index = seconds(lambda: opened.append(VideoDataset(film)))
    video, memory = opened[0], peak_mb() - before
    times = [seconds(lambda i=i: video[int(i)]) for i in np.random.default_rng(0).integers(0, len(video), count)]
    middle = len(video) // 2
    following = [seconds(lambda i=i: video[i]) for i in range(middle, middle + RATE)]
    seeks = peak_mb() - before
    video.close()
    return [("frames", len(video), "1"), ("index", round(index, 2), "s"), ("memory of the index", round(memory), "MB"),
            ("a frame anywhere, median", round(np.median(times), 2), "s"), ("a frame anywhere, slowest", round(max(times), 2), "s"),
            ("the next frame, median", round(1000 * np.median(following)), "ms"), ("memory with pictures", round(seeks), "MB")]


if __name__ == "__main__": main()
