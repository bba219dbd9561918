"""What the command does with files as the world has them: strange, damaged, or no video at all.

Each file gives every frame with its right time and picture, or one line that names the file; never half a result.
The table of what came out is written to tests/artefacts/hostile.txt.
"""
import contextlib
import faulthandler
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

from mexca_video import FaceExtractor, check_features, cli, load, sample_image
from mexca_video.video import VideoDataset

import clips
from places import ARTEFACTS
from users import plain_user

TABLE = ARTEFACTS / "hostile.txt"
LIMIT = 60  # seconds for one file


class Case(NamedTuple):
    "One file, and what has to come of it."
    write: Callable            # folder -> path
    error: str | None = None   # words of the one line; None: frames have to come out
    whole: Callable | None = None  # writes the same file without its damage
    needed: tuple = ()         # seconds (start, end) of stretches of which no frame may be missing
    told: bool = True          # can the file itself tell that something is missing?
    times: object = None       # seconds of each frame, where PyAV does not tell them
    check: Callable | None = None  # looks at the result
    says: str = ""             # words of the one warning about a file that is sound


CASES = {}


def case(name, write, error=None, **rest): CASES[name] = Case(write, error, **rest)


def recipe(name): return lambda folder: clips.write_recipe(name, folder)


def clip(file, **arguments): return lambda folder: clips.write_clip(folder / file, **arguments)


# --- no video ---------------------------------------------------------------------------------------------------------

def holding(file, data):
    "Write a file with these bytes, or this text."
    def write(folder):
        (folder / file).write_bytes(data if isinstance(data, bytes) else data.encode())
        return folder / file
    return write


def made(file, make):
    "Let `make` put something in the place of the file."
    def write(folder):
        make(folder / file)
        return folder / file
    return write


def playlist(folder):
    "A text that names another video."
    clips.write_recipe("mpegts", folder)
    return holding("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.92,\nmpegts.ts\n#EXT-X-ENDLIST\n")(folder)


def concatenation(folder):
    clips.write_recipe("plain", folder)
    return holding("list.mp4", "ffconcat version 1.0\nfile plain.mp4\n")(folder)


def forbidden(folder):
    path = clips.write_recipe("plain", folder)
    path.chmod(0)
    return path


case("empty", holding("empty.mp4", b""), "is empty")
case("text", holding("text.mp4", "She smiles, then looks away.\n" * 40), "text.mp4")
case("subtitles", holding("subtitles.mp4", "1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n" * 9), "holds no video")
case("playlist", playlist, "list.mp4")
case("list of files", concatenation, "list.mp4")
case("random bytes", holding("random.mp4", np.random.default_rng(0).bytes(5000)), "cannot be read")
case("zeros", holding("zeros.mp4", bytes(5000)), "cannot be read")
case("sound only", lambda folder: clips.write_sound(folder / "sound.m4a"), "found: audio")
case("sound with a cover", lambda folder: clips.write_sound(folder / "cover.mp4", cover=True), "holds no video")
case("folder", made("folder.mp4", lambda path: path.mkdir()), "there is no file in this folder")
case("missing", made("missing.mp4", lambda path: None), "no such file")
case("link to nothing", made("link.mp4", lambda path: path.symlink_to("nothing.mp4")), "no such file")
case("pipe", made("pipe.mp4", lambda path: os.mkfifo(path)), "not an ordinary file")
case("no permission", forbidden, "no permission")


# --- pictures ---------------------------------------------------------------------------------------------------------

def photo(file, **options):
    return made(file, lambda path: Image.fromarray(clips.picture(5, 96, 72)).save(path, **options))


def animation(path):
    frames = [Image.fromarray(clips.picture(n)) for n in range(12)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[40, 40, 100] * 4, loop=0)


GIF_TIMES = np.cumsum([0, *([.04, .04, .1] * 4)])[:12]
case("photo, PNG", photo("photo.png"))
case("photo, JPEG", photo("photo.jpg", quality=95))
case("photo with a number in its name", photo("photo %03d.png"))
case("animated GIF", made("animated.gif", animation), times=GIF_TIMES)


# --- unusual, but whole -----------------------------------------------------------------------------------------------

FAST = dict(preset="ultrafast", bf=0)
FRAME_TIMES = np.arange(48) / 25
SIZES = (64, 48), (128, 96)
CLOCK_END = 2**33  # ticks of 1/90000 s; an MPEG clock begins anew there


def several_streams(folder):
    "Two films in one file; the first has 20 frames, the second 30."
    with av.open(str(folder / "two.mp4"), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream in streams: stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream, count, first in zip(streams, (20, 30), (0, 100)):
            for n in range(count): container.mux(stream.encode(av.VideoFrame.from_ndarray(clips.picture(first + n), format="rgb24")))
            container.mux(stream.encode(None))
    return folder / "two.mp4"


def pieces(folder, suffix, sizes):
    "Clips of 24 frames, of which each goes on where the one before ends."
    return [clips.write_clip(folder / f"piece{k}{suffix}", count=24, size=size, ticks=range(24 * k, 24 * k + 24), options=FAST,
                             draw=lambda n, w, h, k=k: clips.picture(24 * k + n, w, h)) for k, size in enumerate(sizes)]


def joined(file, *sizes):
    "Copy the bytes of several pieces behind each other."
    def write(folder):
        parts = pieces(folder, Path(file).suffix, sizes)
        (folder / file).write_bytes(b"".join(part.read_bytes() for part in parts))
        for part in parts: part.unlink()
        return folder / file
    return write


def muxed(file, *sizes):
    "Put several pieces into one MPEG-TS, as when the picture of a broadcast changes its size."
    def write(folder):
        parts, stream = pieces(folder, ".ts", sizes), None
        with av.open(str(folder / file), "w") as target:
            for part in parts:
                with av.open(str(part)) as source:
                    stream = stream or target.add_stream_from_template(source.streams.video[0])
                    for packet in source.demux(video=0):
                        if packet.size:
                            packet.stream = stream
                            target.mux(packet)
        for part in parts: part.unlink()
        return folder / file
    return write


def coarse(folder):
    "Pairs of frames share a timestamp."
    return clips.remux(clips.write_recipe("vp8", folder), folder / "coarse.webm", lambda number, data, pts: (data, pts // 80 * 80))


for name in ("b_frames_sound", "long_gop", "open_gop", "varied_rate", "varied_rate_mkv", "late_start", "late_start_mkv", "turned_90", "turned_180", "ten_bit", "gray", "gray_h264",
             "alpha", "vp9_alpha", "odd_size", "odd_size_420", "mpegts", "mpeg_ps", "vp9", "av1", "avi", "fragmented", "one_frame", "fps_120", "interlaced", "interlaced_mpeg2"):
    case(name, recipe(name))
for name in ("avi_b_frames", "raw_h264"): case(f"no timestamps: {name}", recipe(name), times=FRAME_TIMES)
case("equal timestamps", coarse)
case("negative timestamps, cut by an edit", clip("edited.mp4", gop=200, ticks=range(-10, 38), options=dict(bf=2), mux=dict(avoid_negative_ts="disabled")))
case("negative timestamps, shown", clip("negative.mkv", ticks=range(-30, 18), options=FAST, mux=dict(avoid_negative_ts="disabled")), times=FRAME_TIMES)
case("clock begins anew", clip("clock.ts", ticks=range(CLOCK_END - 20 * 3600, CLOCK_END + 28 * 3600, 3600), time_base=Fraction(1, 90000), options=FAST), times=FRAME_TIMES)
case("several streams", several_streams, says="film 1 of 2 is read")
case("size changes, bare", joined("grows.h264", *SIZES), times=FRAME_TIMES, says="scaled to 128x96")
case("size changes, MPEG-TS", muxed("grows.ts", *SIZES), says="scaled to 128x96")
case("16x16", clip("tiny.mp4", size=(16, 16), count=5))
case("2x2", clip("dot.mp4", size=(2, 2), count=2))
case("4000x40", clip("strip.mp4", size=(4000, 40), count=2, options=FAST))
case("4K", clip("large.mp4", size=(3840, 2160), count=2, options=FAST))


# --- damaged ----------------------------------------------------------------------------------------------------------

def cut(write, share):
    "Keep the first part of a file."
    def damaged(folder):
        path = write(folder)
        path.write_bytes(path.read_bytes()[:int(path.stat().st_size * share)])
        return path
    return damaged


def packets_of(path):
    with av.open(str(path)) as container: return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def flipped(write, first, last):
    "Flip bits in the middle of packets number `first` to `last`."
    def damaged(folder):
        path = write(folder)
        data = bytearray(path.read_bytes())
        for position, size in packets_of(path)[first:last + 1]:
            for k in range(size // 3, size, 5): data[position + k] ^= 0x5a
        path.write_bytes(data)
        return path
    return damaged


def without(write, share, count):
    "Take `count` bytes out."
    def damaged(folder):
        path = write(folder)
        data = path.read_bytes()
        here = int(len(data) * share) // 188 * 188
        path.write_bytes(data[:here] + data[here + count:])
        return path
    return damaged


def followed_by_rubbish(folder):
    path = clips.write_recipe("plain", folder)
    path.write_bytes(path.read_bytes() + np.random.default_rng(1).bytes(9000))
    return path


def noise(number, width, height): return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def busy(number, width, height):
    "The number, in a picture with enough detail that each packet has a middle."
    return (clips.picture(number, width, height) * .8 + noise(number, width, height) * .19).astype(np.uint8)


def damaged(name, damage, whole, *arguments, **rest): case(name, damage(whole, *arguments), whole=whole, **rest)


FRONT = clip("front.mp4", draw=busy, options=FAST, mux=dict(movflags="faststart"))
BUSY_MP4, BUSY_MKV, BUSY_TS, BUSY_AVI = (clip(f"busy.{suffix}", draw=busy, options=FAST) for suffix in ("mp4", "mkv", "ts", "avi"))
BUSY_B = clip("busy_b.mp4", draw=busy, options=dict(bf=3, preset="veryfast"))
BUSY_HEVC = clip("busy_hevc.mp4", codec="libx265", draw=busy, options={"x265-params": "bframes=0:keyint=12:min-keyint=12:scenecut=0", "preset": "ultrafast"})
BUSY_WEBM = clip("busy.webm", codec="libvpx", draw=busy, options={"deadline": "realtime", "cpu-used": 8})

case("index cut off", cut(BUSY_MP4, .7), "cannot be read")
damaged("half of an MP4", cut, FRONT, .5, needed=[(0, .7)])
damaged("half of a Matroska", cut, BUSY_MKV, .5, needed=[(0, .7)])
damaged("half of a WebM", cut, BUSY_WEBM, .5, needed=[(0, .3)])
damaged("half of an AVI", cut, BUSY_AVI, .5, needed=[(0, .7)])
damaged("half of an MPEG-TS", cut, BUSY_TS, .5, needed=[(0, .7)], told=False)
damaged("half of a fragmented MP4", cut, clip("parts.mp4", draw=busy, options=FAST, mux=dict(movflags="frag_keyframe+empty_moov")), .5, needed=[(0, .4)], told=False)
for suffix, whole in (("MP4", BUSY_MP4), ("MP4, B-frames", BUSY_B), ("Matroska", BUSY_MKV), ("MPEG-TS", BUSY_TS), ("AVI", BUSY_AVI), ("H.265", BUSY_HEVC)):
    damaged(f"bits flipped, {suffix}", flipped, whole, 20, 22, needed=[(0, .47), (1.45, 2)])
damaged("bits flipped, AVI with B-frames", flipped, clip("busy_b.avi", draw=busy, options=dict(bf=3, preset="veryfast")), 20, 22, needed=[(0, .47), (1.45, 2)], times=FRAME_TIMES)
damaged("bits flipped, bare H.264", flipped, clip("busy.h264", draw=busy, options=FAST | dict(preset="veryfast")), 20, 22, needed=[(0, .47), (1.45, 2)], times=FRAME_TIMES)
damaged("first packet flipped", flipped, BUSY_MP4, 0, 0, needed=[(.97, 2)])
damaged("last packet flipped", flipped, BUSY_MP4, 47, 47, needed=[(0, 1.8)])
damaged("bytes missing in MPEG-TS", without, BUSY_TS, .5, 188 * 20, needed=[(0, .4), (1.5, 2)])
damaged("joined by copying, MPEG-TS", lambda whole: joined("joined.ts", (64, 48), (64, 48)), muxed("whole.ts", (64, 48), (64, 48)), needed=[(0, .87), (.96, 2)])
damaged("bytes missing in Matroska", without, BUSY_MKV, .5, 3000, needed=[(0, .4)])
case("every packet flipped", flipped(BUSY_MP4, 0, 47), "not one of its 48")
case("rubbish at the end", followed_by_rubbish)


# --- faces ------------------------------------------------------------------------------------------------------------

FACE = np.asarray(Image.fromarray(sample_image("surprise")[60:500, 90:430]).resize((100, 130)))


def crowd(number, width, height): return np.asarray(Image.fromarray(np.tile(FACE, (10, 10, 1))).resize((width, height)))


def scene(*places):
    "Gray pictures with the face at the given places (x, y), which may reach over the edge."
    def draw(number, width, height):
        canvas = Image.new("RGB", (width, height), (90, 90, 90))
        for place in places: canvas.paste(Image.fromarray(FACE), place)
        return np.asarray(canvas)
    return draw


def interrupted(number, width, height): return scene((100, 30))(number, width, height) if number not in (10, 11, 12) else scene()(number, width, height)


def nobody(ds): assert ds.n_detected.sum() == 0 and ds.sizes["face"] == 0


def hundred(ds): assert (ds.n_detected >= 95).all() and ds.face_box.notnull().any("box_edge").sum() == ds.n_detected.sum()


def at_the_edge(ds):
    assert (ds.n_detected >= 1).all()
    assert (ds.face_box.sel(box_edge="x1") < 0).any()


def one_gap(ds):
    assert ds.frame.values[ds.n_detected == 0].tolist() == [10, 11, 12]
    assert ds.sizes["face"] == 1 and int(ds.face_label.notnull().sum()) == 21


def film(file, count, size, draw, **options): return clip(file, count=count, size=size, draw=draw, options=dict(crf=12, preset="ultrafast") | options)


case("black", clip("black.mp4", count=5, size=(320, 240), draw=lambda n, w, h: np.zeros((h, w, 3), np.uint8)), check=nobody)
case("noise", film("noise.mp4", 5, (320, 240), noise))
case("a hundred faces", film("crowd.mp4", 1, (800, 1040), crowd), check=hundred)
case("faces over the edge", film("edge.mp4", 3, (320, 240), scene((-30, 40), (250, 150))), check=at_the_edge)
case("one gap", film("gap.mp4", 24, (320, 200), interrupted), check=one_gap)


# --- names ------------------------------------------------------------------------------------------------------------

def renamed(name, write=recipe("one_frame")): return lambda folder: write(folder).rename(folder / name)


def not_utf8(folder): return Path(os.fsdecode(os.path.join(os.fsencode(folder), b"caf\xe9.mp4")))


NAMES = {"spaces": " two  people .mp4", "Unicode": "Zoë 和 Ωmega 🙂.mp4", "quotes": "it's \"so\" `odd`.mp4", "a newline": "first\nsecond.mp4", "signs": "100% #1 [a]?&=*.mp4",
         "an address": "http:x:y.mp4", "a dash": "-o.mp4", "no suffix": "recording", "only a suffix": ".mp4", "many letters": "a" * 248 + ".mp4", "many Chinese letters": "视" * 80 + ".mp4"}
for name, file in NAMES.items(): case(f"name: {name}", renamed(file))
case("name: not UTF-8", lambda folder: recipe("one_frame")(folder).rename(not_utf8(folder)), "UTF-8")
case("name of a text: a newline", holding("first\nsecond.mp4", "no video"), "second.mp4")
case("name of a text: Unicode", holding("Zoë 🙂.mp4", "no video"), "Zoë 🙂.mp4")


# --- the command ------------------------------------------------------------------------------------------------------

class Stopped(BaseException): "It took too long."


@contextlib.contextmanager
def time_limit(seconds):
    if not hasattr(signal, "setitimer"):
        yield
        return
    def stop(*_): raise Stopped(f"more than {seconds} s")
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    try: yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def extractor():
    "With its models loaded, because a first download shows a bar."
    extractor = FaceExtractor.embedded()
    extractor.detector, extractor.encoder, extractor.extractor
    return extractor


@pytest.fixture(scope="module")
def table():
    rows = []
    yield rows
    TABLE.parent.mkdir(exist_ok=True)
    lines = [f"{'what':36} {'file':28} {'frames':>6} {'out':>4} {'s':>5}  what came out"]
    lines += [f"{what:36} {file[:28]:28} {there!s:>6} {out:4} {seconds:5.1f}  {words}" for what, file, there, out, seconds, words in rows]
    TABLE.write_text("\n".join(lines) + "\n", "utf-8", errors="backslashreplace")
    print(f"\n{len(rows)} files, {sum(row[4] for row in rows):.0f} s in the command: {TABLE}")


SUMMARY = re.compile(r": \d+ frames?, \d+ faces?, \d+ (people|person)")  # the line that each file gets


class Came(NamedTuple):
    "What one call of the command left behind."
    status: int
    out: str
    err: str
    warned: list     # texts of the warnings
    handed: list     # (frame, time, picture) given to the detector
    files: list      # in the output folder
    seconds: float


@pytest.fixture
def command(extractor, monkeypatch, capfd):
    "Call `extract-faces` with models that are loaded once; see which pictures it looks at."
    handed, batches = [], VideoDataset.batches
    def watched(self, *args, **kwargs):
        for where, images in batches(self, *args, **kwargs):
            handed.extend(zip(self.video_frames[where], self.time[where], images))
            yield where, images
    monkeypatch.setattr(VideoDataset, "batches", watched)
    monkeypatch.setattr(cli, "_make_extractor", lambda args: extractor)
    def call(path, outdir):
        capfd.readouterr()
        began = time.time()
        with time_limit(LIMIT): status = cli.cli(["-f", str(path), "-o", str(outdir), "--embedded", "--show-progress", "false"])
        files, (out, err) = sorted(p.name for p in outdir.iterdir()) if outdir.exists() else [], capfd.readouterr()
        warned = [line for line in err.splitlines() if not SUMMARY.search(line)] if status == 0 else []
        return Came(status, out, err, warned, handed, files, time.time() - began)
    return call


@pytest.fixture
def places():
    "Two folders that everybody may enter: for the file and for the result."
    root = Path(tempfile.mkdtemp())
    for name in ("in", "out", "whole"): (root / name).mkdir()
    for folder in (root, *root.iterdir()): folder.chmod(0o777)
    yield root / "in", root / "out", root / "whole"
    shutil.rmtree(root)


def in_colour(frame):
    "RGB of a frame; without a tag, high definition is BT.709 (1)."
    large = frame.colorspace == 2 and (frame.width >= 1280 or frame.height >= 720)
    return frame.to_ndarray(format="rgb24", src_colorspace=1 if large else None)


def plainly(path):
    "All frames as PyAV decodes them, in the order in which they are shown: (seconds or None, picture)."
    with av.open(f"file:{path}") as container:
        frames = [(f.pts, f.time_base, np.rot90(in_colour(f), f.rotation // 90)) for f in container.decode(video=0)]
    if any(pts is None for pts, *_ in frames): return [(None, picture) for *_, picture in frames]
    first = frames[0][0]
    return [(float((pts - first) * base), picture) for pts, base, picture in frames]


def unnoticed(path, times):
    "Frames (numbers in the whole file) up to which FFmpeg itself sees no damage in their group of 12."
    sound = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            with contextlib.suppress(av.FFmpegError): sound += [f.time for f in packet.decode() if not f.is_corrupt]
    if None in sound: return set(range(len(times))) if len(sound) == len(times) else set()
    first = min(sound)
    there = [min(abs(seconds + first - t) for t in sound) < 2e-3 for seconds in times]
    return {n for n in range(len(times)) if all(there[n // 12 * 12:n + 1])}


def same(image, wanted):
    "Do two pictures show the same? If their sizes differ, the same number?"
    if image.shape == wanted.shape: return np.array_equal(image, wanted)
    return clips.number_of(image) == clips.number_of(wanted)


# --- what is checked --------------------------------------------------------------------------------------------------

def check_refusal(found, came, path):
    "Non-zero, one line that names the file, and nothing written."
    assert came.status not in (0, None) and came.out == "" and came.files == []
    lines = came.err.splitlines()
    assert "Traceback" not in came.err and lines[0].startswith("extract-faces: ") and len(lines) <= 2, came.err
    shown = " ".join(path.name.encode(errors="replace").decode().split())
    assert sum(shown in line for line in lines) == 1 and found in lines[-1], came.err


def check_result(came, path, outdir):
    "One complete file and its name on standard output; returns the Dataset."
    assert came.status == 0 and all(line.startswith("extract-faces: ") and ascii(path.name)[1:-1] in ascii(line) for line in came.warned), came.err
    assert came.files == [f"{path.stem}.nc"] and came.out == f"{outdir / path.stem}.nc\n"
    ds = load(outdir / came.files[0])
    assert ds.frame.values.tolist() == [frame for frame, *_ in came.handed] and ds.time.values.tolist() == [seconds for _, seconds, _ in came.handed]
    if came.handed: assert came.handed[0][2].shape[:2] == (ds.attrs["video_height"], ds.attrs["video_width"])
    assert check_features(ds) == []
    return ds


def check_all_frames(ds, came, plain, times, says):
    "Every frame, at its time, with its picture; nobody warns, but for what `says` announces."
    assert ds.frame.values.tolist() == list(range(len(plain)))
    np.testing.assert_allclose(ds.time.values, [seconds for seconds, _ in plain] if times is None else times, atol=1e-9)
    for (frame, _, image), (_, wanted) in zip(came.handed, plain, strict=True): assert same(image, wanted), f"frame {frame} is another picture"
    assert len(came.warned) == bool(says) and all(says in text for text in came.warned) and "video_damage" not in ds.attrs


def check_damaged(ds, came, whole, case, path):
    "Nothing wrong, nothing kept back, and a word about what is missing. Returns what FFmpeg did not notice, in words."
    times, given = np.array([seconds for seconds, _ in whole] if case.times is None else case.times), ds.time.values
    nearest = np.abs(times - given[:, None]).argmin(1)
    np.testing.assert_allclose(given, times[nearest], atol=2e-3)
    wrong = [int(n) for (*_, image), n in zip(came.handed, nearest) if not same(image, whole[n][1])]
    assert set(wrong) <= unnoticed(path, times), f"these frames show another picture: {wrong}"
    needed = {n for n, seconds in enumerate(times) if any(start <= seconds < end for start, end in case.needed)}
    assert needed <= set(nearest.tolist()), f"kept back: {sorted(needed - set(nearest.tolist()))}"
    if len(given) < len(whole) and case.told:
        assert any(ds.attrs["video_file"] in text for text in came.warned) and ds.attrs["video_damage"], (came.warned, ds.attrs.get("video_damage"))
    return f"; {len(wrong)} wrong pictures that FFmpeg takes for sound" if wrong else ""


def outcome(came, outdir, whole):
    "The number of frames in the result, and what was said."
    rows = load(outdir / came.files[0]).sizes["frame"] if came.status == 0 and came.files else 0
    said = came.err.partition("\n")[2] or "; ".join(dict.fromkeys(came.warned)) or ("nothing is said" if whole else "as it should be")
    return rows, " ".join(said.replace(f"{outdir.parent}/", "").split())[:170]


@pytest.mark.parametrize("what", [pytest.param(what, marks=[pytest.mark.slow] * (what == "4K")) for what in CASES])
def test_file(what, command, places, table):
    case, (folder, outdir, other) = CASES[what], places
    if what == "pipe" and not hasattr(os, "mkfifo"): pytest.skip("this system has no named pipes")
    path = case.write(folder)
    before = sorted(folder.iterdir())
    with plain_user() if what == "no permission" else contextlib.nullcontext(): came = command(path, outdir)
    plain = [] if case.error else plainly(case.whole(other) if case.whole else path)
    rows, said = outcome(came, outdir, case.whole)
    table.append(row := [what, ascii(path.name)[1:-1], len(plain) or "-", rows, came.seconds, said])
    assert sorted(folder.iterdir()) == before
    if case.error: return check_refusal(case.error, came, path)
    ds = check_result(came, path, outdir)
    if case.whole: row[-1] += check_damaged(ds, came, plain, case, path)
    else: check_all_frames(ds, came, plain, case.times, case.says)
    if case.check: case.check(ds)


def test_no_temporary_file_stays_open(extractor, tmp_path):
    path = clips.write_recipe("one_frame", tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        extractor.apply(str(path), show_progress=False)
        gc.collect()
    assert [str(w.message) for w in caught if w.category is ResourceWarning] == []


READ = "import sys; from mexca_video.video import VideoDataset; print(sum(len(found) for found, _ in VideoDataset(sys.argv[1]).batches(tolerant=True)))"


def test_a_damaged_header_does_not_stop_everything(tmp_path):
    "One bit in the parameters of an H.265 film, in a process of its own, because FFmpeg's threads may wait for each other forever."
    path = clips.write_recipe("hevc_open_gop", tmp_path)
    data = bytearray(path.read_bytes())
    data[data.find(b"hvcC") + 109] ^= 1
    path.write_bytes(data)
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "Error: " in done.stderr.splitlines()[-1]


def test_there_are_enough_files(): assert len(CASES) >= 45
