"""What strangers may send: results, checkpoints and weights that were made to do harm. And what leaves this computer: nothing.

Each hostile file is refused with one error that names it, says what was found and what to do. Nothing in it is executed, and the memory it takes is bounded.
"""
import io
import json
import os
import pickle
import socket
import stat
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

from mexca_video import demo_features, load, sample_clip, save, to_csv
from mexca_video.extraction.chunks import Checkpoint, CheckpointError, Chunks, delete_checkpoint
from mexca_video.files import write_atomically
from mexca_video.io.netcdf import MAX_BYTES
from mexca_video.models import fetch
from mexca_video.models.fetch import fetch_model, read_member
from mexca_video.models.registry import MODELS, ModelError, find_model
from mexca_video.models.weights import (
    fill_network,
    read_au_classifier,
    read_sface,
    read_state_dict,
    read_task_model,
)
from mexca_video.people.shots import SIGNATURE_SIZE
from mexca_video.schema import VARIABLES

POSIX = pytest.mark.skipif(os.name != "posix", reason="this system has no permissions for owner, group and others")


class Intruder:
    "Makes a file when it is unpickled."
    def __init__(self, path): self.path = str(path)
    def __reduce__(self): return (Path.touch, (Path(self.path),))


@pytest.fixture
def trap(tmp_path):
    "A place where nothing may appear."
    (tmp_path / "trap").mkdir()
    yield tmp_path / "trap" / "was here"
    assert not list((tmp_path / "trap").iterdir()), "code out of a hostile file was executed"


# --- results ----------------------------------------------------------------------------------------------------------

RESULTS = {}


def result(name, found):
    "Register a function that writes a hostile file; `found` has to be in the error."
    def add(write):
        RESULTS[name] = write, found
        return write
    return add


def changed(name, **options):
    "A whole result in which one variable is another."
    def write(path):
        save(demo_features(n_frames=6), path)
        with h5py.File(path, "r+") as file:
            del file[name]
            file.create_dataset(name, **options)
    return write


@result("nothing", "not a netCDF-4 file")
def _(path): path.write_bytes(b"")

@result("text", "not a netCDF-4 file")
def _(path): path.write_text("frame,time\n0,0\n")

@result("random bytes", "not a netCDF-4 file")
def _(path): path.write_bytes(np.random.default_rng(0).bytes(10_000))

@result("random bytes behind the right ones", "")
def _(path): path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(10_000))

@result("a pickle", "not a netCDF-4 file")
def _(path): path.write_bytes(pickle.dumps(Intruder(path.parent / "trap" / "was here")))

@result("classic netCDF", "not a netCDF-4 file")
def _(path): demo_features().drop_vars(["face_name", "au", "axis", "box_edge"]).to_netcdf(path, format="NETCDF3_64BIT", engine="netcdf4")

@result("half", "")
def _(path): path.write_bytes(save(demo_features(), path).read_bytes()[:20_000])

@result("a terabyte that was never written", "claims to hold")
def _(path):
    with netCDF4.Dataset(path, "w") as file:
        for dim, n in (("frame", 10**6), ("face", 1000), ("landmark", 68), ("axis", 2)): file.createDimension(dim, n)
        file.createVariable("face_landmarks", "f4", ("frame", "face", "landmark", "axis"), zlib=True)

@result("ten gigabytes of zeros", "more than the 4.0 that load allows")
def _(path):
    "Real deflate, as good as it gets: nothing about this file is wrong but its size."
    with h5py.File(path, "w") as file:
        var = file.create_dataset("face_prob", (10 * 2**24, 16), "f4", chunks=(2**20, 16), compression="gzip")
        chunk = zlib.compress(bytes(2**26), 9)
        for n in range(160): var.id.write_direct_chunk((n * 2**20, 0), chunk)

@result("a chunk that goes on", "unpacks to more than its 384 bytes")
def _(path):
    "Whole in all but one chunk, which is followed by a gigabyte of zeros."
    save(demo_features(), path)
    with h5py.File(path, "r+") as file:
        packer = zlib.compressobj(9)
        file["face_prob"].id.write_direct_chunk((0, 0), b"".join([*(packer.compress(bytes(2**24)) for _ in range(64)), packer.flush()]))

@result("a huge chunk for a small variable", "has chunks of")
def _(path):
    with h5py.File(path, "w") as file: file.create_dataset("time", (2,), "f8", maxshape=(None,), chunks=(2**28,), compression="gzip")

@result("deflate in deflate", "compressed in an unknown way")
def _(path):
    with h5py.File(path, "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_chunk((100,)), how.set_deflate(9), how.set_deflate(9)
        h5py.h5d.create(file.id, b"time", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((100,)), how)

@result("another filter", "compressed in an unknown way")
def _(path):
    with h5py.File(path, "w") as file: file.create_dataset("time", (100,), "f8", chunks=(100,), compression="lzf")

@result("packed values", "is packed")
def _(path):
    save(demo_features(), path)
    with h5py.File(path, "r+") as file: file["face_prob"].attrs["scale_factor"] = 2.0

@result("one text, many times", "claims to hold")
def _(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("face_name", (200_000,), h5py.string_dtype(), chunks=(20_000,), compression="gzip")[0] = "x" * 10**6

@result("as many names as letters", "texts")
def _(path):
    with h5py.File(path, "w") as file: file.create_dataset("face_name", (10**9,), h5py.string_dtype(), chunks=(10**5,), compression="gzip")

@result("a texts attribute", "the attribute 'title'")
def _(path):
    save(demo_features(), path)
    with h5py.File(path, "r+") as file: file.attrs.create("title", ["x"] * 3000, dtype=h5py.string_dtype())

for _kind in (h5py.ExternalLink("secret.nc", "/face_prob"), h5py.SoftLink("/face_box")):
    @result(type(_kind).__name__, f"is a link to another place ({type(_kind).__name__})")
    def _(path, link=_kind):
        save(demo_features(), path)
        with h5py.File(path, "r+") as file:
            del file["face_prob"]
            file["face_prob"] = link

@result("external storage", "keeps its values in another file")
def _(path):
    (path.parent / "secret").write_bytes(b"secret!!" * 100)
    changed("time", shape=(6,), dtype="f8", external=[(str(path.parent / "secret"), 0, 48)])(path)

@result("a virtual variable", "keeps its values in another file")
def _(path):
    with h5py.File(path.parent / "secret.nc", "w") as file: file["time"] = np.arange(6.)
    save(demo_features(n_frames=6), path)
    with h5py.File(path, "r+") as file:
        del file["time"]
        layout = h5py.VirtualLayout((6,), "f8")
        layout[:] = h5py.VirtualSource(path.parent / "secret.nc", "time", (6,))
        file.create_virtual_dataset("time", layout)

@result("a group", "is not a variable (Group)")
def _(path):
    save(demo_features(), path)
    with h5py.File(path, "r+") as file: file.create_group("more")["a"] = 1

@result("a type", "is not a variable (Datatype)")
def _(path):
    save(demo_features(), path)
    with h5py.File(path, "r+") as file: file["more"] = np.dtype("f4")

for _name, _type in dict(compound=np.dtype([("a", "f4"), ("b", "f4")]), opaque=np.dtype("V16"), ragged=h5py.vlen_dtype("f4"), complex=np.dtype("c16"),
                         enumerated=h5py.enum_dtype(dict(a=0, b=1)), arrays=np.dtype(("f4", (1000,))), references=h5py.ref_dtype).items():
    RESULTS[f"{_name} values"] = changed("face_prob", shape=(6, 2), dtype=_type), "neither numbers nor text"


def reshaped(name, *dims, dtype=None):
    "A result in which a variable has other dimensions or values."
    def write(path):
        ds = demo_features(n_frames=6, n_faces=2)
        dims_, type_ = dims or ds[name].dims, dtype or ds[name].dtype
        sizes = dict(ds.sizes) | dict(pixel=5, au=20)
        ds = ds.drop_vars(name)
        ds[name] = dims_, np.zeros([sizes[dim] for dim in dims_], type_)
        ds.to_netcdf(path, engine="netcdf4")
    return write

for _name, _row in VARIABLES.items():
    if _name in ("face_embedding", "face_first_label") or _row.dims == (_name,): continue
    RESULTS[f"{_name} turned round"] = reshaped(_name, *_row.dims[::-1], "pixel"), f"{_name} has the dimensions"
    RESULTS[f"{_name} without a dimension"] = reshaped(_name, *_row.dims[:-1]), f"{_name} has the dimensions" if len(_row.dims) > 1 else ""
    RESULTS[f"{_name} of another type"] = reshaped(_name, dtype="f4" if _row.dtype == "str" or "int" in _row.dtype else "S4"), f"{_name} "
RESULTS.pop("time without a dimension"), RESULTS.pop("n_detected without a dimension"), RESULTS.pop("face_name without a dimension"), RESULTS.pop("shot without a dimension"), RESULTS.pop("au_worth without a dimension")
for _dim in ("au", "box_edge", "axis", "landmark"):
    RESULTS[f"half of {_dim}"] = lambda path, dim=_dim: demo_features().isel({dim: slice(1)}).to_netcdf(path, engine="netcdf4"), f"1 entries along {_dim}"


@pytest.mark.parametrize("name", RESULTS)
def test_hostile_result(name, tmp_path, trap):
    write, found = RESULTS[name]
    path = tmp_path / "hostile.nc"
    write(path)
    with pytest.raises(ValueError) as error: load(path)
    text = str(error.value)
    assert str(path) in text and found in text and "\n" not in text.strip()
    assert "write it again" in text or "max_bytes" in text


MEMORY = """
import sys
from mexca_video import load
def peak():
    "MB; not ru_maxrss, which a process inherits from the one that started it."
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1024
load(sys.argv[1]); before = peak()
for path in sys.argv[2:]:
    try: load(path)
    except ValueError: continue
    sys.exit(f"{path} was loaded")
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak of memory")
def test_bombs_take_little_memory(tmp_path):
    bombs = ["a terabyte that was never written", "ten gigabytes of zeros", "a chunk that goes on", "a huge chunk for a small variable", "one text, many times", "as many names as letters"]
    paths = [save(demo_features(), tmp_path / "good.nc")]
    for n, name in enumerate(bombs):
        paths.append(tmp_path / f"{n}.nc")
        RESULTS[name][0](paths[-1])
    assert sum(path.stat().st_size for path in paths) < 20e6
    megabytes = int(subprocess.run([sys.executable, "-c", MEMORY, *map(str, paths)], capture_output=True, text=True, check=True).stdout)
    print(f"{megabytes} MB")
    assert megabytes < 200


def test_the_limit_can_be_raised(tmp_path):
    path = save(demo_features(), tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"a\.nc needs .* load\(path, max_bytes=(\d+)\)") as error: load(path, max_bytes=1000)
    needed = int(str(error.value).split("max_bytes=")[1].split(")")[0])
    assert load(path, max_bytes=needed).identical(demo_features()) and needed < 4 * demo_features().nbytes < MAX_BYTES


def test_own_variables_stay(tmp_path):
    ds = demo_features().assign(note=("frame", np.array(["smiles", ""] * 24)), weight=("frame", np.arange(48.)), shown=("frame", np.arange(48) % 2 == 0))
    assert load(save(ds, tmp_path / "a.nc")).identical(ds)


def test_what_load_would_refuse_is_not_saved(tmp_path):
    "Else work would be lost: in the file nobody could read it any more."
    ds = demo_features()
    for wrong, found in ((ds.sel(face=0), r"face=\[0\]"), (ds.sel(au=["AU12"]), "1 entries along au"), (ds.assign(status=ds.status.astype(float)), "status holds float64")):
        with pytest.raises(ValueError, match=f"a.nc: .*{found}"): save(wrong, tmp_path / "a.nc")
    assert os.listdir(tmp_path) == []


def test_a_path_is_no_address(tmp_path, monkeypatch):
    "The netCDF library takes `https:/…` for an address and would ask there."
    monkeypatch.chdir(tmp_path)
    (tmp_path / "https:").mkdir()
    ds = demo_features()
    save(ds, "https:/a.nc")
    assert load("https:/a.nc").identical(ds)


# --- permissions ------------------------------------------------------------------------------------------------------

def mode(path): return stat.S_IMODE(Path(path).stat().st_mode)


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
@pytest.mark.parametrize("write, name", [(save, "a.nc"), (to_csv, "a.csv")])
def test_part_files_are_private(write, name, umask, tmp_path, monkeypatch):
    "While a result is written only its owner can read it; then the umask decides, as for any file."
    seen, replace = [], os.replace
    def watched(part, target):
        seen.extend((mode(p), p.name) for p in tmp_path.glob(".*.part"))
        replace(part, target)
    import pandas as pd
    import xarray as xr
    for cls, method in ((xr.Dataset, "to_netcdf"), (pd.DataFrame, "to_csv")):
        def spied(self, path, *args, original=getattr(cls, method), **kwargs):
            before = mode(path)
            original(self, path, *args, **kwargs)
            seen.append((before, mode(path)))
        monkeypatch.setattr(cls, method, spied)
    old = os.umask(umask)
    try: write(demo_features(), tmp_path / name)
    finally: os.umask(old)
    assert seen == [(0o600, 0o600)]
    assert mode(tmp_path / name) == 0o666 & ~umask and os.listdir(tmp_path) == [name]


@POSIX
def test_folders_and_files_of_a_run_are_private(tmp_path):
    old = os.umask(0)
    try:
        run = Checkpoint(tmp_path / "run", {})
        run.append(64, dict(position=np.arange(3)))
        with write_atomically(tmp_path / "a.txt") as part: assert mode(part) == 0o600
    finally: os.umask(old)
    assert mode(run.path) == 0o700 and {mode(p) for p in run.path.iterdir()} == {0o600} and len(list(run.path.iterdir())) == 2
    chunks = Chunks()
    chunks._file.rollover()
    assert stat.S_IMODE(os.fstat(chunks._file.fileno()).st_mode) == 0o600


# --- checkpoints ------------------------------------------------------------------------------------------------------

RUN = dict(format=1, variables=["face_landmarks", "face_aus"], video_sha256="0" * 64, arguments=dict(embeddings_model="sface"))


def stretch(n=3, **other):
    "What a stretch of 64 frames holds."
    columns = dict(begin=np.array(0), end=np.array(64), position=np.arange(n), decoded=np.arange(64), n_detected=np.ones(64, np.int64), failures=np.frombuffer(b"{}", np.uint8),
                   face_box=np.zeros((n, 4), "f4"), face_prob=np.zeros(n, "f4"), face_embedding=np.zeros((n, 128), "f4"),
                   face_landmarks=np.zeros((n, 68, 2), "f4"), face_aus=np.zeros((n, 20), "f4"), presence=np.zeros(n, "f4"), quality=np.zeros(n, "f4"),
                   points=np.zeros((n, 5, 2), "f4"), sampled=np.arange(n), embedded=np.arange(n), signature=np.zeros((64, SIGNATURE_SIZE), np.uint8)) | other
    return {name: value for name, value in columns.items() if value is not None}


def npz(columns, write=np.savez):
    file = io.BytesIO()
    write(file, **columns)
    return file.getvalue()


def zipped(members, how=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in members.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(name, data)
    return file.getvalue()


def npy(shape, dtype="<f4", data=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, dict(descr=dtype, fortran_order=False, shape=shape))
    return file.getvalue() + data


def lying(data, claimed):
    "The same archive with another uncompressed size of its first member in both headers."
    data, central = bytearray(data), data.rfind(b"PK\x01\x02")
    data[22:26] = data[central + 24:central + 28] = claimed.to_bytes(4, "little")
    return bytes(data)


STRETCHES = {
    "a pickle": (lambda path: pickle.dumps(Intruder(path)), "not a zip file"),
    "an array of objects": (lambda path: npz(stretch(face_prob=np.array([Intruder(path)] * 3, object))), "not numbers"),
    "an array that needs a pickle": (lambda path: zipped({"face_prob.npy": npy((1,), "|O") + pickle.dumps([Intruder(path)])}), "not numbers"),
    "compound values": (lambda path: npz(stretch(face_prob=np.zeros(3, "f4,f4"))), "not numbers"),
    "packed zeros": (lambda path: npz(stretch(face_box=np.zeros((10**7, 4), "f4")), np.savez_compressed), "more than its own size"),
    "a lie about its size": (lambda path: lying(zipped({"a.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED), 10), ""),
    "bzip2": (lambda path: zipped({"position.npy": npy((1000,), "<i8", bytes(8000))}, zipfile.ZIP_BZIP2), "more than its own size"),
    "a terabyte in a header": (lambda path: zipped({"face_prob.npy": npy((2**38,))}), "0 bytes for the shape"),
    "a negative length": (lambda path: zipped({"face_prob.npy": npy((-2, -2), data=bytes(16))}), "for the shape"),
    "an endless header": (lambda path: zipped({"a.npy": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535}), ""),
    "path traversal": (lambda path: zipped({"../../escaped.npy": npy((1,), data=bytes(4))}), "escaped"),
    "an absolute name": (lambda path: zipped({"/tmp/escaped.npy": npy((1,), data=bytes(4))}), "escaped"),
    "other names": (lambda path: npz(stretch(extra=np.zeros(3))), "extra"),
    "no begin": (lambda path: npz(stretch(begin=None)), "where it begins"),
    "an end before its begin": (lambda path: npz(stretch(end=np.array(0))), "from frame 0 to 0"),
    "another end than its name": (lambda path: npz(stretch(end=np.array(10**9))), "ends at frame"),
    "boxes of five edges": (lambda path: npz(stretch(face_box=np.zeros((3, 5), "f4"))), "face_box has the shape"),
    "fewer boxes than faces": (lambda path: npz(stretch(face_box=np.zeros((2, 4), "f4"))), "face_box has the shape"),
    "landmarks without an axis": (lambda path: npz(stretch(face_landmarks=np.zeros((3, 68), "f4"))), "face_landmarks has the shape"),
    "another embedding": (lambda path: npz(stretch(face_embedding=np.zeros((3, 512), "f4"))), "face_embedding has the shape"),
    "signatures of another size": (lambda path: npz(stretch(signature=np.zeros((64, 3), np.uint8))), "signature is"),
    "faces that are not there": (lambda path: npz(stretch(sampled=np.array([0, 1, 3]))), "sampled names other faces"),
    "points of no face": (lambda path: npz(stretch(points=np.zeros((2, 5, 2), "f4"))), "points is"),
    "whole numbers": (lambda path: npz(stretch(face_prob=np.zeros(3, "i4"))), "face_prob is int32"),
    "frames of another stretch": (lambda path: npz(stretch(position=np.array([0, 1, 64]))), "position names other frames"),
    "negative frames": (lambda path: npz(stretch(decoded=np.arange(64) - 1)), "decoded names other frames"),
    "frames in disorder": (lambda path: npz(stretch(position=np.array([2, 1, 0]))), "position names other frames"),
    "fewer counts than frames": (lambda path: npz(stretch(n_detected=np.ones(63, np.int64))), "63 numbers for 64 frames"),
    "a negative count": (lambda path: npz(stretch(n_detected=np.full(64, -1))), "not a number of faces"),
    "no action units": (lambda path: npz(stretch(face_aus=None)), "face_aus"),
    "failures that are none": (lambda path: npz(stretch(failures=np.frombuffer(b"[[[[", np.uint8))), ""),
    "deep failures": (lambda path: npz(stretch(failures=np.frombuffer(b"[" * 10**5, np.uint8))), ""),
    "failures of another form": (lambda path: npz(stretch(failures=np.frombuffer(b'{"a": 1}', np.uint8))), "not a list of sentences"),
}


def test_the_stretch_of_these_tests_is_good(tmp_path):
    Checkpoint(tmp_path / "run", RUN)
    (tmp_path / "run" / "000000064.npz").write_bytes(npz(stretch()))
    run = Checkpoint(tmp_path / "run", RUN)
    assert run.done == 64 and [sorted(columns) for columns in run] == [sorted(stretch())]


@pytest.mark.parametrize("name", STRETCHES)
def test_hostile_stretch(name, tmp_path, trap):
    "It counts for nothing, and is measured again."
    make, found = STRETCHES[name]
    Checkpoint(tmp_path / "run", RUN)
    path = tmp_path / "run" / "000000064.npz"
    path.write_bytes(make(trap))
    before = sorted(tmp_path.rglob("*"))
    with pytest.warns(UserWarning) as told: run = Checkpoint(tmp_path / "run", RUN)
    assert run.done == 0 and list(run) == [] and sorted(tmp_path.rglob("*")) == before
    assert len(told) == 1 and all(part in str(told[0].message) for part in (str(path), found, "measured again from frame 0"))
    run.append(64, {name: value for name, value in stretch().items() if name not in ("begin", "end")})
    assert Checkpoint(tmp_path / "run", RUN).done == 64


@POSIX
def test_links_in_a_checkpoint(tmp_path):
    "They are not followed: neither to read, nor to write, nor to delete."
    Checkpoint(tmp_path / "run", RUN)
    (tmp_path / "outside.npz").write_bytes(npz(stretch()))
    (tmp_path / "run" / "000000064.npz").symlink_to(tmp_path / "outside.npz")
    with pytest.warns(UserWarning, match="000000064.npz is damaged .it is a link"): run = Checkpoint(tmp_path / "run", RUN)
    assert run.done == 0
    run.append(64, dict(position=np.arange(3)))
    assert not (tmp_path / "run" / "000000064.npz").is_symlink() and (tmp_path / "outside.npz").read_bytes() == npz(stretch())
    (tmp_path / "run" / "000000128.npz").symlink_to(tmp_path / "outside.npz")
    delete_checkpoint(tmp_path / "run")
    assert not (tmp_path / "run").exists() and (tmp_path / "outside.npz").exists()
    os.mkdir(tmp_path / "piped")
    os.mkfifo(tmp_path / "piped" / "manifest.json")
    with pytest.raises(CheckpointError, match="manifest.json cannot be read .it is a link or not an ordinary file.*Delete the folder"): Checkpoint(tmp_path / "piped", RUN)


@pytest.mark.parametrize("content, found", [
    (b"[" * 10**5, "recursion"), (b'{"a":' * 300 + b"1" + b"}" * 300, ""), (b"[]", "another run"), (b"null", "another run"), (b"\xff\xfe", "cannot be read"),
    (b" " * 2**20 + b"{}", "more than the 1048576"), (b"9" * 10_000, "cannot be read"), (b'{"format": "' + b"x" * 10**6 + b'"}', "another run"),
], ids=["deep", "nested", "list", "null", "no text", "long", "a long number", "a long text"])
def test_hostile_manifest(content, found, tmp_path):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointError) as error: Checkpoint(tmp_path, RUN)
    assert str(tmp_path) in str(error.value) and found in str(error.value) and len(str(error.value)) < 2000 and "elete " in str(error.value)


# --- weights ----------------------------------------------------------------------------------------------------------

def torch_file(state, **options):
    import torch

    file = io.BytesIO()
    torch.save(state, file, **options)
    return file.getvalue()


def repacked(data, how=zipfile.ZIP_DEFLATED, **other):
    "The same archive with other compression or other members."
    with zipfile.ZipFile(io.BytesIO(data)) as archive: members = {name: archive.read(name) for name in archive.namelist()}
    return zipped(members | other, how)


def ones(*shape):
    import torch

    return torch.ones(*shape)


WEIGHTS = {
    "code": (lambda path: torch_file({"state_dict": Intruder(path)}), "cannot be read"),
    "code in the old format": (lambda path: torch_file({"a": Intruder(path)}, _use_new_zipfile_serialization=False), "cannot be read"),
    "a bare pickle": (lambda path: pickle.dumps(Intruder(path)), "cannot be read"),
    "packed zeros": (lambda path: repacked(torch_file({"a": ones(10**7) * 0})), "compressed"),
    "path traversal": (lambda path: repacked(torch_file({"a": ones(2)}), zipfile.ZIP_STORED, **{"../../escaped": b"1"}), "leads out"),
    "a tensor larger than its file": (lambda path: torch_file({"a": ones(1).expand(10**6, 10**6)}), "claims 4000000000000 bytes"),
    "no tensors": (lambda path: torch_file({"a": "text"}), "'a' is a str, not a tensor"),
    "a list": (lambda path: torch_file([ones(2)]), "cannot be read"),
    "numbers for names": (lambda path: torch_file({1: ones(2)}), "1 is a Tensor"),
    "half": (lambda path: torch_file({"a": ones(1000)})[:2000], "ends early"),
    "text": (lambda path: b"<html>Please log in</html>", "cannot be read"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_hostile_weights(name, cache, trap):
    make, found = WEIGHTS[name]
    cache.mkdir()
    (cache / MODELS["pfld"].file).write_bytes(make(trap))
    with pytest.raises(ModelError) as error: read_state_dict("pfld")
    assert all(part in str(error.value) for part in (MODELS["pfld"].file, str(cache), found, "By hand"))


def test_weights_of_another_network(cache):
    import torch

    cache.mkdir()
    (cache / MODELS["pfld"].file).write_bytes(torch_file({"weight": ones(2, 3), "bias": ones(2)}))
    network = torch.nn.Linear(3, 2)
    assert fill_network(network, "pfld") is network and float(network.weight.detach().sum()) == 6
    with pytest.raises(ModelError, match="pfld_model_best.pth.tar in .* does not fit the network: .*size mismatch for weight"): fill_network(torch.nn.Linear(5, 2), "pfld")


def test_a_weight_file_may_not_be_endless(cache, monkeypatch):
    monkeypatch.setattr(fetch, "MAX_MODEL_BYTES", 1000)
    cache.mkdir()
    (cache / MODELS["pfld"].file).write_bytes(bytes(1001))
    with pytest.raises(ModelError, match="more than the 1000 bytes.*Delete it"): read_state_dict("pfld")


def schema(**content):
    return json.dumps({"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "key_types": {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []},
                       "content": content, "protocol": 2, "_skops_version": "0.16"}).encode()


def skops_file(thing):
    from skops.io import dumps

    return dumps(thing)


SKOPS = {
    "an untrusted type": (lambda: skops_file(subprocess.CompletedProcess([], 0)), "not trusted: subprocess.CompletedProcess"),
    "a function of operator": (lambda: skops_file({"f": __import__("operator").methodcaller("exit")}), "OperatorFuncNode"),
    "a random generator": (lambda: skops_file({"r": np.random.default_rng(0)}), "RandomGeneratorNode"),
    "an old random generator": (lambda: skops_file({"r": np.random.RandomState(0)}), "RandomStateNode"),
    "a trusted type that is no classifier": (lambda: skops_file({"a": np.zeros(3)}), "it holds a dict"),
    "packed zeros": (lambda: zipped({"schema.json": schema(), "1.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED), "unpacks to"),
    "a zip in it": (lambda: zipped({"schema.json": schema(), "1.npz": zipped({"a": bytes(10**7)}, zipfile.ZIP_DEFLATED)}), "neither an array nor the schema"),
    "path traversal": (lambda: zipped({"schema.json": schema(), "../1.npy": b""}), "leads out"),
    "two schemas": (lambda: twice("schema.json", schema()), "same name"),
    "a lie about its size": (lambda: lying(zipped({"1.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED), 100), ""),
    "no schema": (lambda: zipped({"1.npy": b""}), "schema.json"),
    "a deep schema": (lambda: zipped({"schema.json": b"[" * 10**5}), "cannot be read"),
    "a terabyte in a header": (lambda: zipped({"schema.json": skops_schema(np.zeros(3)), "1.npy": npy((2**38,))}), "cannot be read"),
    "an array of objects": (lambda: zipped({"schema.json": skops_schema(np.zeros(3)), "1.npy": npy((1,), "|O") + pickle.dumps([1])}), "cannot be read"),
    "a pickle": (lambda: pickle.dumps([1]), "cannot be read"),
}


def twice(name, data):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(file, "w") as archive: archive.writestr(name, data), archive.writestr(name, data)
    return file.getvalue()


def skops_schema(thing):
    "The schema of an array, with its file under the name 1.npy."
    with zipfile.ZipFile(io.BytesIO(skops_file(thing))) as archive:
        return archive.read("schema.json").replace(next(n for n in archive.namelist() if n.endswith(".npy")).encode(), b"1.npy")


@pytest.mark.parametrize("name", SKOPS)
def test_hostile_skops(name, cache):
    make, found = SKOPS[name]
    cache.mkdir()
    (cache / MODELS["svm"].file).write_bytes(make())
    with pytest.raises(ModelError) as error: read_au_classifier("svm")
    assert all(part in str(error.value) for part in (MODELS["svm"].file, str(cache), found, "By hand"))


def test_a_member_gives_what_it_promised():
    "zipfile would unpack two gigabytes at once before it looks at the size."
    data = lying(zipped({"a": bytes(10**8)}, zipfile.ZIP_DEFLATED), 1000)
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(zipfile.BadZipFile): read_member(io.BytesIO(data), "a", 1000)  # it notices that the checksum is another
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally: tracemalloc.stop()
    with pytest.raises(ValueError, match="more than the 1000"): read_member(io.BytesIO(zipped({"a": bytes(10**4)})), "a", 1000)
    with pytest.raises(ValueError, match="unknown way"): read_member(io.BytesIO(zipped({"a": b"a"}, zipfile.ZIP_LZMA)), "a", 1000)


@pytest.mark.parametrize("name", ["sface", "facemesh"])
def test_pinned_weights_are_these_or_none(name, cache):
    "ONNX and MediaPipe's task have a checksum in the registry: nothing else is even opened."
    cache.mkdir()
    (cache / MODELS[name].file).write_bytes(zipped({MODELS[name].member or "a": bytes(10**8)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ModelError, match="damaged or is another file.*SHA-256.*Delete it"): (read_sface if name == "sface" else lambda: read_task_model(name))()


# --- the network ------------------------------------------------------------------------------------------------------

QUIET = """
import sys
def forbid(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        if event.startswith("socket") or "pip" in str(args): print("FORBIDDEN", event, args[:2], flush=True)
sys.addaudithook(forbid)
from pathlib import Path
from mexca_video import cli, draw_timeline, load, model_table, share_safe, to_table
folder = Path(sys.argv[2])
status = cli.cli(["-f", sys.argv[1], "-o", str(folder), "--embedded", "--skip-frames", "48", "--show-progress", "false", "--return-embeddings"])
ds = load(folder / "clip.nc")
to_table(ds), share_safe(ds), draw_timeline(ds), model_table()
print("status", status, "faces", int(ds.n_detected.sum()))
"""


@pytest.mark.slow
def test_nothing_is_sent(tmp_path):
    "The whole pipeline in a process that sees every socket: with the models here, none is opened. (An audit hook sees Python's; the table in notebook 21 says how the libraries were watched.)"
    for name in ("sface", "facemesh"): fetch_model(name, show_progress=False)
    clip = sample_clip(tmp_path / "clip.mp4")
    done = subprocess.run([sys.executable, "-c", QUIET, str(clip), str(tmp_path / "out")], capture_output=True, text=True, env=os.environ | {"MEXCA_VIDEO_OFFLINE": "1", "MPLBACKEND": "agg"})
    assert "FORBIDDEN" not in done.stdout + done.stderr, done.stdout
    assert done.stdout.splitlines()[-1].startswith("status 0 faces") and int(done.stdout.split()[-1]) > 3, done.stdout + done.stderr


def test_the_hook_of_this_test_sees_sockets():
    code = QUIET.split("from pathlib")[0] + "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError: pass"
    assert "FORBIDDEN socket.connect" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


def test_offline_means_offline(cache, monkeypatch):
    monkeypatch.setenv("MEXCA_VIDEO_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("a socket was opened"))
    monkeypatch.setattr(fetch, "_run_pip", lambda *args: pytest.fail("pip was called"))
    for name in MODELS:
        if name == "mtcnn": continue
        assert find_model(name) is None
        with pytest.raises(ModelError, match="MEXCA_VIDEO_OFFLINE forbids"): fetch_model(name)


def test_no_pickle_in_the_code():
    "Nowhere in the package are objects read from files by way of pickle."
    sources = {path.name: path.read_text("utf-8") for path in Path(fetch.__file__).parents[1].rglob("*.py")}
    for word in ("import pickle", "joblib", "allow_pickle=True", "weights_only=False", "read_pickle", "cloudpickle", "dill", "eval(", "exec("):
        assert [name for name, text in sources.items() if word in text.replace(".eval()", "")] == [], word
    loads = [line for text in sources.values() for line in text.splitlines() if "torch.load(" in line]
    assert loads and all("weights_only=True" in line for line in loads)
    assert not [name for name, text in sources.items() if "np.load(" in text]


def test_embeddings_only_on_request(tmp_path, monkeypatch):
    "Not in the result, and nowhere else on the disk."
    from mexca_video import FaceExtractor

    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    ds = FaceExtractor.embedded(1).apply(sample_clip(), skip_frames=96, show_progress=False)
    assert "face_embedding" not in ds and not any(128 in var.shape for var in ds.variables.values())
    assert list((tmp_path / "temporary").iterdir()) == []


# --- the audit --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("answer, said", [
    ({"dependencies": [{"name": "numpy", "skip_reason": "Dependency not found on PyPI"}]}, "NO CHECK FOR KNOWN VULNERABILITIES WAS MADE: numpy: Dependency not found"),
    (None, "NO CHECK FOR KNOWN VULNERABILITIES WAS MADE: "),
    ({"dependencies": [{"name": "numpy", "version": "1", "vulns": [{"id": "CVE-1"}]}, {"name": "torch", "skip_reason": "x"}]}, "checked 1 of"),
], ids=["all left out", "no answer", "some left out"])
def test_an_audit_claims_no_check_that_was_not_made(answer, said, monkeypatch, capsys):
    "pip-audit itself says `No known vulnerabilities found` when it could ask about no package at all."
    import audit

    monkeypatch.setattr(audit.subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, 0, json.dumps(answer) if answer and "pip_audit" in command else "", "no module"))
    audit.main()
    said_last = capsys.readouterr().out.split("pip check")[1]
    assert said in said_last and ("CVE-1" in said_last) == ("CVE-1" in json.dumps(answer))


def test_every_package_that_is_asked_for_has_a_licence():
    import audit

    found = audit.runtime()
    assert len(found) > 25 and {audit.licence(found[name]) for name in ("skops", "torch", "xarray", "openvino", "h5py")}.isdisjoint({"not stated"})
