"""Small clips with a known picture in every frame, written with PyAV.

Each frame shows its own number as twelve black or white blocks under a fixed first row, so that a frame
in the wrong place, turned or mirrored is found out even after lossy coding.
`CLIPS` names one recipe for each property that can go wrong; `write_recipe("b_frames", folder)` writes it.
"""
import contextlib
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FIRST_ROW = (1, 0, 0, 1, 1, 0)  # is not its own mirror image in any direction
ROWS, COLUMNS = 3, 6            # the first row, then 12 bits
X265 = "log-level=none:pools=none:frame-threads=1"  # with threads, one of twelve encoders of a single frame loses it at the end


def picture(number, width=64, height=48):
    "An RGB picture (height, width, 3) that shows `number`, 0 to 4095, as blocks."
    bits = [*FIRST_ROW, *(number >> k & 1 for k in range(12))]
    cells = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 215 + 20
    rows, columns = np.arange(height) * ROWS // height, np.arange(width) * COLUMNS // width
    return np.repeat(cells[rows][:, columns, None], 3, 2)


def number_of(image):
    "The number that a picture (height, width, 3) shows; ValueError if it is no such picture or is turned."
    image = np.asarray(image).astype(float).mean(2)
    height, width = image.shape
    middle = lambda size, parts: ((np.arange(parts) + .5) * size / parts).astype(int)
    blocks = np.stack([image[middle(height, ROWS) + y][:, middle(width, COLUMNS) + x]
                       for y in (-2, 0, 2) for x in (-2, 0, 2)]).mean(0)
    bits = (blocks > 128).astype(int).ravel()
    if tuple(bits[:COLUMNS]) != FIRST_ROW: raise ValueError(f"the first row shows {bits[:COLUMNS]}, not {FIRST_ROW}")
    return int(sum(bit << k for k, bit in enumerate(bits[COLUMNS:])))


@contextlib.contextmanager
def ordinary_priority():
    "For root, SVT-AV1 makes a real-time task of the thread that calls it; whatever is started later would inherit that, and starve the machine."
    try: yield
    finally:
        if hasattr(os, "sched_setscheduler"): os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@ordinary_priority()
def write_clip(path, codec="libx264", pix_fmt="yuv420p", count=48, size=(64, 48), rate=25, gop=12, options=None,
               ticks=None, time_base=None, turn=None, draw=picture, colour=None, mux=None, sound=False, pixel=None, hdr=None,
               first=0):
    """Write `count` frames to `path` and return it.

    `ticks`: presentation time of each frame in units of `time_base` (default: n at `rate`); `turn`: arguments
    of `set_display_rotation`; `draw(number, width, height)`: the RGB or RGBA picture; `colour`: (colorspace, range)
    tags; `mux`: options of the container; `sound`: add a silent audio stream; `pixel`: width of a pixel divided by its
    height; `hdr`: (transfer, primaries) tags; `first`: the number that the first frame shows.
    """
    time_base = Fraction(time_base or Fraction(1, rate))
    ticks = range(count) if ticks is None else ticks
    options = {k: str(v) for k, v in (options or {}).items()}
    alone = "bframes=0" if count == 1 else None  # else the time of a single picture is read where nothing was written
    if codec == "libx265": options["x265-params"] = ":".join(filter(None, [options.get("x265-params"), X265, alone]))
    with av.open(str(path), "w", options=mux or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base, stream.codec_context.gop_size = time_base, gop
        if colour: stream.codec_context.colorspace, stream.codec_context.color_range = colour
        if pixel: stream.codec_context.sample_aspect_ratio = Fraction(pixel)
        if hdr: stream.codec_context.color_trc, stream.codec_context.color_primaries = hdr
        if turn: stream.set_display_rotation(**turn)
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for number, tick in zip(range(count), ticks):
            drawn = draw(first + number, *size)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="rgba" if drawn.shape[2] == 4 else "rgb24")
            if colour: frame = frame.reformat(format=pix_fmt, dst_colorspace=colour[0], dst_color_range=colour[1])
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        if sound: _add_silence(container, audio, count / rate)
        container.mux(stream.encode(None))
    return Path(path)


def write_changing(path, kinds, count=10, **arguments):
    "Write a bare stream in which every `count` frames are encoded anew, with the arguments of `write_clip` that `kinds` give."
    path, whole = Path(path), b""
    for k, kind in enumerate(kinds):
        part = write_clip(path.with_stem(f"{path.stem}_{k}"), count=count, first=k * count, **arguments, **kind)
        whole += part.read_bytes()
        part.unlink()
    path.write_bytes(whole)
    return path


def _box(kind, *parts):
    "A box of an MP4 or HEIF file."
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full_box(kind, *parts, version=0): return _box(kind, struct.pack(">I", version << 24), *parts)


def _still(folder, codec, number):
    "(box that configures the decoder, packet) of one picture of 64 x 48 pixels."
    options = {} if codec == "libx265" else {"preset": 10}
    path = write_clip(Path(folder) / f"tile_{number}.mp4", codec=codec, count=1, first=number, options=options)
    data, name = path.read_bytes(), b"hvcC" if codec == "libx265" else b"av1C"
    place = data.index(name) - 4
    with av.open(str(path)) as container: packet = next(bytes(p) for p in container.demux(video=0) if p.size)
    return data[place:place + struct.unpack(">I", data[place:place + 4])[0]], packet


def write_photograph(path, rows=1, columns=1, codec="libx265", thumbnail=False):
    "Write a HEIC or AVIF photograph of `rows` x `columns` tiles of 64 x 48 pixels (one: no grid); tile k shows the number k."
    kind, brand = (b"hvc1", b"heic") if codec == "libx265" else (b"av01", b"avif")
    count, grid = rows * columns, 100
    tiles = [_still(Path(path).parent, codec, k) for k in range(count)]
    packets = [packet for _, packet in tiles] + [tiles[0][1]] * thumbnail
    items, main = list(range(1, len(packets) + 1)), grid if count > 1 else 1
    size = 64 * columns, 48 * rows
    layout = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    info = [_full_box(b"infe", struct.pack(">HH4sx", i, 0, kind), version=2) for i in items]
    links = [struct.pack(">HBBB", i, 2, 0x81, 2) for i in items]
    uses = []
    if count > 1:
        info.append(_full_box(b"infe", struct.pack(">HH4sx", grid, 0, b"grid"), version=2))
        links.append(struct.pack(">HBB", grid, 1, 3))
        uses.append(_box(b"dimg", struct.pack(f">HH{count}H", grid, count, *items[:count])))
    if thumbnail: uses.append(_box(b"thmb", struct.pack(">HHH", items[-1], 1, main)))
    extents = [_full_box(b"ispe", struct.pack(">II", *pixels)) for pixels in ((64, 48), size)]
    properties = _box(b"iprp", _box(b"ipco", tiles[0][0], *extents), _full_box(b"ipma", struct.pack(">I", len(links)), *links))
    start = _box(b"ftyp", brand, bytes(4), b"mif1", brand)

    def meta(place):
        places = []
        for item, packet in zip(items, packets):
            places.append(struct.pack(">HHHHII", item, 0, 0, 1, place, len(packet)))
            place += len(packet)
        if count > 1: places.append(struct.pack(">HHHHII", grid, 1, 0, 1, 0, len(layout)))
        return _full_box(b"meta", _full_box(b"hdlr", struct.pack(">I4s13x", 0, b"pict")), _full_box(b"pitm", struct.pack(">H", main)),
                         _full_box(b"iloc", struct.pack(">HH", 0x4400, len(places)), *places, version=1),
                         _full_box(b"iinf", struct.pack(">H", len(info)), *info), _full_box(b"iref", *uses), properties, _box(b"idat", layout))
    Path(path).write_bytes(start + meta(len(start) + len(meta(0)) + 8) + _box(b"mdat", *packets))
    return Path(path)


def _add_silence(container, stream, seconds):
    "Encode `seconds` of silence at 16 kHz."
    for n in range(0, int(seconds * 16000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, n, Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_sound(path, seconds=1., cover=False):
    "Write a file that holds audio only, on request with a picture of its cover; return its path."
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        if cover:
            image = container.add_stream("mjpeg", rate=1)
            image.width, image.height, image.pix_fmt, image.disposition = 64, 48, "yuvj420p", av.stream.Disposition.attached_pic
            container.mux(image.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")))
            container.mux(image.encode(None))
        _add_silence(container, stream, seconds)
    return Path(path)


def remux(path, copy_to, change):
    "Copy the packets of a clip without encoding; `change(number, data, pts)` gives the new data and timestamp of each."
    with av.open(str(path)) as source, av.open(str(copy_to), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            data, pts = change(number, bytes(packet), packet.pts)
            changed = av.Packet(data)
            changed.pts = changed.dts = pts
            changed.time_base, changed.stream, changed.is_keyframe = packet.time_base, stream, packet.is_keyframe
            target.mux(changed)
    return Path(copy_to)


def _turned(quarters, mirrored=False):
    "A drawing that looks like `picture` after a player has turned it by `quarters` of a circle and mirrored it."
    def draw(number, width, height):
        shown = picture(number, *((height, width) if quarters % 2 else (width, height)))
        return np.rot90(shown[:, ::-1] if mirrored else shown, -quarters)
    return draw


_VARIED = np.cumsum([40, 40, 41, 80, 13, 27, 200, 33, 34, 33, 500, 40] * 4).tolist()  # ms
CLIPS = {
    "plain": ("mp4", dict(options=dict(bf=0))),
    "b_frames": ("mp4", dict(options=dict(bf=3, x264opts="b-pyramid=normal:b-adapt=0"))),
    "b_frames_sound": ("mp4", dict(options=dict(bf=3), sound=True)),
    "long_gop": ("mp4", dict(count=120, gop=1000, options=dict(bf=2, sc_threshold=0))),
    "open_gop": ("mp4", dict(options=dict(bf=3, x264opts="open-gop=1:scenecut=0:b-adapt=0"))),
    "intra_refresh": ("mp4", dict(count=90, gop=15, options=dict(bf=0, x264opts="intra-refresh=1:scenecut=0"))),
    "intra_refresh_fast": ("mov", dict(count=77, options=dict(bf=0, preset="ultrafast", x264opts="intra-refresh=1:scenecut=0"))),
    "varied_rate": ("mp4", dict(ticks=_VARIED, time_base=Fraction(1, 1000), options=dict(bf=2))),
    "varied_rate_mkv": ("mkv", dict(ticks=_VARIED, time_base=Fraction(1, 1000), options=dict(bf=2))),
    "late_start": ("mp4", dict(ticks=range(250, 298), options=dict(bf=2))),
    "late_start_mkv": ("mkv", dict(ticks=range(250, 298), options=dict(bf=2))),
    "turned_90": ("mp4", dict(turn=dict(degrees=90), draw=_turned(1))),
    "turned_270": ("mp4", dict(turn=dict(degrees=-90), draw=_turned(-1))),
    "turned_180": ("mov", dict(turn=dict(degrees=180), draw=_turned(2))),
    "mirrored": ("mp4", dict(turn=dict(degrees=90, hflip=True), draw=_turned(1, mirrored=True))),
    "ten_bit": ("mkv", dict(codec="libx265", pix_fmt="yuv420p10le")),
    "hevc_open_gop": ("mp4", dict(codec="libx265", options={"x265-params": "open-gop=1:bframes=4:keyint=12:min-keyint=12:scenecut=0"})),
    "prores": ("mov", dict(codec="prores_ks", pix_fmt="yuv422p10le")),
    "yuv444": ("mp4", dict(pix_fmt="yuv444p")),
    "gray": ("mkv", dict(codec="ffv1", pix_fmt="gray")),
    "gray_h264": ("mp4", dict(pix_fmt="gray")),
    "alpha": ("mov", dict(codec="png", pix_fmt="rgba")),
    "alpha_ffv1": ("mkv", dict(codec="ffv1", pix_fmt="yuva420p")),
    "odd_size": ("mp4", dict(pix_fmt="yuv444p", size=(67, 51))),
    "odd_size_420": ("mkv", dict(codec="ffv1", size=(67, 51))),
    "full_range": ("mp4", dict(codec="mjpeg", pix_fmt="yuvj420p")),
    "mpegts": ("ts", dict(options=dict(bf=2))),
    "mpegts_mpeg2": ("ts", dict(codec="mpeg2video", options=dict(bf=2, q=2))),
    "mpeg_ps": ("mpg", dict(codec="mpeg2video", options=dict(bf=2, q=2))),
    "vp8": ("webm", dict(codec="libvpx", options={"auto-alt-ref": 1, "lag-in-frames": 16, "deadline": "realtime"})),
    "vp9": ("webm", dict(codec="libvpx-vp9", options={"auto-alt-ref": 1, "lag-in-frames": 16, "deadline": "realtime", "cpu-used": 8})),
    "vp9_alpha": ("webm", dict(codec="libvpx-vp9", pix_fmt="yuva420p", options={"deadline": "realtime", "cpu-used": 8})),
    "av1": ("mp4", dict(codec="libsvtav1", options=dict(preset=10), count=30)),
    "avi": ("avi", dict(codec="mpeg4", options=dict(q=2))),
    "avi_b_frames": ("avi", dict(codec="mpeg4", options=dict(bf=2, q=2))),
    "avi_h264": ("avi", dict(options=dict(bf=3))),
    "raw_h264": ("h264", dict(options=dict(bf=2))),
    "raw_hevc": ("h265", dict(codec="libx265", options={"x265-params": "log-level=none"})),
    "fragmented": ("mp4", dict(options=dict(bf=2), mux=dict(movflags="frag_keyframe+empty_moov"))),
    "one_frame": ("mp4", dict(count=1)),
    "fps_120": ("mp4", dict(rate=120, options=dict(bf=2))),
    "interlaced": ("mp4", dict(options={"bf": 2, "flags": "+ilme+ildct", "x264opts": "tff=1"})),
    "interlaced_mpeg2": ("ts", dict(codec="mpeg2video", options=dict(bf=2, q=2, flags="+ilme+ildct"))),
}


def write_recipe(name, folder):
    "Write the clip `name` of `CLIPS` into `folder` and return its path."
    suffix, arguments = CLIPS[name]
    return write_clip(Path(folder) / f"{name}.{suffix}", **arguments)
