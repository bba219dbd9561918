"VideoDataset against what PyAV decodes plainly, on clips that have everything that can go wrong."
import copy
import dataclasses
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mexca_video import video
from mexca_video.video import FrameError, VideoDataset

import clips
from places import SHARED


@pytest.fixture(scope="session")
def folder(tmp_path_factory): return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def written(folder):
    "Write a recipe once; return its path."
    paths = {}
    def write(name):
        if name not in paths: paths[name] = clips.write_recipe(name, folder)
        return paths[name]
    return write


def plainly(path):
    "All frames of the file in the order of the decoder: (pts, stored picture, rotation)."
    with av.open(str(path)) as container:
        return [(f.pts, f.to_ndarray(format="rgb24"), f.rotation) for f in container.decode(video=0)]


def images(dataset): return [dataset[i]["Image"].numpy() for i in range(len(dataset))]


MIRRORED = {"mirrored"}


@pytest.mark.slow
@pytest.mark.parametrize("name", clips.CLIPS)
def test_every_access_gives_the_same_frames(written, name):
    path = written(name)
    plain = plainly(path)
    with VideoDataset(path) as ds:
        assert ds._decoder is None, "a frame was decoded before one was asked for"
        assert len(ds) == len(plain) == clips.CLIPS[name][1].get("count", 48)
        in_order = images(ds)
        assert ds._decoder.decoded == len(ds), "each frame is decoded once"
        shuffled = np.random.default_rng(3).permutation(len(ds))
        for i in shuffled: np.testing.assert_array_equal(ds[int(i)]["Image"].numpy(), in_order[i], f"frame {i}")
    for number, (image, (_, stored, rotation)) in enumerate(zip(in_order, plain)):
        assert clips.number_of(image) == number
        displayed = np.rot90(stored, rotation // 90)
        np.testing.assert_array_equal(image, displayed[:, ::-1] if name in MIRRORED else displayed)
        assert image.dtype == np.uint8 and image.shape == (ds.height, ds.width, 3) and image.flags.c_contiguous
    if None not in (trusted := [pts for pts, *_ in plain]) and trusted == sorted(trusted):
        assert ds.video_pts.tolist() == trusted
        first = trusted[0]
        np.testing.assert_array_equal(ds.time, [float((pts - first) * ds.time_base) for pts in trusted])


@pytest.mark.parametrize("name", ["b_frames", "long_gop", "open_gop", "hevc_open_gop", "intra_refresh", "mpegts", "mpeg_ps", "prores", "vp9", "avi_h264"])
@pytest.mark.parametrize("skip", [2, 7])
def test_every_nth_frame_without_more_decoding(written, name, skip):
    with VideoDataset(written(name), skip_frames=skip) as ds:
        assert [clips.number_of(i) for i in images(ds)] == list(range(0, len(ds._index), skip))
        assert ds._decoder.decoded <= len(ds._index)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pexels", "single_face", "face_noface", "noface_face", "no_face"])
def test_real_clips(name):
    samples = pytest.importorskip("mexca_video.samples", reason="the samples module is not there")
    try: path = samples.sample_path(name)
    except (ModuleNotFoundError, FileNotFoundError) as error: pytest.skip(str(error))
    plain = plainly(path)
    with VideoDataset(path) as ds:
        assert ds.video_pts.tolist() == [pts for pts, *_ in plain]
        assert ds.video_fps == pytest.approx(samples.SAMPLES[name].fps, rel=.02) and (ds.width, ds.height) == samples.SAMPLES[name].size
        for i in [*np.random.default_rng(2).permutation(len(ds))[:8], *range(len(ds))]:
            np.testing.assert_array_equal(ds[int(i)]["Image"].numpy(), plain[i][1], f"frame {i}")


@pytest.mark.parametrize("orientation, turn", [(1, lambda i: i), (3, lambda i: np.rot90(i, 2)), (6, lambda i: np.rot90(i, -1)), (8, np.rot90)])
def test_a_photograph_is_a_video_of_one_frame(folder, orientation, turn):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(clips.picture(5)).save(folder / f"photo_{orientation}.jpg", exif=exif, quality=95)
    ds = VideoDataset(folder / f"photo_{orientation}.jpg")
    assert len(ds) == 1 and np.abs(ds[0]["Image"].numpy().astype(int) - turn(clips.picture(5))).max() < 30
    assert (ds.height, ds.width) == turn(clips.picture(5)).shape[:2]


def test_a_jump_is_made_where_it_saves_work(folder):
    path = clips.write_clip(folder / "many_groups.mp4", count=400, gop=20, options=dict(bf=2, sc_threshold=0))
    with VideoDataset(path) as ds:
        for i in (0, 390, 10, 200): assert clips.number_of(ds[i]["Image"]) == i
        assert ds._decoder.decoded < 150


def test_times_of_a_variable_rate(written):
    for name in ("varied_rate", "varied_rate_mkv"):
        ds = VideoDataset(written(name))
        expected = (np.array(clips._VARIED) - clips._VARIED[0]) / 1000
        np.testing.assert_allclose(ds.time, expected, atol=1e-9)
        assert ds.video_fps == pytest.approx(47 / expected[-1], rel=.011)
        assert ds.duration >= expected[-1]


def test_attributes(written):
    ds = VideoDataset(str(written("late_start")), skip_frames=3, start=.4, end=1.2)
    assert ds.video_frames.tolist() == ds.video_frames_idx.tolist() == list(range(10, 30, 3))
    assert ds.video_frames.dtype == ds.video_frames_idx.dtype == np.int64 and isinstance(ds.video_frames, np.ndarray)
    assert ds.video_pts.dtype == torch.int64 and int(ds.video_pts[0]) * ds.time_base == Fraction(260, 25)
    assert ds.time.dtype == np.float64 and ds.time.tolist() == [n / 25 for n in range(10, 30, 3)]
    assert (ds.video_fps, ds.duration, ds.file_name) == (25, 48 / 25, "late_start.mp4")
    with pytest.raises(AttributeError): ds.duration = 3
    assert (ds.width, ds.height) == (64, 48) and "\n" not in repr(ds)
    for part in ("late_start.mp4", "7 of 48", "64x48", "25.000", "1.920"): assert part in repr(ds)


def test_turned_clips_are_as_wide_as_displayed(written):
    for name in ("turned_90", "turned_270", "mirrored"): assert (VideoDataset(written(name)).width, VideoDataset(written(name)).height) == (48, 64)
    assert VideoDataset(written("turned_180")).width == 64


def test_indexing_is_that_of_a_list(written):
    numbers = list(range(3, 48, 2))
    with VideoDataset(written("b_frames"), skip_frames=2, start=.12) as ds:
        for item in (0, -1, 5, -len(ds), np.int64(4), np.uint8(2), True):
            got = ds[item]
            assert got["Frame"] == numbers[item] == clips.number_of(got["Image"]) and type(got["Frame"]) is int
        for item in (slice(2, 5), slice(-3, None), slice(20, 99), slice(None, None, 5), slice(8, 2, -2), slice(4, 4), slice(99, 200)):
            got = ds[item]
            assert got["Frame"].tolist() == numbers[item] == [clips.number_of(i) for i in got["Image"]]
            assert got["Image"].shape == (len(numbers[item]), 48, 64, 3) and got["Image"].dtype == torch.uint8 and got["Image"].is_contiguous()
        for item in (len(ds), -len(ds) - 1): pytest.raises(IndexError, ds.__getitem__, item)
        for item in (1., "1", None): pytest.raises(TypeError, ds.__getitem__, item)
        assert len(list(ds)) == len(ds)


@pytest.mark.parametrize("stretch, found", [
    (dict(start=1, end=.5), "end=0.5 does not lie after start=1"), (dict(start=1, end=1), "end=1 does not"), (dict(start=-.1), "start=-0.1 is negative"),
    (dict(end=-1), "end=-1 is negative"), (dict(end=1.95), "end=1.95 lies past the end"), (dict(start=1.92), "start=1.92 lies past the end"),
    (dict(start=float("nan")), "start=nan is not a finite"), (dict(end=float("inf")), "end=inf is not"), (dict(end="1"), "end='1' is not"), (dict(start=None), "start=None is not"),
    (dict(start=True), "start=True is not"), (dict(end=[1]), "end=[1] is not"), (dict(start=.01, end=.03), "The next one is at 0.040 s"), (dict(start=1.9), "The last one begins at 1.880 s"),
    (dict(skip_frames=0), "skip_frames=0"), (dict(skip_frames=-2), "skip_frames=-2"), (dict(skip_frames=1.5), "skip_frames=1.5"), (dict(skip_frames=True), "skip_frames=True")])
def test_a_wrong_stretch_is_refused(written, stretch, found):
    with pytest.raises(ValueError) as error: VideoDataset(written("b_frames"), **stretch)
    assert found in str(error.value) and str(error.value).startswith("b_frames.mp4: ")


def test_the_stretch_is_half_open(written):
    path = written("b_frames")
    assert VideoDataset(path, start=.2, end=.4).video_frames.tolist() == [5, 6, 7, 8, 9]
    assert VideoDataset(path, end=1.92).video_frames[-1] == VideoDataset(path, end=1.939).video_frames[-1] == 47
    assert VideoDataset(path, start=np.float32(1), end=np.int64(2) - Fraction(1, 2)).video_frames.tolist() == list(range(25, 38))


def test_files_without_video_are_refused(folder):
    files = {"": "is a folder", "notes.txt": "found: text", "empty.mp4": "is empty", "noise.mp4": "cannot be read", "sound.m4a": "found: audio", "cover.mp4": "found: audio, video"}
    (folder / "notes.txt").write_text("Frame 12: she smiles.\n" * 20)
    (folder / "empty.mp4").touch()
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    clips.write_sound(folder / "sound.m4a")
    clips.write_sound(folder / "cover.mp4", cover=True)
    with pytest.raises(FileNotFoundError, match="nowhere.mp4"): VideoDataset(folder / "nowhere.mp4")
    for name, found in files.items():
        with pytest.raises(ValueError) as error: VideoDataset(folder / name)
        assert found in str(error.value) and name in str(error.value) and "\n" not in str(error.value), name


def test_a_name_like_an_address_is_a_file(folder, written):
    path = folder / "day:1 %02d é.mp4"
    path.write_bytes(written("plain").read_bytes())
    with VideoDataset(path) as ds: assert clips.number_of(ds[7]["Image"]) == 7


def test_two_processes_and_a_used_dataset(written):
    with VideoDataset(written("b_frames")) as ds:
        ds[20]
        alone = [b for b in DataLoader(ds, batch_size=5)]
        shared = [b for b in DataLoader(ds, batch_size=5, num_workers=2, timeout=60)]
        for a, b in zip(alone, shared, strict=True): assert torch.equal(a["Image"], b["Image"]) and torch.equal(a["Frame"], b["Frame"])
        order = torch.randperm(len(ds), generator=torch.Generator().manual_seed(0)).tolist()
        for b in DataLoader(ds, batch_size=None, sampler=order, num_workers=2, timeout=60): assert clips.number_of(b["Image"]) == b["Frame"]
        assert clips.number_of(ds[21]["Image"]) == 21


FORK = """
import gc, os, signal, sys
sys.path.insert(0, sys.argv[2])
import clips
from mexca_video.video import VideoDataset
used = VideoDataset(sys.argv[1]); used[3]
shut = VideoDataset(sys.argv[1]); shut[3]
gone = VideoDataset(sys.argv[1]); gone[3]; del gone
child = os.fork()
if child == 0:
    signal.alarm(20)
    gc.collect(); shut.close(); gc.collect()
    right = clips.number_of(used[5]["Image"]) == 5
    used.close(); del used; gc.collect()
    os._exit(0 if right else 1)
assert os.waitpid(child, 0)[1] == 0, "the child failed"
assert clips.number_of(used[4]["Image"]) == 4
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_neither_uses_nor_clears_the_parents_decoder(written):
    "In a process of its own, so that no other library's threads are forked along."
    words = [sys.executable, "-c", FORK, str(written("b_frames")), os.path.dirname(clips.__file__)]
    subprocess.run(words, check=True, timeout=120)


def test_pickled_and_copied(written):
    ds = VideoDataset(written("turned_90"))
    ds[3]
    for other in (pickle.loads(pickle.dumps(ds)), copy.copy(ds), copy.deepcopy(ds)):
        assert other._decoder is None and torch.equal(other[7]["Image"], ds[7]["Image"])
    ds.close()
    ds.close()
    assert clips.number_of(ds[3]["Image"]) == 3, "a closed dataset opens its file again"


def test_a_dataset_that_is_dropped_closes_its_file(written):
    open_before = set(video._DECODERS)
    gc.disable()
    try:
        ds = VideoDataset(written("b_frames"))
        ds[5]
        assert len(set(video._DECODERS) - open_before) == 1
        del ds
        assert not set(video._DECODERS) - open_before
    finally: gc.enable()


def test_batches(written):
    ds = VideoDataset(written("b_frames"), skip_frames=2, start=.2)
    got = list(ds.batches(4))
    assert [part for part, _ in got] == [slice(k, min(k + 4, len(ds))) for k in range(0, len(ds), 4)]
    np.testing.assert_array_equal(np.concatenate([i for _, i in got]), ds[:]["Image"].numpy())
    for size in (0, -1, 2.5, True, None): pytest.raises(ValueError, ds.batches, size)


def test_batches_end_their_thread(written, folder):
    threads = threading.active_count()
    for _ in VideoDataset(written("b_frames")).batches(2): break
    assert threading.active_count() == threads
    with pytest.raises(FrameError):
        for _ in VideoDataset(_damage(written("b_frames"), folder / "in_thread.mp4", 20)).batches(8): pass
    assert threading.active_count() == threads


def _damage(path, copy_to, *places):
    "Copy the file with the packets at `places` (in file order) set to zero but for the first bytes."
    with av.open(str(path)) as container: packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for place in places:
        position, size = packets[place]
        data[position + 5:position + size] = bytes(size - 5)
    copy_to.write_bytes(data)
    return copy_to


def _state(ds, i):
    try: return clips.number_of(ds[i]["Image"])
    except FrameError as error:
        assert f"frame {i} " in str(error) and ds.file_name in str(error)
        return None


@pytest.mark.parametrize("place", [0, 1, 13, 20, 47])
@pytest.mark.parametrize("name", ["plain", "b_frames", "open_gop"])
def test_damage_is_told_and_never_covered_up(written, folder, name, place):
    whole = VideoDataset(written(name))
    path = _damage(written(name), folder / f"damaged_{name}_{place}.mp4", place)
    with VideoDataset(path) as ds:
        in_order = [_state(ds, i) for i in range(len(ds))]
        assert ds._decoder.decoded < 4 * len(ds)
    with VideoDataset(path) as ds: in_disorder = {int(i): _state(ds, int(i)) for i in np.random.default_rng(1).permutation(len(ds))}
    assert in_order == [in_disorder[i] for i in range(len(ds))]
    lost = {i for i, number in enumerate(in_order) if number is None}
    assert all(number == i for i, number in enumerate(in_order) if number is not None)
    group = whole._index.group
    hit = np.argsort(whole._index.position)[place]
    assert hit in lost and all(group[hit] <= group[i] <= group[hit] + 3 for i in lost)


def test_a_frame_that_the_decoder_repaired_is_not_handed_out(written, folder):
    path = folder / "repaired.mp4"
    with av.open(str(written("b_frames"))) as container: packet = [p for p in container.demux(video=0) if p.size][20]
    data = bytearray(written("b_frames").read_bytes())
    for k in range(packet.size // 2, packet.size, 7): data[packet.pos + k] ^= 0x5a
    path.write_bytes(data)
    with av.open(str(path)) as container: repaired = [n for n, f in enumerate(container.decode(video=0)) if f.is_corrupt]
    assert repaired, "the damage was to be repaired by the decoder"
    with VideoDataset(path) as ds:
        for n in repaired: pytest.raises(FrameError, ds.__getitem__, n)


@pytest.mark.parametrize("name", ["b_frames", "open_gop", "mpegts", "mpegts_mpeg2", "mpeg_ps", "vp9"])
@pytest.mark.parametrize("error", [-9, 7, 20])
def test_a_seek_that_lands_elsewhere_does_no_harm(written, name, error):
    ds = VideoDataset(written(name))
    step = int(np.median(np.diff(ds._index.pts)))
    ds._index = dataclasses.replace(ds._index, dts=ds._index.dts + error * step)
    for i in np.random.default_rng(5).permutation(len(ds)): assert clips.number_of(ds[int(i)]["Image"]) == i


def test_a_file_cut_short(written, folder):
    whole = written("b_frames")
    path = folder / "cut.mp4"
    clips.write_clip(path, options=dict(bf=3), mux=dict(movflags="faststart"))
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * .7)])
    with pytest.warns(UserWarning, match="cut.mp4 is cut short: 48 frames are announced"): ds = VideoDataset(path)
    states = [_state(ds, i) for i in range(len(ds))]
    assert 10 < len(ds) < 48 and sum(s is not None for s in states) > len(ds) - 8
    assert all(s in (i, None) for i, s in enumerate(states))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VideoDataset(whole)


def test_a_film_cut_in_the_middle_of_a_group(folder):
    ds = VideoDataset(clips.write_clip(folder / "edited.mp4", gop=200, ticks=range(-10, 38), options=dict(bf=2), mux=dict(avoid_negative_ts="disabled")))
    assert [clips.number_of(i) for i in images(ds)] == list(range(10, 48)) and ds.time[0] == 0
    assert clips.number_of(ds[3]["Image"]) == 13


def test_hidden_frames_are_not_counted(folder):
    "VP8 encoders store reference pictures that are not shown: bit 4 of the first byte is 0."
    def hide(number, data, pts): return bytes([data[0] & ~0x10]) + data[1:] if number in (9, 20) else data, pts
    path = clips.remux(clips.write_clip(folder / "vp8_in.webm", codec="libvpx", gop=200, options=dict(deadline="realtime")), folder / "vp8_hidden.webm", hide)
    ds = VideoDataset(path)
    assert [clips.number_of(i) for i in images(ds)] == [clips.number_of(f) for _, f, _ in plainly(path)] == [n for n in range(48) if n not in (9, 20)]


def test_frames_that_share_a_timestamp_are_told_apart(written, folder):
    ds = VideoDataset(clips.remux(written("vp8"), folder / "coarse.webm", lambda number, data, pts: (data, pts // 80 * 80)))
    assert len(set(ds.time)) == 24
    for i in (12, 13, 47, 0, 1, 36): assert clips.number_of(ds[i]["Image"]) == i
    assert [clips.number_of(i) for i in images(ds)] == list(range(48))


def test_joined_recordings_are_refused(folder):
    one = clips.write_clip(folder / "one.ts", count=100, codec="mpeg2video")
    (folder / "joined.ts").write_bytes(one.read_bytes() * 2)
    with pytest.raises(ValueError, match="joined.ts: the timestamps jump"): VideoDataset(folder / "joined.ts")


COLOURS = [(220, 30, 30), (30, 200, 40), (40, 50, 210), (200, 160, 40), (128, 128, 128), (250, 250, 250), (10, 10, 10)]


@pytest.mark.parametrize("space", [1, 5])   # BT.709, BT.601, as swscale numbers them
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (1280, 720)])
def test_colours(folder, space, full, size):
    def draw(number, width, height): return np.full((height, width, 3), COLOURS[number], np.uint8)
    path = clips.write_clip(folder / f"colour_{space}_{full}_{size[0]}.mp4", count=len(COLOURS), size=size, draw=draw, colour=(space, 2 if full else 1), options=dict(crf=5))
    ds = VideoDataset(path)
    for colour, image in zip(COLOURS, images(ds), strict=True): assert np.abs(image.astype(int) - colour).max() <= 4


def test_alpha_is_dropped_and_gray_is_three_times_the_same(folder):
    def half(number, width, height): return np.dstack([np.full((height, width, 3), (200, 100, 50), np.uint8), np.full((height, width), 40 * number, np.uint8)])
    ds = VideoDataset(clips.write_clip(folder / "see_through.mov", codec="png", pix_fmt="rgba", count=4, draw=half))
    for image in images(ds): assert (image == (200, 100, 50)).all()


def test_a_large_batch_may_take_its_time(monkeypatch):
    "What counts is the time without any frame, not the time for a batch."
    from mexca_video import sample_clip

    decode = video._image
    def slowly(decoder, i):
        time.sleep(0.04)
        return decode(decoder, i)
    monkeypatch.setattr(video, "_image", slowly)
    monkeypatch.setattr(video, "READ_PATIENCE", 1)
    began = time.monotonic()
    (where, images), = VideoDataset(str(sample_clip()), end=2).batches(48)
    assert len(images) == 48 and time.monotonic() - began > 1.9


# Small awkward files that lie beside the repository, with their right answers.

CASES = SHARED / "cases"
there = pytest.mark.skipif(not CASES.is_dir(), reason="the folder shared/cases is not beside the repository")


def read(path, **arguments):
    "The dataset of a file and the warnings that came with it and with all of its pictures, each once."
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ds = VideoDataset(path, **arguments)
        pictures = images(ds)
    return ds, pictures, [str(one.message) for one in said]


@there
@pytest.mark.parametrize("name, numbers", [
    ("trimmed.mp4", range(50, 70)), ("two_edits_b.mp4", [*range(20), *range(60, 80)]), ("trim_end_b.mp4", range(30)), ("repeat_b.mp4", [*range(10)] * 2),
    ("delayed_b.mp4", range(100)), ("drop_mjpeg.avi", range(57)), ("drop_mpeg4.avi", range(57)), ("live.webm", range(40)), ("screen_dur.webm", range(20)),
    ("tc.mov", range(10))])
def test_awkward_files_are_whole(name, numbers):
    ds, pictures, said = read(CASES / name)
    assert [clips.number_of(i) for i in pictures] == list(numbers) and ds.damage is None and said == []
    assert (ds.width, ds.height) == (64, 48) and set(ds.facts()) == {"video_start"}
    if name.endswith("mp4"): np.testing.assert_allclose(ds.time, np.arange(len(ds)) * .04, atol=1e-9)


@there
def test_the_clock_of_a_player():
    starts = {name: VideoDataset(CASES / name).start_time for name in ("delayed_b.mp4", "live.webm", "trimmed.mp4", "drop_mjpeg.avi")}
    assert starts == {"delayed_b.mp4": 1.5, "live.webm": .06, "trimmed.mp4": 0, "drop_mjpeg.avi": 0}
    ds = VideoDataset(CASES / "delayed_b.mp4", start=1, end=2)
    assert ds.time[0] == 1 and ds.facts()["video_start"] == 1.5, "start counts from the first frame"


@there
def test_dropped_frames_leave_a_gap():
    for name in ("drop_mjpeg.avi", "drop_mpeg4.avi"):
        steps = np.diff(VideoDataset(CASES / name).time) / .04
        assert len(steps) == 56 and steps.round(6).sum() == 59 and steps.max() >= 2


@there
def test_a_size_that_changes_in_the_file_of_a_camera_that_was_turned():
    ds, pictures, said = read(CASES / "resize.webm")
    assert (ds.width, ds.height) == (192, 128) and len(ds) == 30 and ds.damage is None
    wide = [clips.number_of(i) for i in [*pictures[:10], *pictures[20:]]]
    upright = [clips.number_of(i[:, 54:138]) for i in pictures[10:20]]
    assert wide == [*range(10), *range(20, 30)] and upright == list(range(10, 20))
    assert all(i[:, :53].max() == 0 == i[:, 139:].max() for i in pictures[10:20]), "beside an upright picture it is black"
    assert said == ["resize.webm: the picture changes its size on the way (96x64, 64x96, 192x128); all frames are scaled to 192x128 with their shape kept."]
    assert "64x96" in ds.facts()["video_sizes"]


@there
def test_the_default_of_two_films_is_read():
    ds, pictures, said = read(CASES / "two_default2.mkv")
    assert [clips.number_of(i) for i in pictures] == list(range(100, 110))
    assert len(said) == 1 and said[0].startswith("two_default2.mkv: film 2 of 2 is read") and ds.facts()["video_tracks"] == "film 2 of 2 was read"


@there
def test_hdr_of_a_telephone_is_said_once():
    ds, pictures, said = read(CASES / "hlg.mp4")
    assert len(said) == 1 and "HDR video (HLG)" in said[0] and "HLG" in ds.facts()["video_colour"]
    with av.open(str(CASES / "hlg.mp4")) as container: signal = next(container.decode(video=0)).to_ndarray(format="rgb48le")[24, 32, 0] / 65535
    light = 1000 / 203 * ((np.exp((signal - .55991073) / .17883277) + .28466892) / 12 if signal > .5 else signal**2 / 3)**1.2
    above = max(light - .75, 0) / .25
    assert abs(pictures[0][24, 32] - 255 * (min(light, .75) + .25 * above / (1 + above))**(1 / 2.4)).max() <= 2


# Geometry

@pytest.mark.parametrize("pixel, size", [("16/11", (93, 48)), ("4/3", (85, 48)), ("8/9", (64, 54)), ("1280/1281", (64, 48)), ("1/1", (64, 48))])
@pytest.mark.parametrize("suffix, codec", [("mp4", "libx264"), ("mkv", "libx264"), ("ts", "libx264"), ("avi", "mpeg4")])
def test_pixels_that_are_not_square(folder, pixel, size, suffix, codec):
    path = clips.write_clip(folder / f"pixel.{suffix}", codec=codec, count=5, pixel=pixel, options=dict(crf=10))
    ds, pictures, said = read(path)
    assert (ds.width, ds.height) == size and said == []
    assert [(clips.number_of(i), i.shape) for i in pictures] == [(k, (*size[::-1], 3)) for k in range(5)]
    assert ("video_pixels" in ds.facts()) == (size != (64, 48))
    whole = ds[:]["Image"]
    assert whole.shape == (5, *size[::-1], 3)


def test_pixels_of_a_picture_that_lies_on_its_side(folder):
    path = clips.write_clip(folder / "pixel_turned.mp4", count=3, pixel="3/2", turn=dict(degrees=90), draw=clips._turned(1))
    ds, pictures, said = read(path)
    assert (ds.width, ds.height) == (48, 96) and [clips.number_of(i) for i in pictures] == [0, 1, 2]


def test_a_ratio_that_cannot_be_is_not_believed(folder):
    ds = VideoDataset(clips.write_clip(folder / "absurd.mp4", count=2, pixel=50))
    assert (ds.width, ds.height) == (64, 48) and clips.number_of(ds[1]["Image"]) == 1


def _change(folder, suffix, kinds, **arguments): return clips.write_changing(folder / f"changing{len(list(folder.iterdir()))}.{suffix}", kinds, **arguments)


SIZES = [dict(size=(96, 64)), dict(size=(64, 96)), dict(size=(192, 128))]


@pytest.mark.parametrize("suffix, arguments", [("h264", dict(options=dict(bf=2))), ("h265", dict(codec="libx265"))])
def test_sizes_are_known_before_decoding(folder, suffix, arguments):
    path = _change(folder, suffix, SIZES, **arguments)
    with pytest.warns(UserWarning, match="96x64, 64x96, 192x128"): ds = VideoDataset(path)
    assert ds._decoder is None and ds._index.canvas == (192, 128)
    shown = [ds[i]["Image"].numpy() for i in range(len(ds))]
    assert len(ds) == 30 and [clips.number_of(i[:, 54:138] if k // 10 == 1 else i) for k, i in enumerate(shown)] == list(range(30))


def test_sizes_in_the_packets_of_an_mp4(folder):
    "As video calls leave them: the file's header knows the first size only."
    path = clips.remux(_change(folder, "h264", SIZES[:1] + SIZES[2:], options=dict(bf=0)), folder / "sizes.mp4", lambda number, data, pts: (data, number * 48000))
    ds, pictures, said = read(path)
    assert (ds.width, ds.height) == (192, 128) and [clips.number_of(i) for i in pictures] == list(range(20)) and len(said) == 1
    assert clips.number_of(ds[3]["Image"]) == 3 and clips.number_of(ds[15]["Image"]) == 15, "after a jump"


def test_a_shape_of_pixels_that_changes(folder):
    "Television goes from 4:3 to 16:9 between two programmes."
    path = _change(folder, "m2v", [dict(pixel="4/3"), dict(pixel="16/9")], codec="mpeg2video", options=dict(q=2, bf=2))
    ds, pictures, said = read(path)
    assert len(said) == 1 and "(85x48, 106x48)" in said[0] and (ds.width, ds.height) == (106, 48)  # MPEG-2 knows 2.21:1, not 16:9 of this
    assert [clips.number_of(_without_bars(i)) for i in pictures] == list(range(20))
    bars = [int((i.max((0, 2)) == 0).sum()) for i in pictures]
    assert bars == [21] * 10 + [0] * 10, "the last frames of the first programme have its shape"


def _without_bars(picture):
    rows, columns = np.flatnonzero(picture.max((1, 2))), np.flatnonzero(picture.max((0, 2)))
    return picture[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


def test_a_size_that_nobody_could_know_keeps_its_shape(folder):
    "Motion JPEG says its size in each picture only."
    parts = [clips.write_clip(folder / f"m{k}.mkv", codec="mjpeg", pix_fmt="yuvj420p", count=3, first=3 * k, size=size) for k, size in enumerate([(96, 64), (64, 96)])]
    packets = []
    for part in parts:
        with av.open(str(part)) as container: packets += [bytes(p) for p in container.demux(video=0) if p.size]
    path = clips.remux(clips.write_clip(folder / "m.mkv", codec="mjpeg", pix_fmt="yuvj420p", count=6, size=(96, 64)), folder / "unknown.mkv", lambda number, data, pts: (packets[number], pts))
    ds, pictures, said = read(path)
    assert [clips.number_of(_without_bars(i)) for i in pictures] == list(range(6)) and {i.shape for i in pictures} == {(64, 96, 3)}
    assert len(said) == 1 and "96x64, 64x96" in said[0] and "video_sizes" in ds.facts()


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_rotate_turns_clockwise_after_the_file(written, rotate):
    for name in ("plain", "turned_90", "mirrored"):
        ds, plain = VideoDataset(written(name), rotate=rotate), VideoDataset(written(name))
        picture = ds[7]["Image"].numpy()
        np.testing.assert_array_equal(picture, np.rot90(plain[7]["Image"].numpy(), -rotate // 90))
        assert picture.shape == (ds.height, ds.width, 3) and ds[3:5]["Image"].shape == (2, ds.height, ds.width, 3)
        for _, batch in ds.batches(8): assert batch.shape[1:] == (ds.height, ds.width, 3)
        assert pickle.loads(pickle.dumps(ds)).rotate == rotate


@pytest.mark.parametrize("rotate", [45, -90, 360, 90., True, "90", None])
def test_another_angle_is_refused(written, rotate):
    with pytest.raises(ValueError, match="is not 0, 90, 180 or 270"): VideoDataset(written("plain"), rotate=rotate)


def test_a_result_says_how_its_video_is_opened(written):
    xr = pytest.importorskip("xarray")
    for arguments, rotate in (('{"rotate": 90}', 90), ('{"skip_frames": 2}', 0), ("not JSON", 0), ("[]", 0)):
        assert video.open_video_of(xr.Dataset(attrs={"arguments": arguments}), written("plain")).rotate == rotate
    assert video.open_video_of(xr.Dataset(), written("plain")).rotate == 0


@pytest.mark.parametrize("codec, suffix", [("libx265", "heic"), ("libsvtav1", "avif")])
def test_photographs_in_tiles_are_refused_and_whole_ones_read(folder, codec, suffix):
    for rows, columns, thumbnail in ((2, 2, False), (2, 3, True)):
        path = clips.write_photograph(folder / f"tiles.{suffix}", rows, columns, codec, thumbnail)
        with pytest.raises(ValueError) as error: VideoDataset(path)
        assert f"stored in {rows * columns} tiles" in str(error.value) and "save it as JPEG" in str(error.value) and "\n" not in str(error.value)
    for thumbnail in (False, True):
        ds, pictures, said = read(clips.write_photograph(folder / f"whole.{suffix}", codec=codec, thumbnail=thumbnail))
        assert [clips.number_of(i) for i in pictures] == [0] and said == []


# Time

@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_picture_that_starts_after_the_sound(folder, suffix):
    late = clips.write_clip(folder / f"late.{suffix}", ticks=range(21, 69), sound=True, options=dict(bf=0))
    ds = VideoDataset(late)
    assert ds.start_time == pytest.approx(.84, abs=.07) and ds.time[0] == 0 and ds.damage is None
    assert VideoDataset(clips.write_clip(folder / f"prompt.{suffix}", sound=True, options=dict(bf=0))).start_time == pytest.approx(0, abs=.07)


@pytest.mark.parametrize("suffix, arguments, words", [
    ("avi", dict(codec="mpeg4"), "48 frames are announced, "), ("mkv", {}, "it is to end at 1.9"), ("webm", dict(codec="libvpx"), "it is to end at 1.9"),
    ("mp4", dict(mux=dict(movflags="frag_keyframe+empty_moov")), "bytes are missing at its end")])
def test_every_kind_of_file_that_lacks_bytes_is_cut_short(folder, suffix, arguments, words):
    path = clips.write_clip(folder / f"lacking.{suffix}", **arguments)
    whole = path.read_bytes()
    assert read(path)[2] == [] and read(path)[0].damage is None
    path.write_bytes(whole[:int(len(whole) * .8)])
    with pytest.warns(UserWarning, match=f"lacking.{suffix} is cut short: "): ds = VideoDataset(path)
    assert words in ds.damage and len(ds) < 48


# Colour

HD, SD = (1280, 720), (640, 360)
COLOUR = 199, 60, 60


def _untagged(folder, size, space, pix_fmt="yuv420p", codec="libx264", options=None, name="untagged.mkv"):
    "One frame of `COLOUR`, encoded with the matrix `space` (1: BT.709, 5: BT.601) and no tag."
    path = folder / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or dict(crf="5"))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        frame = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), COLOUR, np.uint8), format="rgb24")
        frame = frame.reformat(format=pix_fmt, dst_colorspace=space, dst_color_range=1)
        frame.colorspace, frame.color_range = 2, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container: assert next(container.decode(video=0)).colorspace in (2, 5 * (codec == "libvpx"))
    return path


@pytest.mark.parametrize("size, space", [(HD, 1), ((720, 1280), 1), ((1280, 532), 1), (SD, 5), ((720, 576), 5)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_without_a_tag_the_size_tells_the_colours(folder, size, space, pix_fmt):
    for other in (1, 5):
        wrong = np.abs(VideoDataset(_untagged(folder, size, other, pix_fmt))[0]["Image"].numpy().astype(int) - COLOUR).max()
        assert (wrong <= 4) == (other == space), (other, wrong)


def test_formats_that_know_their_colours_are_not_guessed(folder):
    "VP8 and JPEG have one matrix whatever their size; RGB and gray have none."
    assert np.abs(VideoDataset(_untagged(folder, HD, 5, codec="libvpx", options=dict(crf="4", b="20M"), name="vp8.webm"))[0]["Image"].numpy().astype(int) - COLOUR).max() <= 4
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    Image.fromarray(np.full((720, 1280, 3), COLOUR, np.uint8)).save(folder / "large.jpg", quality=95)
    assert np.abs(VideoDataset(folder / "large.jpg")[0]["Image"].numpy().astype(int) - COLOUR).max() <= 4
    def flat(number, width, height): return np.full((height, width, 3), COLOUR, np.uint8)
    rgb = VideoDataset(clips.write_clip(folder / "rgb.mov", codec="png", pix_fmt="rgb24", count=1, size=HD, draw=flat))
    assert (rgb[0]["Image"].numpy() == COLOUR).all()
    gray = VideoDataset(clips.write_clip(folder / "gray.mkv", codec="ffv1", pix_fmt="gray", count=1, size=HD))
    assert clips.number_of(gray[0]["Image"]) == 0 and np.ptp(gray[0]["Image"].numpy(), axis=2).max() == 0


@pytest.mark.parametrize("curve, white", [(18, .75), (16, .5806889)])
def test_hdr_becomes_ordinary_colours(folder, curve, white):
    "Paper white is near white, gray stays gray, and the colours of BT.2020 become stronger in BT.709."
    signals = [(white,) * 3, (white / 2,) * 3, (.7 * white, .5 * white, .5 * white)]
    def draw(number, width, height): return np.full((height, width, 3), np.round(np.array(signals[number]) * 255), np.uint8)
    path = clips.write_clip(folder / f"hdr_{curve}.mkv", codec="libx265", pix_fmt="yuv420p10le", count=3, draw=draw, colour=(9, 1), hdr=(curve, 9), options={"crf": "4"})
    ds, pictures, said = read(path)
    first, second, third = (i[24, 32].astype(int) for i in pictures)
    assert len(said) == 1 and "HDR" in said[0] and "video_colour" in ds.facts()
    assert 236 <= first.min() and first.max() <= 246 and np.ptp(first) <= 2 >= np.ptp(second) and second.max() < 120
    with av.open(str(path)) as container: pale = [f.to_ndarray(format="rgb24")[24, 32].astype(int) for f in container.decode(video=0)][2]
    assert third[0] / third[1] > 1.1 * pale[0] / pale[1]
