"""The benchmark: speed against a script, cost against length, time of identification. `make bench` runs all of it, in about half an hour on two cores.

Everything that is compared runs in one process, in turn, and the median of five rounds counts. Seconds differ between machines; ratios differ less.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "helpers")]
ROUNDS, FPS = 5, 24
warnings.simplefilter("ignore")


def machine():
    "What it ran on, in words."
    from mexca_video.compute.inference import has_bfloat16

    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")] if Path("/proc/cpuinfo").exists() else []
    cpu = names[0] if names else platform.processor()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "openvino", "numba", "av"))
    return f"{cpu}, {os.cpu_count()} cores, {'bfloat16' if has_bfloat16() else 'no bfloat16'}, {platform.system()}, Python {platform.python_version()}, {packages}"


def peak():
    "Largest resident memory of this process since `forget_peak`, MB."
    status = Path("/proc/self/status")
    if not status.exists(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def forget_peak():
    "Let `peak` begin anew, where the system can."
    with contextlib.suppress(OSError): Path("/proc/self/clear_refs").write_text("5")


def child(*arguments):
    "Run one measurement in a process of its own; what it reports."
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode: raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# Speed


def enlarge(path, width, height, frames):
    "Write the first frames of the Pexels clip in another size."
    import av

    from mexca_video import VideoDataset, sample_path

    video = VideoDataset(sample_path("pexels"))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(frames): file.mux(stream.encode(av.VideoFrame.from_ndarray(video[i]["Image"].numpy(), format="rgb24").reformat(width, height, "yuv420p")))
        file.mux(stream.encode())
    return path


def clips(folder):
    "(name, path, frames): the Pexels clip, and the same at 1280x720."
    from mexca_video import sample_path

    return [("640x360", sample_path("pexels"), 128), ("1280x720", enlarge(Path(folder) / "large.mp4", 1280, 720, 128), 128)]


@contextlib.contextmanager
def default_set():
    "The default models with random weights of the real layouts: a maker of extractors, and the script."
    from script import DefaultScript

    from mexca_video import FaceExtractor
    from mexca_video.models.fetch import fetch_model
    from mexca_video.models.registry import MODELS
    from mexca_video.models.weights import read_au_classifier

    import seed_models as seed
    from hub import Hub

    before = dict(os.environ)
    with Hub() as hub, tempfile.TemporaryDirectory() as cache:
        os.environ |= hub.env | {"MEXCA_VIDEO_CACHE": cache, "TORCH_HOME": cache, "HF_HUB_CACHE": cache, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        seed.serve(hub, "vggface2", "mobilefacenet")
        hub.add_hub_file(MODELS["xgb"].location[0], MODELS["xgb"].file, seed.classifier_file("xgb", rows=300, components=250, trees=60, depth=3))
        for name in ("vggface2", "mobilefacenet", "xgb"): fetch_model(name, show_progress=False)
        plain = FaceExtractor(1)
        encoder = plain.encoder
        del encoder.compiled # the script runs torch's own
        script = DefaultScript(encoder, plain.extractor.landmarker.network, read_au_classifier("xgb"))
        try: yield lambda **options: FaceExtractor(1, **options), script
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextlib.contextmanager
def embedded_set():
    "The embedded models: a maker of extractors, and the script, `None` where MediaPipe is not installed."
    from mexca_video import FaceExtractor
    from mexca_video.models.fetch import fetch_model
    from mexca_video.models.weights import read_sface

    try:
        from script import EmbeddedScript

        script = EmbeddedScript(read_sface(), fetch_model("facemesh"))
    except ImportError as error:
        print(f"The embedded set is measured without a script: {error}")
        script = None
    yield lambda **options: FaceExtractor.embedded(1, **options), script
    if script: script.landmarker.close()


def race(contestants, count):
    "Milliseconds a frame of each contestant, in turn: {name: five values}."
    times = {name: [] for name in contestants}
    for run in contestants.values(): run(16)
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            began = time.perf_counter()
            run(count)
            times[name].append(1000 * (time.perf_counter() - began) / count)
    return times


def measure_speed(rows):
    "Milliseconds a frame of the script and of ours, in turn."
    with tempfile.TemporaryDirectory() as folder:
        for models, entered in (("default", default_set), ("embedded", embedded_set)):
            with entered() as (make, script):
                kinds = {"exact": make(), "fast": make(engine="fast"), "exact, detect_every=5": make(detect_every=5)}
                for clip, path, count in clips(folder): compare(rows, models, clip, kinds, script, path, count)


def compare(rows, models, clip, kinds, script, path, count):
    "One clip: the script and each kind of ours."
    stages = []
    contestants = {"script": lambda n: stages.append(script.run(path, n)[1])} if script else {}
    for name, extractor in kinds.items():
        contestants[name] = lambda n, extractor=extractor: extractor.apply(path, 16, process_subclip=(0, (n - 0.5) / 23.976), show_progress=False)
    times = race(contestants, count)
    for name, values in times.items():
        value = statistics.median(values)
        rows.append(("speed", models, clip, name, round(value, 1), "ms a frame", round(1000 / value, 1), "frames/s"))
    for name in kinds if script else ():
        ratios = [s / e for s, e in zip(times["script"], times[name])]
        rows.append(("ratio", models, clip, f"script : {name}", round(statistics.median(ratios), 2), "", f"{min(ratios):.2f} to {max(ratios):.2f}", f"in {ROUNDS} rounds"))
    for stage in stages[-1] if stages else ():
        rows.append(("stages of the script", models, clip, stage, round(statistics.median(1000 * s[stage] / count for s in stages[1:]), 2), "ms a frame", "", ""))
    for name in ("exact", "fast"):
        rows.extend((f"stages of {name}", models, clip, stage, value, "ms a frame", "", "one thread") for stage, value in measure_stages(kinds[name], path, count))


def measure_deviations(rows):
    "What the fast engine says otherwise, with the embedded models, which are here with their real weights, on the sample clips."
    from mexca_video import FaceExtractor, sample_clip, sample_path

    clips = {"people": (sample_clip(), 3), **{name: (sample_path(name), 1) for name in ("pexels", "single_face", "face_noface")}}
    for name, (path, people) in clips.items():
        exact, fast = (FaceExtractor.embedded(people, engine=engine).apply(path, 16, return_embeddings=True, show_progress=False) for engine in ("exact", "fast"))
        rows.extend(("fast against exact", "embedded", name, what, value, unit, exact.sizes["frame"], "frames") for what, value, unit in deviations(exact, fast))


def deviations(exact, fast):
    "(what, value, unit) of the differences of two results of one clip; faces are paired by their slots."
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    frames, there = exact.sizes["frame"], [ds.face_prob.notnull().values for ds in (exact, fast)]
    slots = min(there[0].shape[1], there[1].shape[1])
    both = there[0][:, :slots] & there[1][:, :slots]
    def apart(name): return np.abs(exact[name].values[:, :slots][both] - fast[name].values[:, :slots][both])
    a, b = (ds.face_embedding.values[:, :slots][both].astype(float) for ds in (exact, fast))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    points, aus = np.linalg.norm(apart("face_landmarks"), axis=2), apart("face_aus")
    labels = [np.nan_to_num(ds.face_label.values[:, :slots][both], nan=-1) for ds in (exact, fast)]
    more = fast.n_detected.values.astype(int) - exact.n_detected.values
    return [("faces gained in 10,000 frames", round(1e4 * int(more[more > 0].sum()) / frames, 1), ""), ("faces lost in 10,000 frames", round(1e4 * int((-more[more < 0]).sum()) / frames, 1), ""),
            ("box, largest difference", float(f"{apart('face_box').max():.1e}"), "px"), ("cosine of embeddings, smallest", round(float(cosine.min()), 6), ""),
            ("landmarks, mean difference", round(float(np.nanmean(points)), 3), "px"), ("landmarks, largest difference", round(float(np.nanmax(points)), 3), "px"),
            ("action units, mean difference", round(float(np.nanmean(aus)), 4), ""), ("action units, largest difference", round(float(np.nanmax(aus)), 4), ""),
            ("identity, ARI", round(float(adjusted_rand_score(*labels)), 4), "")]


def measure_stages(extractor, path, count):
    "Milliseconds a frame of each stage of ours by itself, one after the other on one thread."
    import numpy as np
    import torch

    from mexca_video import VideoDataset
    from mexca_video.faces.action_units import measure_units
    from mexca_video.faces.crops import cut_for, region_to_frame
    from mexca_video.faces.detection import find_faces
    from mexca_video.faces.measures import cut_regions_for, describe_head
    from mexca_video.faces.quality import Quality

    def timed(work):
        times = []
        for _ in range(3):
            began = time.perf_counter()
            result = work()
            times.append(time.perf_counter() - began)
        return result, round(1000 * statistics.median(times) / count, 2)

    fast, landmarker, threads = extractor.detector.fast, extractor.extractor.landmarker, torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        frames, decode = timed(lambda: [image for _, images in VideoDataset(path, end=(count - 0.5) / 23.976).batches(16) for image in images])
        candidates, propose = timed(lambda: [fast.propose([image]) for image in frames])
        refined, refine = timed(lambda: [fast.refine([image], *found) for image, found in zip(frames, candidates)])
        _, decide = timed(lambda: [fast.decide([image], *found) for image, found in zip(frames, refined)])
        faces = list(zip(*find_faces(extractor.detector, frames)[:3]))
        crops, cut = timed(lambda: torch.cat([cut_for(extractor.embeddings_model, image, boxes, points) for image, (boxes, _, points) in zip(frames, faces) if boxes is not None]))
        _, embed = timed(lambda: extractor.encode(crops))
        cuts, square = timed(lambda: [cut_regions_for(extractor.extractor, image, boxes, points[:, :2]) for image, (boxes, _, points) in zip(frames, faces) if boxes is not None])
        squares, patches = np.concatenate([c[0] for c in cuts]), torch.cat([c[1] for c in cuts])
        marks, landmarks = timed(lambda: landmarker(patches))
        _, aus = timed(lambda: measure_units(extractor.extractor.au_classifier, landmarker, patches, squares, marks))
        sizes = np.full((len(squares), 2), frames[0].shape[1::-1])
        _, head = timed(lambda: describe_head(region_to_frame(squares, marks), sizes))
        quality = Quality()
        looked, look = timed(lambda: [cut_regions_for(quality, image, boxes)[1] for image, (boxes, _, _) in zip(frames, faces) if boxes is not None])
        _, rate = timed(lambda: quality.measure(torch.cat(looked), None, None, {}))
    finally: torch.set_num_threads(threads)
    return [("decode", decode), ("MTCNN: pyramid and P-Net", propose), ("MTCNN: R-Net", refine), ("MTCNN: O-Net", decide), ("cut for embedding", cut), ("embedding", embed),
            ("cut for landmarks", square), ("landmarks", landmarks), ("action units", aus), ("pose and eyes", head), ("sharpness and brightness", look + rate)]


# Length


def replay(minutes):
    "Peak memory of a clip of this length: the networks run on the sample clip, then its faces are dealt out again until the time is over."
    import itertools

    import numpy as np

    from mexca_video import FaceExtractor, sample_clip, video
    from mexca_video.extraction import stream

    extractor = FaceExtractor.embedded(3)
    seen, batches, embedded = [], {}, []
    find_faces, measure, embed = stream._frames_of, stream.FaceStream.measure_batch, stream.FaceStream.embed_batch
    def keep(self, *arguments):
        for item in find_faces(self, *arguments):
            seen.append(item)
            yield item
    def keep_batch(self, faces):
        batches[len(faces)] = measure(self, faces)
        return batches[len(faces)]
    def keep_embedding(self, crops):
        embedded.append(embed(self, crops))
        return embedded[-1]
    stream._frames_of, stream.FaceStream.measure_batch, stream.FaceStream.embed_batch = keep, keep_batch, keep_embedding
    extractor.apply(sample_clip(), show_progress=False)
    longest, failures = batches[max(batches)]
    frames = int(minutes * 60 * FPS)
    class Long(video.VideoFrames):
        "The sample clip, over and over."
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.video_frames, self.time = np.arange(frames), np.arange(frames) / FPS
    def deal(self, pool, dataset, batch_size, start, bar): yield from (item._replace(position=i) for i, item in zip(range(start, frames), itertools.islice(itertools.cycle(seen), start, None)))
    def copy_batch(self, faces): return {name: values[:len(faces)] for name, values in longest.items()} | dict(position=np.array([face[0] for face in faces])), failures
    rows = np.concatenate([columns["face_embedding"] for columns, _ in embedded])
    def copy_embedding(self, crops): return dict(face_embedding=np.resize(rows, (len(crops), rows.shape[1]))), {}
    stream._frames_of, stream.FaceStream.measure_batch, stream.FaceStream.embed_batch = deal, copy_batch, copy_embedding
    video.VideoDataset = Long  # which `open_frames` takes then
    forget_peak()
    before, began = peak(), time.perf_counter()
    ds = extractor.apply(sample_clip(), show_progress=False)
    return dict(frames=frames, seconds=time.perf_counter() - began, before=before, peak=peak(), result=ds.nbytes / 1024**2)


def measure_length(rows):
    found = {minutes: child("replay", minutes) for minutes in (2, 15, 60, 120)}
    for minutes, one in found.items():
        rows.append(("length", "embedded", f"{minutes} min", "peak memory", round(one["peak"]), "MB", round(one["result"]), "MB of that the result"))
        rows.append(("length", "embedded", f"{minutes} min", "collecting, identification, Dataset", round(1000 * one["seconds"] / one["frames"], 3), "ms a frame", one["frames"], "frames"))
    more, result = (found[120][key] - found[2][key] for key in ("peak", "result"))
    rows.append(("length", "embedded", "120 min : 2 min", "more memory, beside the result", round(more - result), "MB", round(more), "MB more in all"))


# Identification


def identify(count, size):
    "Seconds to tell ten people apart in a made-up film with `count` detections."
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    from mexca_video import FaceExtractor

    from scenes import make_film

    position, boxes, embeddings, who = (part[:count] for part in make_film(int(count * 0.8) + 400, 10, size))
    extractor = FaceExtractor.embedded(10)
    extractor.identify(embeddings[:200], frames=position[:200], boxes=boxes[:200])
    extractor = FaceExtractor.embedded(None)
    forget_peak()
    began = time.perf_counter()
    labels = extractor.identify(embeddings, frames=position, boxes=boxes)
    extractor.compute_confidence(embeddings, labels)
    return dict(seconds=time.perf_counter() - began, detections=len(labels), people=int(np.nanmax(labels)) + 1, peak=peak(),
                agreement=adjusted_rand_score(who, np.where(np.isfinite(labels), labels, -1)))


def measure_identification(rows):
    for count, size in ((2_000, 128), (20_000, 128), (200_000, 128), (1_000_000, 128), (1_000_000, 512)):
        found = child("identify", count, size)
        rows.append(("identification", f"{size} values", f"{found['detections']} faces", "time", round(found["seconds"], 1), "s", f"{found['agreement']:.4f}", f"agreement (ARI), {found['people']} people"))
        rows.append(("identification", f"{size} values", f"{found['detections']} faces", "peak memory", round(found["peak"]), "MB", "", ""))


# The whole


def draw(rows, path):
    "Cost against length: memory of a run, time of identification."
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    memory = [(float(r[2].split()[0]), r[4], r[6]) for r in rows if r[0] == "length" and r[3] == "peak memory"]
    times = {width: [(int(r[2].split()[0]), r[4]) for r in rows if r[0] == "identification" and r[3] == "time" and r[1] == width] for width in ("128 values", "512 values")}
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    if memory:
        minutes, used, result = zip(*memory)
        left.plot(minutes, used, "o-", color="#0072B2", label="peak memory")
        left.plot(minutes, result, "o--", color="#D55E00", label="the result itself")
        left.set(xlabel="length of the clip (min)", ylabel="MB", ylim=(0, None))
        left.legend(frameon=False)
    for (width, points), color in zip(times.items(), ("#0072B2", "#D55E00")):
        if points: right.plot(*zip(*points), "o-", color=color, label=width)
    right.set(xlabel="faces", ylabel="identification (s)", xscale="log", ylim=(0, None))
    right.legend(frameon=False)
    fig.savefig(path, dpi=120)


PARTS = dict(speed=measure_speed, deviations=measure_deviations, length=measure_length, identification=measure_identification)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=list(PARTS), help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("-o", "--outdir", default="out", help="folder for benchmark.csv and benchmark.png (default: out)")
    args = parser.parse_args()
    if args.what[0] in ("replay", "identify"):
        print(json.dumps({"replay": replay, "identify": identify}[args.what[0]](*map(int, args.what[1:]))))
        return
    rows = []
    for name in args.what: PARTS[name](rows)
    outdir = Path(args.outdir)
    outdir.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("part", "models", "what", "who", "value", "unit", "more", "of"), *rows])
    (outdir / "benchmark.csv").write_text(f"# {time.strftime('%Y-%m-%d')}, {machine()}\n{text.getvalue()}")
    draw(rows, outdir / "benchmark.png")
    print(machine())
    for row in rows: print("{:27} {:10} {:15} {:36} {:>9} {:11} {:>14} {}".format(*map(str, row)))
    print(f"written: {outdir / 'benchmark.csv'}, {outdir / 'benchmark.png'}; {time.perf_counter() - START:.0f} s in all")


START = time.perf_counter()
if __name__ == "__main__":
    main()
