"""Who is who on real clips with hand-made truth, and what following faces between detections (`detect_every`) loses.

A folder holds NAME.mp4 beside NAME.csv (frame, x, y, width, who). `make people` prints the table and writes people.csv to OUT.
"""
import argparse
import sys
import warnings
from pathlib import Path

import pandas as pd

from mexca_video import FaceExtractor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from people_score import read_truth, score  # noqa: E402

CLIPS = ROOT.parent / "shared" / "people"
warnings.simplefilter("ignore")


def measure(clip, truth, given, every):
    "One row of the table."
    extractor = FaceExtractor.embedded(given, detect_every=every)
    result = extractor.apply(clip, show_progress=False)
    found = score(result, truth)
    return dict(
        clip=clip.stem, people=found.true, given="yes" if given else "no", detect_every=every, found=found.found, bcubed=found.bcubed, missed=found.missed,
        unnamed=found.unnamed, false=found.false, false_named=found.false_named,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="folder of clips and truths (default: ../shared/people)")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2, 3, 5, 10], help="values of detect_every (default: 1 2 3 5 10)")
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write people.csv to (default: out)")
    args = parser.parse_args()
    rows = []
    for clip in sorted(args.clips.glob("*.mp4")):
        truth = read_truth(clip.with_suffix(".csv"))
        number = len({who for faces in truth.values() for *_, who in faces} - {"ignore", "no face"})
        rows += [measure(clip, truth, None, every) for every in args.every] + [measure(clip, truth, number, 1)]
    if not rows: raise SystemExit(f"{args.clips}: there are no clips")
    table = pd.DataFrame(rows).round(3)
    print(table.to_string(index=False), args.outdir / "people.csv", sep="\n")
    args.outdir.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.outdir / "people.csv", index=False, lineterminator="\n")


if __name__ == "__main__": main()
