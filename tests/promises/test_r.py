"""The R code of the statistics tutorial runs and gives the numbers that Python gives."""
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from mexca_video import rename_faces, save, to_csv, to_table

from places import NBS


def blocks(notebook="tutorials/04_statistics.ipynb"):
    "The R blocks of a notebook, by the package that they begin with, or \"base\"."
    cells = json.loads((NBS / notebook).read_text("utf-8"))["cells"]
    found = re.findall(r"```r\n(.*?)```", "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"), re.S)
    return {(re.match(r"library\((\w+)\)", block) or ("", "base"))[1]: block for block in found}


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
    return write(ds, folder)


def write(ds, folder):
    "The files of which the two notebooks speak."
    for name in ("clip", "demo"):
        save(ds, folder / f"{name}.nc")
        to_csv(ds, folder / f"{name}.csv")
    return folder, ds


@pytest.fixture(params=["three people", "one person", "one person, one frame", "stray faces"])
def kinds(request, files, tmp_path):
    "As `files`, for results of several shapes; each has the woman as its first person."
    if request.param == "three people": return files
    ds = files[1].isel(face=[0])
    if request.param == "one person, one frame": ds = ds.isel(frame=[0])
    if request.param == "stray faces":
        ds = files[1].isel(face=[0, 1]).copy(deep=True)
        ds["face_label"][:, 1] = np.nan
        ds = ds.assign_coords(face_name=("face", ["woman", "Unassigned_1"]))
    return write(ds, tmp_path)


def aus_of(ds, face=0, au="AU12"): return ds.face_aus.sel(au=au).isel(face=face).values


def numbers(text): return np.array([float(v.replace("NA", "nan")) for v in text.split()])


def test_every_block_is_run_by_a_test():
    assert set(blocks()) == {"readr", "dplyr", "ncdf4", "tidync", "nlme"}
    assert set(blocks("io/00_netcdf.ipynb")) == {"ncdf4", "tidync"} and set(blocks("io/01_tables.ipynb")) == {"base"}
    assert set(blocks("tutorials/08_corpus.ipynb")) == {"nlme"}
    assert set(blocks("io/04_statistics.ipynb")) == {"haven"} and set(blocks("io/06_bids.ipynb")) == {"base"}


def test_table_in_r(kinds):
    folder, ds = kinds
    code = blocks()["readr"] + '\ncat("#\\n"); write.csv(faces |> group_by(face_name) |> summarise(mean = mean(AU12, na.rm = TRUE), n = n()), stdout(), row.names = FALSE)'
    last = run_r(code, folder, "readr", "dplyr").split("#\n")[1].strip().splitlines()[1:]
    got = {name.strip('"'): (float(mean), int(n)) for name, mean, n in (line.split(",") for line in last)}
    table = to_table(ds).dropna(subset="face_label").groupby("face_name").AU12
    people = [name for name in ds.face_name.values if not name.startswith("Unassigned")]
    assert got == {name: (pytest.approx(table.mean()[name], abs=1e-6), table.size()[name]) for name in people}


def test_base_table_in_r(kinds):
    folder, ds = kinds
    code = blocks("io/01_tables.ipynb")["base"] + '\ncat("#", levels(people$face_name), "#", length(unique(faces$frame)), "#", mean(people$AU12[people$face_name == "woman"], na.rm = TRUE))'
    _, names, frames, mean = run_r(code, folder).split("#")
    assert sorted(names.split()) == sorted(name for name in ds.face_name.values if not name.startswith("Unassigned"))
    assert int(frames) == ds.sizes["frame"] and float(mean) == pytest.approx(np.nanmean(aus_of(ds)), abs=1e-6)


def test_spss_file_in_r(tmp_path):
    "haven knows why a value is missing, and leaves it out of the mean."
    pytest.importorskip("pyreadstat")
    from mexca_video import demo_features, export

    ds = demo_features()
    export(ds, tmp_path / "demo.sav")
    code = blocks("io/04_statistics.ipynb")["haven"] + """
cat("#", as.character(unique(faces$status)), "#", attr(faces$AU12, "label"), "#", format(mean(faces$AU12, na.rm = TRUE), digits = 9))
cat("#", levels(droplevels(as_factor(reasons[is.na(reasons)]))))"""
    _, status, label, mean, reasons = run_r(code, tmp_path, "haven").split("#")
    table = to_table(ds)
    assert sorted(status.split()) == sorted(table.status.unique())
    assert label.strip() == "AU12 Lip corner puller"
    assert float(mean) == pytest.approx(table.AU12.mean(), abs=1e-6)
    assert set(reasons.split()) == set(table.status[table.AU12.isna()])


def test_bids_events_in_r(tmp_path):
    from mexca_video import export

    table = pd.DataFrame({"onset": [1.0, 2.5], "duration": [0.5, 1.25], "type": ["AU12", "AU12"], "mean": [0.5, np.nan], "face_name": ["Zoë", "Zoë"]})
    export(table, tmp_path / "sub-01_task-talk_events.tsv")
    code = blocks("io/06_bids.ipynb")["base"] + '\ncat("#", sum(events$duration), sum(is.na(events$mean)), unique(events$face_name) == "Zo\\u00eb")'
    assert run_r(code, tmp_path).split("#")[1].split() == ["1.75", "1", "TRUE"]


def test_table_with_decimal_commas_in_r(tmp_path):
    from mexca_video import demo_features

    table = to_table(ds := demo_features())
    to_csv(ds, tmp_path / "demo.csv", decimal_comma=True)
    code = 'faces <- read.csv2("demo.csv", fileEncoding = "UTF-8-BOM", na.strings = "")\ncat(names(faces)[1], nrow(faces), format(mean(faces$AU12, na.rm = TRUE), digits = 9))'
    name, n, mean = run_r(code, tmp_path).split()
    assert (name, int(n)) == ("frame", len(table)) and float(mean) == pytest.approx(table.AU12.mean(), abs=1e-6)


@pytest.mark.slow
def test_several_tables_in_r(files, tmp_path):
    "Two clips in one table; the clip's name keeps their people apart."
    ds = files[1]
    to_csv(ds, tmp_path / "clip.csv")
    to_csv(rename_faces(ds, {"woman": "Person_1"}).assign_attrs(video_file="other.mp4"), tmp_path / "second.csv")
    code = blocks()["dplyr"] + '\ncat("#\\n"); write.csv(count(clips, video_file, face_name), stdout(), row.names = FALSE)'
    rows = [line.replace('"', "").split(",")[:2] for line in run_r(code, tmp_path, "readr", "dplyr").split("#\n")[1].splitlines()[1:]]
    assert sorted(rows) == [["other.mp4", "Person_1"], ["other.mp4", "man"], ["other.mp4", "visitor"], ["people.mp4", "man"], ["people.mp4", "visitor"], ["people.mp4", "woman"]]
    to_csv(ds.isel(face=slice(0), frame=slice(3)).assign(n_detected=("frame", np.zeros(3, "int16"))).assign_attrs(video_file="nobody.mp4"), tmp_path / "second.csv")
    assert "people.mp4" in run_r(code, tmp_path, "readr", "dplyr")


def test_netcdf_in_r(kinds):
    folder, ds = kinds
    code = blocks()["ncdf4"].replace("nc_close(nc)", 'cat("\\n#", formatC(aus["AU12", "woman", ], digits = 9), "\\n")\nnc_close(nc)')
    if ds.sizes["frame"] == 1: code = re.sub(r"^(plot|acf)\(.*\n", "", code, flags=re.M)  # there is no autocorrelation of one value
    printed = run_r(code, folder, "ncdf4")
    assert ds.attrs["au_scale"] in printed
    np.testing.assert_allclose(numbers(printed.split("#")[1]), aus_of(ds), atol=1e-6)


def test_netcdf_of_the_reference_in_r(kinds):
    folder, ds = kinds
    code = blocks("io/00_netcdf.ipynb")["ncdf4"].replace("nc_close(nc)", 'cat("\\n#", formatC(au["AU12", 1, ], digits = 9), "\\n")\nnc_close(nc)')
    np.testing.assert_allclose(numbers(run_r(code, folder, "ncdf4").split("#")[1]), aus_of(ds), atol=1e-6)


def test_long_table_in_r(files):
    folder, ds = files
    printed = run_r(blocks()["tidync"] + "\ncat('#', nrow(long))", folder, "tidync")
    assert int(printed.split("#")[1]) == int(ds.face_aus.notnull().sum())


def test_mixed_model_in_r(files):
    "The model runs on seconds with a condition of two halves, made here because the clip has none."
    folder, _ = files
    before = """faces <- subset(read.csv("clip.csv"), !is.na(face_label))
seconds <- aggregate(AU12 ~ face_name + second, transform(faces, second = floor(time)), mean)
seconds$condition <- factor(seconds$second < 6)
"""
    assert "Correlation Structure: Continuous AR(1)" in run_r(before + blocks()["nlme"], folder, "nlme")


def trials(seed=0):
    "Made-up people, each with three films in two conditions, of which some are missing."
    import pandas as pd

    rng = np.random.default_rng(seed)
    level, change = rng.normal(0.2, 0.15, 20), rng.normal(0.2, 0.2, 20)
    rows = [dict(participant=f"P{p + 1:02d}", funny=funny, film=film, AU12=level[p] + change[p] * funny + rng.normal(0, 0.1))
            for p in range(20) for funny in (0, 1) for film in (1, 2, 3)]
    return pd.DataFrame(rows).sample(frac=0.9, random_state=seed).sort_index()


def test_small_study_in_r(tmp_path):
    "nlme and statsmodels fit the same model, and the paired test is that of scipy."
    from scipy.stats import ttest_1samp

    smf = pytest.importorskip("statsmodels.formula.api", reason="the model of tutorial 6 needs statsmodels: pip install 'mexca_video[stats]'")
    found = blocks("tutorials/06_small_study.ipynb")
    assert set(found) == {"nlme", "base"}
    table = trials()
    table.to_csv(tmp_path / "trials.csv", index=False)
    model = smf.mixedlm("AU12 ~ funny", table, groups="participant", re_formula="~funny").fit()
    printed = run_r(found["nlme"] + '\ncat("\\n#", summary(model)$tTable["funny", c("Value", "Std.Error")])', tmp_path, "nlme")
    np.testing.assert_allclose(numbers(printed.split("#")[1]), [model.params.funny, model.bse.funny], rtol=0.02)
    means = table.pivot_table(index="participant", columns="funny", values="AU12")
    test = ttest_1samp(means[1] - means[0], 0)
    printed = run_r(found["base"] + '\ncat("\\n#", t.test(change)$statistic, t.test(change)$p.value)', tmp_path)
    np.testing.assert_allclose(numbers(printed.split("#")[1]), [test.statistic, test.pvalue], rtol=1e-4)


def test_model_of_a_corpus_in_r(tmp_path):
    "The tutorial on corpora: nlme and statsmodels give the same effect and standard error."
    pytest.importorskip("statsmodels")
    import statsmodels.formula.api as smf
    from corpora import write_corpus

    from mexca_video import demo_features, gather

    results, manifest = {}, {}
    rng = np.random.default_rng(0)
    for k in range(12):
        ds = demo_features(n_frames=12, n_faces=1, seed=k)
        level = 0.1 + 0.1 * (k // 2) + 0.3 * (k % 2) + rng.normal(0, 0.03)
        ds.face_aus.loc[dict(au="AU12")] = ds.face_aus.sel(au="AU12") * 0.05 + level
        results[f"v{k}"] = ds
        manifest[f"v{k}"] = dict(participant=f"0{k // 2}", task=("rest", "joke")[k % 2])
    out = write_corpus(tmp_path / "out", results, manifest)
    (out / "ratings.tsv").write_text("id\trating\tnote\nv3\texclude\tdark\n")
    people = pd.read_csv(gather(out, format="csv", of="AU12", draws=5)["people"], dtype={"participant": str}).query("rating != 'exclude'")
    model = smf.mixedlm("mean ~ C(task, Treatment('rest'))", people, groups=people.participant).fit()
    code = blocks("tutorials/08_corpus.ipynb")["nlme"] + '\ncat("#", summary(model)$tTable["taskjoke", 1:2], nlevels(factor(people$participant)))'
    effect, error, n = numbers(run_r(code, out, "nlme").split("#")[1])
    assert (effect, n) == (pytest.approx(model.params.iloc[1], abs=1e-4), 6) and error == pytest.approx(model.bse.iloc[1], rel=0.01)
