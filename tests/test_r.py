"""The R code of the statistics tutorial runs and gives the numbers that Python gives."""
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mexca_video import rename_faces, save, to_csv, to_table

TUTORIAL = Path(__file__).resolve().parents[1] / "nbs/tutorials/04_statistics.ipynb"


def blocks():
    "The R blocks of the tutorial, by the package that they begin with."
    cells = json.loads(TUTORIAL.read_text("utf-8"))["cells"]
    found = re.findall(r"```r\n(.*?)```", "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"), re.S)
    return {re.match(r"library\((\w+)\)", block)[1]: block for block in found}


def run_r(code, folder, *packages):
    "What R prints for `code`, run in `folder`; skips where R or a package is missing."
    if not shutil.which("Rscript"): pytest.skip("R is not installed (Debian: r-base-core)")
    for package in packages:
        if subprocess.run(["Rscript", "-e", f"library({package})"], capture_output=True).returncode:
            pytest.skip(f"the R package {package} is not installed")
    done = subprocess.run(["Rscript", "-"], input=code, text=True, capture_output=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def files(features, tmp_path_factory):
    "The folder with clip.nc and clip.csv that the tutorial speaks of, and the Dataset in them."
    folder = tmp_path_factory.mktemp("r")
    ds = rename_faces(features, {"Person_1": "woman", "Person_2": "man", "Person_3": "visitor"})
    save(ds, folder / "clip.nc")
    to_csv(ds, folder / "clip.csv")
    return folder, ds


def test_every_block_is_run_by_a_test():
    assert set(blocks()) == {"readr", "ncdf4", "tidync", "nlme"}


def test_table_in_r(files):
    folder, ds = files
    code = blocks()["readr"] + '\nwrite.csv(faces |> group_by(face_name) |> summarise(mean = mean(AU12, na.rm = TRUE), n = n()), stdout(), row.names = FALSE)'
    last = run_r(code, folder, "readr", "dplyr").strip().splitlines()[-3:]
    got = {name.strip('"'): (float(mean), int(n)) for name, mean, n in (line.split(",") for line in last)}
    table = to_table(ds).dropna(subset="face_name").groupby("face_name").AU12
    assert got == {name: (pytest.approx(table.mean()[name], abs=1e-6), table.size()[name]) for name in ("woman", "man", "visitor")}


def test_netcdf_in_r(files):
    folder, ds = files
    code = blocks()["ncdf4"].replace("nc_close(nc)", 'cat("\\n#", formatC(aus["AU12", "woman", ], digits = 9), "\\n")\nnc_close(nc)')
    printed = run_r(code, folder, "ncdf4")
    assert ds.attrs["au_scale"] in printed
    got = np.array([float(v.replace("NA", "nan")) for v in printed.split("#")[1].split()])
    np.testing.assert_allclose(got, ds.face_aus.sel(au="AU12")[:, ds.face_name.values.tolist().index("woman")], atol=1e-6)


def test_long_table_in_r(files):
    folder, ds = files
    printed = run_r(blocks()["tidync"] + "\ncat('#', nrow(long))", folder, "tidync")
    assert int(printed.split("#")[1]) == int(ds.face_aus.notnull().sum())


def test_mixed_model_in_r(files):
    "The model runs on seconds with a condition of two halves, made here because the clip has none."
    folder, _ = files
    before = """seconds <- aggregate(AU12 ~ face_name + second, transform(read.csv("clip.csv"), second = floor(time)), mean)
seconds <- subset(seconds, face_name != "")
seconds$condition <- factor(seconds$second < 6)
"""
    assert "Correlation Structure: Continuous AR(1)" in run_r(before + blocks()["nlme"], folder, "nlme")
