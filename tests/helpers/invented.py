"An extractor that invents its results, and small films for it. Processes of tests import it too."
import json
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from mexca_video import demo_features
from mexca_video.files import file_sha256


@dataclass
class Inventor:
    "Invents a result for a video by its name, and writes down in `log` which it was asked for."
    num_faces: int | None = None
    mood: str = "merry"
    seconds: float = 0.0  # that each takes
    log: str | None = None  # a line for each video that is begun
    fail: tuple = ()  # names of videos that cannot be done
    kill: tuple = ()  # names of videos that kill the process
    kill_once: tuple = ()  # that kill the first process only

    def describe_run(self, path, **options):
        arguments = dict(num_faces=self.num_faces, mood=self.mood, **options)
        return dict(video_sha256=file_sha256(path), arguments=json.loads(json.dumps(arguments)))

    def apply(self, path, show_progress=False, batch_size=1, **options):
        name = Path(path).stem
        before = Path(self.log).read_text().split() if self.log and Path(self.log).exists() else []
        if self.log:
            with open(self.log, "a") as file: file.write(f"{name}\n")
        time.sleep(self.seconds)
        if name in self.kill or name in self.kill_once and name not in before: os.kill(os.getpid(), signal.SIGKILL)
        if name in self.fail: raise ValueError(f"{path}: the film is torn")
        run = self.describe_run(path, **options)
        ds = demo_features(n_frames=12, n_faces=self.num_faces or 2, seed=int(run["video_sha256"][:6], 16))
        return ds.assign_attrs(video_file=Path(path).name, video_sha256=run["video_sha256"], arguments=json.dumps(run["arguments"]))


def write_study(folder, names):
    "A manifest with a small film for each name; returns its path."
    from clips import write_clip

    Path(folder).mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names): write_clip(Path(folder) / f"{name}.mp4", count=3, first=k)
    path = Path(folder) / "corpus.csv"
    rows = [f"{name}.mp4,{name},{'ab'[k % 2]}" for k, name in enumerate(names)]
    path.write_text("\n".join(["video,id,condition", *rows]) + "\n", encoding="utf-8")
    return path


def process_apart(study, out, options):
    "Process a corpus, for a process of its own."
    from mexca_video import process_corpus

    process_corpus(study, out, Inventor(**options), show_progress=False)


def start(study, out, **options):
    "Process a corpus in a process of its own, which is forked from one that has imported everything."
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mexca_video.corpus.cluster", "mexca_video.video", "mexca_video.io.netcdf", "invented"])
    process = context.Process(target=process_apart, args=(study, out, options))
    process.start()
    return process
