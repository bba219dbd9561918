"Tables in the files of statistics programs: each opened by a reader that is not ours, with values, labels and reasons."
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mexca_video import STATUS, codebook, demo_features, export, load, rename_faces, to_table
from mexca_video.cli import main
from mexca_video.io.codebook import MISSING_CODES, codebook_text, describe_column
from mexca_video.io.export import EXPORTS

from made_up import corrected

EPISODES = pd.DataFrame({
    "onset": [1.0, 2.5], "offset": [1.5, 3.5], "type": ["AU12", "AU06 and AU12"], "face_name": ["Zoë", "Ada"],
    "mean": [0.8, np.nan], "censored": [True, False], "n": pd.array([3, None], "Int64"),
})


@pytest.fixture(scope="module")
def ds(): return rename_faces(demo_features(n_frames=16), {"Person_1": "Zoë"})


@pytest.mark.parametrize("make", [demo_features, corrected, lambda: demo_features(n_faces=0), lambda: demo_features(n_frames=0)])
def test_every_column_is_described(make):
    book = codebook(made := make())
    assert book.column.tolist() == to_table(made).columns.tolist()
    assert not (book.meaning == "Not described.").any() and (book.unit != "").all()
    assert codebook_text(made).count("\n\n") >= 2


def test_codebook_is_of_the_exported_table(ds):
    table, book = to_table(ds), codebook(ds).set_index("column")
    assert (book.n_missing == table.isna().sum()).all()
    assert book.loc["x1", "unit"] == "pixel" and book.loc["face_pose_yaw", "unit"] == "degree" and book.loc["time", "unit"] == "s"
    assert float(book.loc["AU12", "minimum"]) == pytest.approx(table.AU12.min(), rel=1e-3)
    for word, code in STATUS.items(): assert f"{code} {word}" in book.loc["status", "possible"]


def test_codebook_of_an_own_table():
    book = codebook(EPISODES, {"censored": "Cut off by an edge."}).set_index("column")
    assert book.loc["censored", "meaning"] == "Cut off by an edge." and book.loc["censored", "type"] == "truth value"
    assert describe_column("onset").unit == book.loc["onset", "unit"] == "s"


def test_spss(ds, tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    table = to_table(ds)
    export(ds, tmp_path / "a.sav")
    plain, meta = pyreadstat.read_sav(tmp_path / "a.sav")
    for name in ("time", "AU12", "x_30", "face_pose_yaw"): np.testing.assert_array_equal(plain[name].astype(table[name].dtype), table[name])
    assert plain.face_name.replace("", None).fillna("-").tolist() == table.face_name.fillna("-").tolist()
    assert meta.column_names_to_labels["x1"] == "Face box, left [pixel]"
    coded, meta = pyreadstat.read_sav(tmp_path / "a.sav", user_missing=True)
    reasons = coded.AU12[table.AU12.isna()].map(meta.variable_value_labels["AU12"])
    assert reasons.tolist() == table.status[table.AU12.isna()].tolist()
    one_side = coded.face_aus_side_left_AU01[table.AU12.notna()].map(meta.variable_value_labels["AU12"])
    assert set(one_side) == {"not_measured"}


@pytest.mark.parametrize("make", [corrected, lambda: demo_features(n_faces=0), lambda: demo_features(n_frames=1), lambda: EPISODES])
def test_spss_of_other_tables(make, tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    made = make()
    table = made if isinstance(made, pd.DataFrame) else to_table(made)
    again, _ = pyreadstat.read_sav(export(made, tmp_path / "a.sav"))
    assert again.shape == table.shape
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_spss_in_pspp(ds, tmp_path):
    "The free program that reads SPSS's files and counts what is missing as SPSS does."
    if not shutil.which("pspp"): pytest.skip("PSPP is not installed (Debian: pspp)")
    export(ds, tmp_path / "a.sav")
    code = f"GET FILE='{tmp_path / 'a.sav'}'.\nDESCRIPTIVES AU12.\n"
    done = subprocess.run(["pspp", "-"], input=code, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0 and re.search(rf"\b{to_table(ds).AU12.notna().sum()}\b", done.stdout)


def test_excel(ds, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    named = rename_faces(ds, {"Person_2": "=1+1"}).assign_attrs(video_file="a\x01b.mp4")
    export(named, tmp_path / "a.xlsx")
    table = to_table(named)
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["data", "variables"]
    assert not [cell for row in book["data"].iter_rows() for cell in row if cell.data_type == "f"]
    sheets = pd.read_excel(tmp_path / "a.xlsx", sheet_name=None)
    np.testing.assert_array_equal(sheets["data"].AU12.astype("float32"), table.AU12)
    assert sheets["data"].status.tolist() == table.status.tolist()
    assert sheets["variables"].column.tolist() == table.columns.tolist()


@pytest.mark.slow
def test_excel_in_libreoffice(ds, tmp_path):
    if not (office := shutil.which("soffice")): pytest.skip("LibreOffice is not installed (Debian: libreoffice-calc)")
    pytest.importorskip("openpyxl")
    export(ds, tmp_path / "a.xlsx")
    command = [office, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1", "--outdir", tmp_path, tmp_path / "a.xlsx"]
    subprocess.run(list(map(str, command)), capture_output=True, timeout=180, check=True)
    data, variables = (pd.read_csv(tmp_path / f"a-{name}.csv") for name in ("data", "variables"))
    table = to_table(ds)
    np.testing.assert_allclose(data.AU12, table.AU12, rtol=1e-6)
    assert data.face_name.fillna("-").tolist() == table.face_name.fillna("-").tolist() and len(variables) == table.shape[1]


def test_parquet(ds, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export(ds, tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), to_table(ds))
    assert parquet.read_schema(tmp_path / "a.parquet").field("x1").metadata[b"units"] == b"pixel"


def test_parquet_in_another_reader(ds, tmp_path):
    pytest.importorskip("pyarrow")
    other = pytest.importorskip("fastparquet", reason="fastparquet is not installed (pip install fastparquet)")
    again = other.ParquetFile(str(export(ds, tmp_path / "a.parquet"))).to_pandas()
    np.testing.assert_array_equal(again.AU12, to_table(ds).AU12)


def test_netcdf_and_csv(ds, tmp_path):
    xr.testing.assert_identical(load(export(ds, tmp_path / "a.nc")), ds)
    assert len(pd.read_csv(export(ds, tmp_path / "a.csv"))) == len(to_table(ds))
    assert pd.read_csv(export(EPISODES, tmp_path / "e.csv", decimal_comma=True), sep=";", decimal=",").onset.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("suffix, package", [(".sav", "pyreadstat"), (".xlsx", "openpyxl"), (".parquet", "pyarrow")])
def test_missing_extra_is_named(ds, tmp_path, monkeypatch, suffix, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=rf'{suffix} files need {package}, .*pip install "mexca_video\[export\]"'): export(ds, tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [kind.suffix for kind in EXPORTS])
def test_folder_that_is_not_there(ds, tmp_path, suffix):
    what = EPISODES if suffix == "_events.tsv" else ds
    name = "sub-01_task-a_tracksys-b" if suffix.endswith(".tsv") else "a"
    options = {"person": "Zoë"} if suffix == "_motion.tsv" else {}
    for extra in {".sav": "pyreadstat", ".xlsx": "openpyxl", ".parquet": "pyarrow"}.items():
        if suffix == extra[0]: pytest.importorskip(extra[1])
    with pytest.warns() if suffix == ".json" else _nothing(), pytest.raises(FileNotFoundError, match="make it first"):
        export(what, tmp_path / "no" / f"{name}{suffix}", **options)


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


def test_what_is_not_exported(ds, tmp_path):
    for what, name, error, said in ((ds, "a.doc", ValueError, "none of the suffixes"), (EPISODES, "a.nc", TypeError, "features Dataset"),
                                    (ds, "a_events.tsv", TypeError, "onset"), ("x", "a.csv", TypeError, "a str")):
        with pytest.raises(error, match=said): export(what, tmp_path / name)
    with pytest.raises(TypeError, match="no such option"): export(ds, tmp_path / "a.sav", decimal_comma=True)


@pytest.mark.parametrize("seed", range(3))
def test_values_that_look_like_codes(tmp_path, seed):
    pytest.importorskip("pyreadstat")
    code = list(MISSING_CODES)[seed]
    with pytest.raises(ValueError, match="stand for missing values"): export(pd.DataFrame({"x1": [code * 1.0], "status": ["absent"]}), tmp_path / "a.sav")
    export(pd.DataFrame({"mine": [code * 1.0]}), tmp_path / "a.sav")


def test_commands(ds, tmp_path, capsys):
    from mexca_video import save

    nc = save(ds, tmp_path / "a.nc")
    targets = [str(tmp_path / name) for name in ("b.csv", "b.eaf", "b.vtt", "sub-1_task-a_tracksys-f_motion.tsv", "b.doc")]
    assert main(["export", str(nc), *targets, "--person", "Zoë", "--decimal-comma"]) == 1
    out, err = capsys.readouterr()
    assert out.split() == targets[:-1] and "b.doc" in err and err.count("\n") == 1
    assert (tmp_path / "b.csv").read_text("utf-8-sig").startswith("frame;")
    assert main(["codebook", str(nc)]) == 0
    assert capsys.readouterr().out == codebook_text(load(nc))
