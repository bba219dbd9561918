"""The GPU: speed of whole runs against the number of frames looked at together, agreement with the CPU, and where the time goes.

`make bench` runs it; where torch finds no CUDA GPU it says so and writes nothing. With `--device cpu` everything runs, for a test of the benchmark itself.
"""
import argparse
import csv
import statistics
import tempfile
import threading
import time
import warnings
from collections import defaultdict
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import FPS, default_set, deviations, enlarge, machine, race

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = ROOT.parent / "shared" / "people"
SIZES = ((1280, 720), (1920, 1080))
BATCHES = (1, 4, 16, 64)
COLUMNS = ("part", "models", "what", "who", "value", "unit", "more", "of")
warnings.simplefilter("ignore")


def name_of(device):
    "The card in words."
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


def runner(extractor, batch, path):
    "A run of the first frames of a clip."
    return lambda frames: extractor.apply(path, batch, process_subclip=(0, (frames - 0.5) / FPS), show_progress=False)


def measure_speed(rows, make, path, size, device, batches, frames):
    "Frames per second on the CPU and on the GPU, in turn."
    contestants = {}
    for engine in ("exact", "fast"):
        contestants["cpu", engine, 16] = runner(make(engine=engine), 16, path)
        extractor = make(device=device, engine=engine)
        for batch in batches: contestants[name_of(device), engine, batch] = runner(extractor, batch, path)
    for (who, engine, batch), values in race(contestants, frames).items():
        rate = sorted(1000 / value for value in values)
        rows.append(("gpu", "default", size, f"{who}, {engine}, batch_size={batch}", round(statistics.median(rate), 1), "frames/s", f"{rate[0]:.1f} to {rate[-1]:.1f}", f"in {len(rate)} rounds"))


def measure_agreement(rows, make, models, clips, device):
    "What the GPU says otherwise than the CPU, both in the exact engine."
    for path in clips:
        cpu, gpu = (make(**options).apply(path, 16, return_embeddings=True, show_progress=False) for options in ({}, dict(device=device)))
        people = " and ".join(str(int(ds.face_label.max(skipna=True)) + 1) for ds in (cpu, gpu))
        found = [*deviations(cpu, gpu), ("people, CPU and GPU", people, "")]
        rows.extend(("gpu against cpu", models, path.stem, what, value, unit, cpu.sizes["frame"], "frames") for what, value, unit in found)


# Where the time goes


@contextmanager
def watched(places):
    "Seconds that all threads together spend in functions: places are (owner, name, label)."
    spent, lock, before = defaultdict(float), threading.Lock(), []
    def watch(owner, name, label):
        inner = getattr(owner, name)
        before.append((owner, name, inner))
        def outer(*args, **options):
            began = time.perf_counter()
            try: return inner(*args, **options)
            finally:
                with lock: spent[label] += time.perf_counter() - began
        setattr(owner, name, outer)
    for place in places: watch(*place)
    try: yield spent
    finally:
        for owner, name, inner in before: setattr(owner, name, inner)


def places():
    "What is watched."
    from mexca_video import video
    from mexca_video.extraction import extractor, stream
    from mexca_video.faces.mtcnn import FastMTCNN

    return [
        (video, "_picture", "decode and convert"), (FastMTCNN, "propose", "MTCNN: pyramid and P-Net"), (FastMTCNN, "refine", "MTCNN: R-Net"), (FastMTCNN, "decide", "MTCNN: O-Net"),
        (stream, "_cut_faces", "cut faces, quality"), (stream, "measure_signature", "signature"), (stream.FaceStream, "measure_batch", "landmarks, units, head"),
        (stream.FaceStream, "embed_batch", "embedding"), (extractor, "_assemble", "assemble, identify"),
    ]


def measure_stages(rows, make, path, size, device, engine, batch, frames):
    "Milliseconds a frame of each stage, summed over all threads, while everything runs; the GPU's own by torch's profiler."
    import torch
    from torch.profiler import ProfilerActivity, profile

    run = runner(make(device=device, engine=engine), batch, path)
    run(frames)
    with watched(places()) as spent:
        began = time.perf_counter()
        run(frames)
        whole = time.perf_counter() - began
    label = f"{size}, {engine}, batch_size={batch}"
    rows.append(("gpu stages", "default", label, "elapsed", round(1000 * whole / frames, 2), "ms a frame", "", ""))
    rows.extend(("gpu stages", "default", label, what, round(1000 * seconds / frames, 2), "ms a frame", "", "all threads") for what, seconds in spent.items())
    if device != "cuda": return
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as watch:
        run(frames)
        torch.cuda.synchronize()
    kernels = sorted(((event.key, event.self_device_time_total / 1000) for event in watch.key_averages()), key=lambda kernel: -kernel[1])
    rows.append(("gpu kernels", "default", label, "all", round(sum(ms for _, ms in kernels) / frames, 3), "ms a frame", "", ""))
    rows.extend(("gpu kernels", "default", label, key[:60], round(ms / frames, 3), "ms a frame", "", "") for key, ms in kernels[:12])


def clips_with_people():
    "Real clips for the comparison: those with a truth beside the project, else the sample clips."
    from mexca_video import sample_clip, sample_path

    return sorted(PEOPLE.glob("*.mp4")) or [sample_clip(), sample_path("pexels")]


def measure_gpu(rows, device="cuda", sizes=SIZES, batches=BATCHES, frames=384):
    "Everything."
    import torch

    from mexca_video import FaceExtractor

    clips = clips_with_people()
    measure_agreement(rows, lambda **options: FaceExtractor.embedded(**options), "embedded", clips, device)
    with default_set() as (make, _), tempfile.TemporaryDirectory() as folder:
        measure_agreement(rows, make, "default", clips[:1], device)
        for width, height in sizes:
            path = enlarge(Path(folder) / f"{height}.mp4", width, height, frames)
            measure_speed(rows, make, path, f"{width}x{height}", device, batches, frames)
            with suppress(torch.OutOfMemoryError): measure_stages(rows, make, path, f"{width}x{height}", device, "exact", 16, frames)


def main():
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--frames", type=int, default=384, help="frames of a run (default: 384)")
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write gpu.csv to (default: out)")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("GPU: not measured, torch finds no CUDA GPU here")
        return
    rows = []
    measure_gpu(rows, args.device, frames=args.frames)
    args.outdir.mkdir(parents=True, exist_ok=True)
    with (args.outdir / "gpu.csv").open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {time.strftime('%Y-%m-%d')}, {name_of(args.device)}, {machine()}\n")
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    for row in rows: print("{:16} {:9} {:30} {:60} {:>9} {:11} {:>16} {}".format(*map(str, row)))
    print(f"written: {args.outdir / 'gpu.csv'}")


if __name__ == "__main__": main()
