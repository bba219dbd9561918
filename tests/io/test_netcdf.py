"Results on disk. What is written has to come back, and other programs have to find what they expect."
import builtins
import errno
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

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
from mexca_video.analysis.events import add_events
from mexca_video.files import check_place, write_atomically
from mexca_video.schema import VARIABLES, build_features

from made_up import corrected
from users import plain_user

CASES = {
    "two": {}, "one": dict(n_faces=1), "nobody": dict(n_faces=0), "one frame": dict(n_frames=1), "one empty frame": dict(n_frames=1, n_faces=0),
    "twelve faces in one frame": dict(n_frames=1, n_faces=12), "embeddings": dict(embeddings=True), "nobody, embeddings": dict(n_faces=0, embeddings=True),
}
case = pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)


"Results on disk: netCDF and tables. What is written has to come back, and other programs have to find what they expect."

import pytest

CASES = {
    "two": {}, "one": dict(n_faces=1), "nobody": dict(n_faces=0), "one frame": dict(n_frames=1), "one empty frame": dict(n_frames=1, n_faces=0),
    "twelve faces in one frame": dict(n_frames=1, n_faces=12), "embeddings": dict(embeddings=True), "nobody, embeddings": dict(n_faces=0, embeddings=True),
}
case = pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)


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
    ds = add_events(demo_features(embeddings=True), [dict(onset=1, end=2, type="lächelt")])
    with netCDF4.Dataset(save(ds, tmp_path / "a.nc")) as nc:
        assert nc["event"].dimensions[0] == "frame" and nc["event"].dtype == "S1" and "lächelt" in nc["event"][:]
        assert nc.data_model == "NETCDF4" and nc.Conventions == "CF-1.11"
        for name, row in VARIABLES.items():
            if name not in ds.variables or name == "event": continue
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
    with pytest.raises(ValueError, match="weather.nc.*not a result.*rain"): load(tmp_path / "weather.nc")
    with pytest.raises(FileNotFoundError, match="missing.nc"): load(tmp_path / "missing.nc")


def test_corrections_survive_the_disk(tmp_path):
    "Original and corrected result are stored; from the stored history the one becomes the other."
    original = load(save(demo_features(n_faces=3), tmp_path / "original.nc"))
    done = merge_faces(swap_faces(rename_faces(original, {0: "Zoë"}), "Zoë", 1, frames=original.time > 4), "Zoë", 2)
    stored = load(save(done, tmp_path / "done.nc"))
    assert_same(replay_history(original, stored.attrs["history"]), stored)
    assert set(stored.coords) == set(original.coords)
