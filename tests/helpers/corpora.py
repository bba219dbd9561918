"A made-up corpus in the layout that the corpus commands write: corpus.csv, results/ID.nc and records/ID.json."
import csv
import json
import shutil
from pathlib import Path

from mexca_video import demo_features, save

RECORD = dict(state="done", attempts=1, error="", seconds=2.5, frames=0, faces=0, people=0, warnings=[], version="0.2.0")
FAILED = dict(state="failed", error="cannot be read: it has no film", attempts=2)


def write_record(out, id, **known):
    "The record of a video."
    (out / "records" / f"{id}.json").write_text(json.dumps(dict(id=id, video=f"{id}.mp4") | RECORD | known))


def write_corpus(out, results, manifest=None, **records):
    """Write a corpus. `results`: id -> Dataset or None; `manifest`: id -> dict of further columns; `records`: id with _ for
    other signs -> what its record says; an id without a result has failed, unless its record is None."""
    out = Path(out)
    for name in ("results", "records"): (out / name).mkdir(parents=True, exist_ok=True)
    manifest = manifest or {}
    columns = ["id", "video", *dict.fromkeys(name for row in manifest.values() for name in row)]
    with open(out / "corpus.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        for id in results: table.writerow(dict(id=id, video=f"{id}.mp4") | manifest.get(id, {}))
    for id, ds in results.items():
        said = records.get(id, {} if ds is not None else FAILED)
        if ds is not None: save(ds, out / "results" / f"{id}.nc")
        if said is not None: write_record(out, id, **said)
    return out


def study(out):
    "Five done videos of three participants in two conditions, one failed, one waiting."
    results = {f"v{k}": demo_features(n_frames=24, n_faces=1 + k % 2, seed=k) for k in range(5)}
    manifest = {f"v{k}": dict(participant=f"0{k // 2 + 1}", condition="ab"[k % 2], age=20 + k) for k in range(7)}
    return write_corpus(out, results | {"v5": None, "v6": None}, manifest, v6=None)


def many(out, n):
    "A corpus of `n` videos whose results are copies of one file. (HDF5 opens links to one file only once.)"
    write_corpus(out, {"v00000": demo_features(n_frames=12, n_faces=1)})
    ids = [f"v{k:05d}" for k in range(n)]
    first = out / "results" / "v00000.nc"
    for id in ids[1:]:
        shutil.copyfile(first, out / "results" / f"{id}.nc")
        write_record(out, id)
    lines = ["id,video,condition", *(f"{id},{id}.mp4,{'ab'[k % 2]}" for k, id in enumerate(ids))]
    (out / "corpus.csv").write_text("\n".join(lines) + "\n")
    return out
