"Results on disk: netCDF and tables. What is written has to come back, and other programs have to find what they expect."
import builtins
import csv
import errno
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from mexca_video import (
    AU_NAMES,
    STATUS,
    check_features,
    demo_features,
    load,
    merge_faces,
    rename_faces,
    replay_history,
    save,
    swap_faces,
    to_csv,
    to_table,
)
from mexca_video.files import check_place, write_atomically
from mexca_video.schema import VARIABLES, build_features, list_variables

from users import plain_user

CASES = {
    "two": {}, "one": dict(n_faces=1), "nobody": dict(n_faces=0), "one frame": dict(n_frames=1), "one empty frame": dict(n_frames=1, n_faces=0),
    "twelve faces in one frame": dict(n_frames=1, n_faces=12), "embeddings": dict(embeddings=True), "nobody, embeddings": dict(n_faces=0, embeddings=True),
}
case = pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)


def corrected():
    "A result with everything that corrections leave behind: a slot without a person, first labels, other names, a gap in the slots."
    ds = rename_faces(demo_features(n_faces=3), {"Person_1": 'Zoë, "Z."'})
    return merge_faces(ds, "Person_2", "Person_3")


def assert_same(found, wanted):
    "Identical, and of the same types, which `identical` does not look at."
    assert found.identical(wanted)
    assert {n: v.dtype for n, v in found.variables.items()} == {n: v.dtype for n, v in wanted.variables.items()}
    assert {n: type(v) for n, v in found.attrs.items()} == {n: type(v) for n, v in wanted.attrs.items()}
    assert list(found.variables) == list(wanted.variables) and list(found.attrs) == list(wanted.attrs)
    assert check_features(found) == check_features(wanted)


@case
def test_netcdf_round_trip(arguments, tmp_path):
    ds = demo_features(**arguments)
    assert_same(load(save(ds, tmp_path / "a.nc")), ds)


def test_corrected_round_trip(tmp_path):
    ds = corrected()
    assert ds.face.values.tolist() == [0, 1, 3] and check_features(ds) == []
    assert_same(load(save(ds, str(tmp_path / "ä b.nc"))), ds)


def test_no_frame_round_trip(tmp_path):
    ds = demo_features().isel(frame=slice(0))
    assert_same(load(save(ds, tmp_path / "a.nc")), ds)


def test_extreme_values_round_trip(tmp_path):
    "Every bit of a number counts, and so does text that has to be quoted."
    rng = np.random.default_rng(0)
    ds = demo_features()
    ds["face_landmarks"].values[:] = rng.normal(size=ds.face_landmarks.shape) * 10.0 ** rng.integers(-30, 30, ds.face_landmarks.shape)
    ds["face_aus"].values[0, 0, :4] = [np.inf, -np.inf, np.float32(9.96921e36), np.finfo("float32").tiny]
    ds["time"].values[:] = np.cumsum(rng.random(ds.sizes["frame"])) / 3
    ds.attrs.update(title="", history='two\nlines, "quoted"', video_fps=29.97002997002997, video_size_bytes=2**40, own="ü")
    assert_same(load(save(ds, tmp_path / "a.nc")), ds)
    table = to_table(ds)
    options = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
    again = pd.read_csv(to_csv(ds, tmp_path / "a.csv"), dtype=table.dtypes.to_dict(), **options)
    pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_loaded_result_is_free_of_its_file(tmp_path):
    ds = load(save(demo_features(), tmp_path / "a.nc"))
    os.remove(tmp_path / "a.nc")
    assert np.isfinite(ds.face_box).any() and not ds.encoding and ds.time.dtype == "float64"
    part = ds.isel(frame=slice(0, 3), face=[1])
    assert_same(load(save(part, tmp_path / "a.nc")), part)


def test_save_leaves_its_argument_alone(tmp_path):
    ds = demo_features()
    save(ds, tmp_path / "a.nc")
    assert_same(ds, demo_features())


def test_two_results_in_one_are_told(tmp_path):
    "It can be stored, as any Dataset of the right shape, but the user hears of it where it happens and not in the next program."
    with pytest.warns(UserWarning, match="a.nc holds what no other function reads: 'frame' holds 0 twice, as after xr.concat") as said: save(xr.concat([demo_features(), demo_features()], "frame"), tmp_path / "a.nc")
    assert len(said) == 1 and said[0].filename == __file__


def test_compression(tmp_path):
    "A result that repeats itself takes a fraction of its size in memory."
    n = 2000
    ds = build_features(
        frame=np.arange(n), time=np.arange(n) / 25, face_box=np.tile([10, 10, 90, 90], (n, 1, 1)), face_prob=np.ones((n, 1)),
        face_landmarks=np.zeros((n, 1, 68, 2)), face_aus=np.zeros((n, 1, 20)), face_label=np.zeros((n, 1)),
        face_confidence=np.full((n, 1), np.nan), n_detected=np.ones(n, int))
    assert save(ds, tmp_path / "a.nc").stat().st_size < ds.nbytes / 8


def test_what_other_programs_see(tmp_path):
    "The facts on which readers in R rest, through the plain netCDF library."
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(save(demo_features(embeddings=True), tmp_path / "a.nc")) as nc:
        assert nc.data_model == "NETCDF4" and nc.Conventions == "CF-1.11"
        for name, row in VARIABLES.items():
            if name == "face_first_label": continue
            found = nc[name]
            assert found.dimensions == row.dims and found.units == row.units and found.long_name == row.long_name
            assert found.dtype == (str if row.dtype == "str" else np.dtype(row.dtype)), name
            if row.dtype == "str": continue
            assert found.filters()["zlib"] and found.filters()["shuffle"]
            if row.dtype == "float32": assert np.isnan(found._FillValue)
            else: assert "_FillValue" not in found.ncattrs(), name
        assert nc["status"].flag_meanings.split() == list(STATUS) and nc["status"].flag_values.dtype == np.int8
        assert nc["au"][:].tolist() == list(AU_NAMES) and nc["axis"][:].tolist() == ["x", "y"]
        assert {"time", "face_name"} <= set(nc["face_aus"].coordinates.split())
        assert {type(nc.getncattr(name)) for name in nc.ncattrs()} <= {str, np.int64, np.float64}
        assert not any(str(tmp_path) in str(nc.getncattr(name)) for name in nc.ncattrs())


def test_other_reader(tmp_path):
    "h5netcdf shares no code with the library that wrote the file."
    pytest.importorskip("h5netcdf")
    ds = demo_features()
    with xr.open_dataset(save(ds, tmp_path / "a.nc"), engine="h5netcdf", decode_timedelta=False) as other:
        xr.testing.assert_equal(other.load(), ds)


@pytest.mark.parametrize("write, name", [(save, "a.nc"), (to_csv, "a.csv")])
def test_interrupted_writing_changes_nothing(write, name, tmp_path, monkeypatch):
    ds, target = demo_features(), tmp_path / name
    write(ds, target)
    before = target.read_bytes()

    def cut_off(self, path, *args, **kwargs):
        "Begin to write and fail, as on a full disk."
        with open(path, "wb") as file: file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", cut_off)
    monkeypatch.setattr(pd.DataFrame, "to_csv", cut_off)
    with pytest.raises(OSError, match="No space"): write(demo_features(seed=1), target)
    assert target.read_bytes() == before and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("write", [save, to_csv])
def test_places_that_cannot_be_written(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*make it first"): write(demo_features(), tmp_path / "nowhere" / "a")
    with pytest.raises(IsADirectoryError, match="folder"): write(demo_features(), tmp_path)
    assert os.listdir(tmp_path) == []


def test_errors_name_the_target_and_no_temporary_file(tmp_path, monkeypatch):
    "Root may write anywhere, so the operating system's refusals are played here."
    target = tmp_path / "a.nc"

    def refuse(*args, **kwargs): raise PermissionError(errno.EACCES, "Permission denied", str(args[0]))

    for name in ("open", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, refuse)
            with pytest.raises(PermissionError, match="cannot write .*a.nc: Permission denied") as caught: save(demo_features(), target)
        assert ".part" not in str(caught.value) and caught.value.errno == errno.EACCES and os.listdir(tmp_path) == []
    with monkeypatch.context() as patched:
        patched.setattr(xr.Dataset, "to_netcdf", lambda self, part, **kwargs: refuse(part))
        with pytest.raises(PermissionError, match="cannot write .*a.nc"): save(demo_features(), target)
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", refuse)
        with pytest.raises(PermissionError, match="cannot write .*a.nc"): check_place(target)
    assert os.listdir(tmp_path) == []


def test_errors_of_other_libraries_name_the_target(tmp_path):
    "FFmpeg's errors are OSErrors too, and cannot be made from a text alone."
    av = pytest.importorskip("av")
    with pytest.raises(PermissionError, match="cannot write .*a.mp4: Permission denied") as caught, write_atomically(tmp_path / "a.mp4") as part:
        raise av.error.PermissionError(errno.EACCES, "Permission denied", str(part))
    assert ".part" not in str(caught.value) and os.listdir(tmp_path) == []


def test_place_is_asked_without_leaving_anything(tmp_path):
    (tmp_path / "a.nc").mkdir()
    for place, error in ((tmp_path / "a.nc", IsADirectoryError), (tmp_path / "no" / "a.nc", FileNotFoundError), (tmp_path / ("a" * 260), OSError)):
        with pytest.raises(error, match=re.escape(f"cannot write {place}")): check_place(place)
    check_place(tmp_path / "new.nc")
    assert os.listdir(tmp_path) == ["a.nc"]


@pytest.mark.skipif(os.name != "posix", reason="folders have no such permissions here")
def test_read_only_folder():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        with plain_user(), pytest.raises(PermissionError, match="cannot write .*a.nc: Permission denied") as caught: save(demo_features(), Path(folder) / "a.nc")
    assert ".part" not in str(caught.value)


@pytest.mark.parametrize("value", [None, True, {"a": 1}, ["a"], np.arange(3)])
def test_attributes_that_cannot_be_stored(value, tmp_path):
    with pytest.raises(TypeError, match="'models'.*json"): save(demo_features().assign_attrs(models=value), tmp_path / "a.nc")
    assert os.listdir(tmp_path) == []


def test_files_that_cannot_be_read(tmp_path):
    whole = save(demo_features(), tmp_path / "whole.nc").read_bytes()
    for name, content in {"empty.nc": b"", "text.nc": b"frame,time\n", "cut.nc": whole[: len(whole) // 2], "head.nc": whole[:100]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name): load(tmp_path / name)
    xr.Dataset({"rain": ("day", [1.0])}).to_netcdf(tmp_path / "weather.nc")
    with pytest.raises(ValueError, match="weather.nc.*no result.*rain"): load(tmp_path / "weather.nc")
    with pytest.raises(FileNotFoundError, match="missing.nc"): load(tmp_path / "missing.nc")


def rows_one_by_one(ds, keep_empty):
    "The table as one would write it down by hand."
    for f in ds.frame.values:
        here, found = ds.sel(frame=f), False
        for slot in ds.face.values:
            face = here.sel(face=slot)
            if np.isnan(face.face_box.values).any(): continue
            found = True
            points = face.face_landmarks
            yield [int(f), here.time.item(), int(slot), face.face_name.item(), face.face_label.item(), face.face_confidence.item(), face.face_prob.item(),
                   *face.face_box.values.tolist(), *points.sel(axis="x").values.tolist(), *points.sel(axis="y").values.tolist(),
                   *face.face_aus.values.tolist(), "demo.mp4", list(STATUS)[face.status.item()], here.n_detected.item(),
                   here.shot.item(), int(face.face_track), face.face_evidence.item()]
        if not found and keep_empty: yield [int(f), here.time.item()] + [None] * 165 + ["demo.mp4", "no_face", 0, here.shot.item(), None, None]


@pytest.mark.parametrize("keep_empty", [True, False])
@pytest.mark.parametrize("make", [demo_features, corrected, lambda: demo_features(n_faces=0), lambda: demo_features(n_frames=1, n_faces=12)])
def test_table(make, keep_empty):
    ds = make()
    table, wanted = to_table(ds, keep_empty=keep_empty), list(rows_one_by_one(ds, keep_empty))
    assert list(table.columns) == [
        "frame", "time", "face", "face_name", "face_label", "face_confidence", "face_prob", "x1", "y1", "x2", "y2",
        *[f"x_{i}" for i in range(68)], *[f"y_{i}" for i in range(68)],
        *"AU01 AU02 AU04 AU05 AU06 AU07 AU09 AU10 AU11 AU12 AU14 AU15 AU17 AU20 AU23 AU24 AU25 AU26 AU28 AU43".split(), "video_file", "status", "n_detected", "shot", "face_track", "face_evidence"]
    assert len(table) == len(wanted)
    for found, row in zip(table.astype(object).values.tolist(), wanted):
        for a, b in zip(found, row):
            assert (pd.isna(a) and (b is None or b != b)) or a == b
    assert table["face"].dtype == "Int64" and table["frame"].dtype == "int64" and table["AU12"].dtype == "float32"


def test_table_of_a_rearranged_result():
    "Columns are chosen by label, so the order in the Dataset does not matter."
    ds = demo_features()
    turned = ds.isel(au=slice(None, None, -1), axis=[1, 0], box_edge=[3, 1, 2, 0])
    pd.testing.assert_frame_equal(to_table(turned), to_table(ds))


def test_csv_is_plain(tmp_path):
    "Any program can read it: a header, UTF-8, points as decimal signs, empty fields for what is missing."
    ds = corrected()
    with open(to_csv(ds, tmp_path / "a.csv"), encoding="utf-8", newline="") as file: rows = list(csv.DictReader(file))
    assert b"\r" not in (tmp_path / "a.csv").read_bytes() and not (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert len(rows) == len(to_table(ds)) and rows[0]["face_name"] == 'Zoë, "Z."'
    assert {int(row["frame"]) for row in rows} == set(ds.frame.values.tolist())
    empty = next(row for row in rows if not row["face"])
    assert {empty[name] for name in empty if name not in ("frame", "time", "video_file", "status", "n_detected", "shot")} == {""}
    assert (empty["video_file"], empty["status"], empty["n_detected"]) == ("demo.mp4", "no_face", "0")
    first = ds.face_aus.sel(face=0).isel(frame=0)
    assert [np.float32(rows[0][au]) for au in AU_NAMES] == first.values.tolist()


def test_table_says_why_a_value_is_missing():
    "Action units that failed and those that were not to be measured look alike; the status does not."
    ds = demo_features()
    ds["face_aus"].values[3, 0] = np.nan
    unplanned = to_table(ds).set_index(["frame", "face"])
    ds["status"].values[3, 0] = STATUS["aus_failed"]
    failed = to_table(ds).set_index(["frame", "face"])
    cell = (ds.frame.values[3], 0)
    assert np.isnan(failed.AU12[cell]) and np.isnan(unplanned.AU12[cell])
    assert (failed.status[cell], unplanned.status[cell]) == ("aus_failed", "ok")
    assert failed.n_detected[cell] == ds.n_detected.values[3]


def test_frame_in_which_known_faces_are_left_out():
    "A result of which a person was taken out still says how many faces were there, and does not say that there was none."
    ds = demo_features().isel(face=[1])
    alone = (np.isnan(ds.face_box).all(["face", "box_edge"]) & (ds.n_detected > 0)).values
    assert alone.any()
    rows = to_table(ds).set_index("frame").loc[ds.frame.values[alone]]
    assert set(rows.status) == {"absent"} and rows.face.isna().all() and (rows.n_detected > 0).all()


def test_clip_without_a_name():
    ds = demo_features()
    del ds.attrs["video_file"]
    assert to_table(ds).video_file.isna().all()


@pytest.mark.parametrize("name", ["NA", " NA ", "nan", "None", "NULL", "n/a"])
def test_name_that_means_a_missing_value(name, tmp_path):
    ds = rename_faces(demo_features(), {0: name})
    with pytest.raises(ValueError, match="a.csv.*face_name.*rename_faces"): to_csv(ds, tmp_path / "a.csv")
    assert os.listdir(tmp_path) == []
    assert load(save(ds, tmp_path / "a.nc")).identical(ds)


@pytest.mark.parametrize("name", ["Nadia", "Na", "NN", "Nan Goldin", "True", "7"])
def test_names_that_come_back(name, tmp_path):
    table = pd.read_csv(to_csv(rename_faces(demo_features(), {0: name}), tmp_path / "a.csv"), dtype={"face_name": str})
    assert table.face_name.dropna().unique().tolist()[0] == name


def test_missing_words_are_those_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    from mexca_video.io.netcdf import _MISSING_WORDS

    assert _MISSING_WORDS >= STR_NA_VALUES - {""}


# --- spreadsheets -------------------------------------------------------------------------------------------------------

RISKY = ["=1+1", "+49 30 1234", "-2+3", "@SUM(A1)", "'=1+1", "''=1+1", "\t=1+1", "\tAda", " =1+1", "x;=1+1", "x; =1+1", 'x;"=1+1', "x\t-1+1", "=HYPERLINK(\"http://a.b/?\"&A1)", "＝1+1"]
HARMLESS = ["Zoë", "Anna-Lena", "'t Hooft", "a=b", "talk (2) - Ada", "talk; Ada", "7", "3-4", "Müller, \"M.\""]
BACK = r"""(^|[;\t\r\n])([ "]*)'(?='*[=+\-@＝＋－＠\t\r\n])"""


@pytest.mark.parametrize("text", RISKY)
def test_text_that_is_no_formula_any_more(text, tmp_path):
    ds = rename_faces(demo_features(), {0: text}).assign_attrs(video_file=f"{text}.mp4")
    table = pd.read_csv(to_csv(ds, tmp_path / "a.csv"), dtype={"face_name": str})
    name, file = table.face_name.dropna()[table.face_label == 0].unique().item(), table.video_file.unique().item()
    for found, wanted in ((name, text), (file, f"{text}.mp4")):
        for cell in re.split("[;\t]", found): assert not re.match(r'[\s"]*[=+\-@＝＋－＠]', cell)
        assert not re.match(r"[\t\r\n]", found)
        assert re.sub(BACK, r"\1\2", found) == wanted
    assert to_table(ds).video_file.unique().tolist() == [f"{text}.mp4"] and text in to_table(ds).face_name.values


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_left_alone(text, tmp_path):
    ds = rename_faces(demo_features(), {0: text})
    assert text in pd.read_csv(to_csv(ds, tmp_path / "a.csv"), dtype={"face_name": str}).face_name.values


@given(st.text(alphabet=st.sampled_from(list("=+-@'\"; \t\r\na1"))))
def test_every_text_comes_back(text):
    from mexca_video.io.netcdf import _quote

    assert re.sub(BACK, r"\1\2", _quote(text)) == text


def test_numbers_are_numbers(tmp_path):
    "A minus is a formula in a text and a sign in a number."
    ds = demo_features()
    ds["face_box"] = ds.face_box - 500
    table = pd.read_csv(to_csv(ds, tmp_path / "a.csv"))
    assert (table.x1.dropna() < 0).all() and table.x1.dtype == "float64" and "'-" not in (tmp_path / "a.csv").read_text("utf-8")


GERMAN = """<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>de-DE</value></prop></item></oor:items>"""
OASIS = "urn:oasis:names:tc:opendocument:xmlns:"


def open_in_german(path, folder, options):
    "The rows of a file as LibreOffice Calc in German reads it with the import `options`: (kind, value, formula) of each cell."
    if not (office := shutil.which("soffice")): pytest.skip("LibreOffice is not installed (Debian: libreoffice-calc)")
    (folder / "profile" / "user").mkdir(parents=True)
    (folder / "profile" / "user" / "registrymodifications.xcu").write_text(GERMAN)
    command = [office, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless", f"--infilter=CSV:{options}", "--convert-to", "fods", "--outdir", folder, path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=180)
    assert (result := folder / f"{path.stem}.fods").is_file(), done.stderr
    rows = []
    for row in ElementTree.parse(result).getroot().iter(f"{{{OASIS}table:1.0}}table-row"):
        cells = []
        for cell in row.findall(f"{{{OASIS}table:1.0}}table-cell"):
            text = "\n".join("".join(part.itertext()) for part in cell.findall(f"{{{OASIS}text:1.0}}p"))
            found = cell.get(f"{{{OASIS}office:1.0}}value-type"), cell.get(f"{{{OASIS}office:1.0}}value", text), cell.get(f"{{{OASIS}table:1.0}}formula")
            cells += [found] * min(int(cell.get(f"{{{OASIS}table:1.0}}number-columns-repeated", 1)), 200)
        rows.append(cells)
    return rows


def test_names_and_values_survive_german_libreoffice(tmp_path):
    "The import that the notebook describes: UTF-8, comma, English numbers, names as text."
    names = ["Zoë", "007", "TRUE", "3-4", "1.5", "=1+1", "Jürgen; Groß", "+49"]
    ds = rename_faces(demo_features(n_frames=12, n_faces=len(names)), dict(enumerate(names)))
    file, table = to_csv(ds, tmp_path / "a.csv"), to_table(ds)
    text_columns = "/".join(f"{1 + table.columns.get_loc(name)}/2" for name in ("face_name", "video_file"))
    head, *rows = open_in_german(file, tmp_path, f"44,34,76,1,{text_columns},1033")
    assert [value for _, value, _ in head[:table.shape[1]]] == list(table.columns)
    assert not [cell for row in rows for cell in row if cell[2]]
    found = pd.DataFrame([[value or None for _, value, _ in row[:table.shape[1]]] for row in rows[:len(table)]], columns=table.columns)
    for column in table.columns.difference(["face_name", "video_file", "status"]):
        np.testing.assert_array_equal(found[column].astype(float).astype("float32"), table[column].astype(float).astype("float32"), column)
    found["face_name"] = found.face_name.str.replace(r"^'('*[=+@\t-])", r"\1", regex=True)
    for column in ("face_name", "video_file", "status"): assert found[column].fillna("").tolist() == table[column].fillna("").tolist()


@pytest.mark.slow
@pytest.mark.parametrize("separator", [44, 59, 9], ids=["comma", "semicolon", "tab"])
def test_nothing_is_run_by_german_libreoffice(tmp_path, separator):
    "Whatever separator the reader chose, no cell is a formula. Without the apostrophes, some are."
    ds = rename_faces(demo_features(n_frames=2, n_faces=len(RISKY)), dict(enumerate(RISKY))).assign_attrs(video_file="=2+3;=4+5\t=6+7.mp4")
    formulas = lambda path: [cell for row in open_in_german(path, path.parent, f"{separator},34,76,1,,1031") for cell in row if cell[2]]
    for name in ("safe", "plain"): (tmp_path / name).mkdir()
    assert formulas(to_csv(ds, tmp_path / "safe" / "a.csv")) == []
    to_table(ds).to_csv(tmp_path / "plain" / "a.csv", index=False)
    assert formulas(tmp_path / "plain" / "a.csv")


def test_large_table_takes_no_loop():
    "50,000 frames; a loop over rows takes minutes here."
    import time

    ds = demo_features(n_frames=50_000)
    start = time.perf_counter()
    table = to_table(ds)
    assert time.perf_counter() - start < 15
    assert len(table) == int(ds.n_detected.sum() + (ds.n_detected == 0).sum())


def test_corrections_survive_the_disk(tmp_path):
    "Original and corrected result are stored; from the stored history the one becomes the other."
    original = load(save(demo_features(n_faces=3), tmp_path / "original.nc"))
    done = merge_faces(swap_faces(rename_faces(original, {0: "Zoë"}), "Zoë", 1, frames=original.time > 4), "Zoë", 2)
    stored = load(save(done, tmp_path / "done.nc"))
    assert_same(replay_history(original, stored.attrs["history"]), stored)
    assert set(stored.coords) == set(list_variables("coordinate"))
