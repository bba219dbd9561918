"""Who is who on real clips with hand-made truth: how many people, the right ones, and whether what is no face has a name.

A folder holds NAME.mp4 beside NAME.csv (frame, x, y, width, who). `make people` prints the table and writes people.csv to OUT. Each clip is run with and
without the number of people given, and with the values of `--every` for what following faces between detections (`detect_every`) loses. `--before` measures
an older checkout of the package, too, with the same scorer; `--sheets` draws each clip's tracks, a row for each person, for people to look at.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from people_score import FALSE, IGNORE, read_truth, score  # noqa: E402

CLIPS = ROOT.parent / "shared" / "people"
KEY = ["clip", "people", "given", "detect_every"]
SHEET_TRACKS = 12  # of each person on a sheet
warnings.simplefilter("ignore")


def measure(clip, truth, given, every, sheets):
    "One row of the table."
    from mexca_video import FaceExtractor
    options = {} if every == 1 else {"detect_every": every}
    result = FaceExtractor.embedded(given, **options).apply(clip, show_progress=False)
    if sheets and every == 1 and not given: draw_sheet(result, clip, sheets)
    found = score(result, truth)
    return dict(
        clip=clip.stem, people=found.true, given="yes" if given else "no", detect_every=every, found=found.found, bcubed=found.bcubed, missed=found.missed,
        unnamed=found.unnamed, false=found.false, false_named=found.false_named,
    )


def draw_sheet(result, clip, folder):
    "One face of each track, a row for each person, doubtful ones dashed: CLIP.png."
    from matplotlib.figure import Figure

    from mexca_video import draw_faces
    folder.mkdir(parents=True, exist_ok=True)
    rows = max(result.sizes["face"], 1)
    figure = Figure(figsize=(1.2 * SHEET_TRACKS + 1.2, 1.4 * rows), layout="constrained")
    draw_faces(result, clip, n=SHEET_TRACKS, ax=figure.subplots(), per="track")
    figure.savefig(folder / f"{clip.stem}.png", dpi=80)


def measure_all(folders, every, sheets):
    "The table of all clips."
    rows = []
    for clip in sorted(clip for folder in folders for clip in folder.glob("*.mp4")):
        truth = read_truth(clip.with_suffix(".csv"))
        number = len({who for faces in truth.values() for *_, who in faces} - {IGNORE, FALSE})
        rows += [measure(clip, truth, None, step, sheets) for step in every]
        if number: rows.append(measure(clip, truth, number, 1, sheets))
        print(clip.stem, file=sys.stderr)
    if not rows: raise SystemExit(f"{', '.join(map(str, folders))}: there are no clips")
    return pd.DataFrame(rows).round(3)


def measure_before(checkout, folders, every):
    "The same table from an older checkout of the package."
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--outdir", folder, "--clips", *map(str, folders), "--every", *map(str, every)]
        environment = os.environ | {"PYTHONPATH": str(checkout.resolve())}
        subprocess.run(command, check=True, env=environment, cwd=checkout, stdout=subprocess.DEVNULL)
        return pd.read_csv(Path(folder) / "people.csv")


def sum_up(table):
    "A line for each way of running: in how many clips the number is right, mean B-cubed, and how many false faces have a name."
    right = table.assign(right=table.found == table.people).groupby(["given", "detect_every"], sort=False)
    return right.agg(clips=("clip", "size"), right=("right", "sum"), bcubed=("bcubed", "mean"), lowest=("bcubed", "min"), false=("false", "sum"), false_named=("false_named", "sum")).round(3).reset_index()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", default=[CLIPS], help="folders of clips and truths (default: ../shared/people)")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2, 3, 5, 10], help="values of detect_every (default: 1 2 3 5 10)")
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write people.csv to (default: out)")
    parser.add_argument("--before", type=Path, help="an older checkout of the package that is measured, too")
    parser.add_argument("--sheets", type=Path, help="folder to draw a contact sheet of each clip to")
    args = parser.parse_args()
    folders = [folder.resolve() for folder in args.clips]
    table = measure_all(folders, args.every, args.sheets)
    print(sum_up(table).to_string(index=False))
    if args.before:
        before = measure_before(args.before, folders, args.every)
        print("before:", sum_up(before).to_string(index=False), sep="\n")
        table = table.merge(before.drop(columns="false"), on=KEY, suffixes=("", "_before"))
    print(table.to_string(index=False), args.outdir / "people.csv", sep="\n")
    args.outdir.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.outdir / "people.csv", index=False, lineterminator="\n")


if __name__ == "__main__": main()
