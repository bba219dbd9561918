"""How well do the action units of the embedded set tell smiles from neutral faces? `make accuracy` writes accuracy.csv, own_neutral.csv and readings.csv to OUT."""
import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from readings import try_readings

ROOT = Path(__file__).resolve().parents[2]
FACES = ROOT.parent / "shared" / "faces" / "london"  # Face Research Lab London Set, with an index.csv of file, person and expression
warnings.simplefilter("ignore")


def compare_with_own(measured):
    "How often a person's smile is higher than the neutral face of another person (between), and than her own (within); ties count half."
    neutral = measured[measured.expression == "neutral"].set_index("person")
    smiling = measured[measured.expression != "neutral"].set_index("person").loc[neutral.index]
    for name in [name for name in measured if name.startswith("measured_") and measured[name].notna().any()]:
        a, b = smiling[name].values[:, None], neutral[name].values
        higher = (a > b) + 0.5 * (a == b)
        other = ~np.eye(len(higher), dtype=bool)
        yield dict(au=name.removeprefix("measured_"), between=higher[other].mean(), within=np.diag(higher).mean(), people=len(higher))


def main():
    from mexca_video.review.accuracy import measure_labels, score_aus

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, default=FACES, help="folder of photographs with an index.csv (default: ../shared/faces/london)")
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write to (default: out)")
    args = parser.parse_args()
    measured = measure_labels(args.faces / "index.csv", show_progress=True)
    tables = dict(accuracy=score_aus(measured), own_neutral=pd.DataFrame(compare_with_own(measured)), readings=try_readings(args.faces))
    args.outdir.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        print(table.round(3).to_string(index=False), args.outdir / f"{name}.csv", sep="\n")
        table.round(6).to_csv(args.outdir / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__": main()
