"What a shared copy must keep (frames, times, sound, those who may be seen) and what it must not (faces, names, the file's own marks)."
import json
import os
import warnings
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from mexca_video.io.netcdf import load, save
from mexca_video.io.sharing import REMOVED, blur_faces, hide_box, share_safe
from mexca_video.review.corrections import rename_faces
from mexca_video.samples import demo_features
from mexca_video.schema import build_features
from mexca_video.validators import check_features
from mexca_video.video import VideoDataset

from clips import CLIPS, write_recipe
from places import SHARED

VARIED = np.cumsum([40, 40, 41, 80, 13, 27, 200, 33, 34, 33, 500, 40] * 3).tolist() # ms
RATE = 16000


def write(path, pictures, ticks=None, sound="aac", turn=0, tags=()):
    "Write RGB pictures (an iterable), at 25 frames a second or at `ticks` (ms), with a tone."
    with av.open(str(path), "w") as file:
        file.metadata.update(tags)
        stream = None
        for i, picture in enumerate(pictures):
            if stream is None:
                stream = file.add_stream("libx264", rate=25, options={"crf": "12", "bf": "2"})
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
                if turn: stream.set_display_rotation(turn)
                tone = file.add_stream(sound, rate=RATE, layout="mono") if sound else None
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = (ticks or range(0, 10**6, 40))[i], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        for at in range(0, RATE, 1024) if sound else ():
            wave = np.sin((at + np.arange(1024))*0.2).astype("f4")[None]
            one = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            one.sample_rate, one.pts, one.time_base = RATE, at, Fraction(1, RATE)
            file.mux(tone.encode(one))
        if sound: file.mux(tone.encode())
    return path


def sounds(path):
    "Each packet of sound: its bytes and its time from the first frame."
    with av.open(str(path)) as file: start = min(p.pts*p.time_base for p in file.demux(video=0) if p.pts is not None)
    with av.open(str(path)) as file: return [(bytes(p), float(p.pts*p.time_base - start)) for p in file.demux(audio=0) if p.pts is not None]


def results(path, boxes, every=1, first=0, label=True):
    "A Dataset of a clip from boxes (frame, face, 4) of all its frames."
    video = VideoDataset(str(path))
    rows = np.arange(first, len(video), every)[:len(boxes)]
    boxes = np.asarray(boxes, "f4")
    empty = lambda *shape: np.full((len(rows), boxes.shape[1], *shape), np.nan, "f4")
    there = np.isfinite(boxes).all(-1)
    labels = np.where(there, np.arange(boxes.shape[1]), np.nan) if label else empty()
    attrs = {**demo_features().attrs, "video_width": video.width, "video_height": video.height, "video_file": video.file_name, "history": ""}
    return build_features(frame=rows, time=np.asarray(video.time)[rows], attrs=attrs, face_box=boxes, face_prob=np.where(there, 1, np.nan), face_landmarks=empty(68, 2),
                          face_aus=empty(20), face_label=labels, face_confidence=empty(), n_detected=there.sum(1))


def noise(n=36, size=(96, 128)):
    "Pictures full of detail, each another."
    rng = np.random.default_rng(0)
    for _ in range(n): yield np.repeat(np.repeat(rng.integers(0, 256, (size[0]//4, size[1]//4, 3)), 4, 0), 4, 1).astype("uint8")


def picture(path, i): return VideoDataset(str(path))[i]["Image"].numpy().astype(float)


def detail(image, box):
    "Standard deviation of the differences between neighbours, in a box."
    x1, y1, x2, y2 = np.round(box).astype(int)
    return np.diff(image[y1:y2, x1:x2].mean(-1), axis=1).std()


@pytest.fixture(scope="module")
def plain(tmp_path_factory): return write(tmp_path_factory.mktemp("plain")/"plain.mp4", noise())


STILL = np.tile(np.array([[40, 30, 70, 66]], "f4"), (36, 1, 1))


@pytest.mark.parametrize("kind", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("clip", ["plain", "varied", "turned"])
def test_frames_times_and_sound_stay(tmp_path, clip, kind):
    source = write(tmp_path/f"{clip}.mp4", noise(), ticks=VARIED if clip == "varied" else None, turn=90 if clip == "turned" else 0)
    out = blur_faces(source, results(source, STILL), tmp_path/f"out{kind}")
    before, after = VideoDataset(str(source)), VideoDataset(str(out))
    assert len(after) == len(before) == 36
    assert (after.width, after.height) == (before.width, before.height)
    np.testing.assert_allclose(after.time, before.time, atol=0.0006 if kind == ".mkv" else 1e-4) # Matroska counts in ms
    assert [s for s, _ in sounds(out)] == [s for s, _ in sounds(source)]
    np.testing.assert_allclose([t for _, t in sounds(out)], [t for _, t in sounds(source)], atol=0.001)
    for i in (0, 17, 35): # each frame is the same frame, upright, except for the face
        a, b = picture(source, i), picture(out, i)
        far = np.ones(a.shape[:2], bool)
        far[15:85, 25:90] = False
        assert abs(a - b)[far].mean() < 12
        assert detail(b, (40, 30, 70, 66)) < 0.2*detail(a, (40, 30, 70, 66))
    assert sorted(os.listdir(tmp_path)) == sorted([source.name, out.name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_every_kind_of_clip(name, tmp_path):
    "Codecs, containers, odd sizes, rotated pictures: the copy has the same frames, upright, at the same times."
    clip = write_recipe(name, tmp_path)
    before = VideoDataset(str(clip))
    copy = blur_faces(clip, results(clip, np.full((len(before), 1, 4), np.nan)), tmp_path/"copy.mkv")
    after = VideoDataset(str(copy))
    assert len(after) == len(before) and after.width - before.width in (0, 1)
    assert abs(np.asarray(after.time) - np.asarray(before.time)).max() < 2e-3
    a, b = picture(clip, len(before) - 1), picture(copy, len(before) - 1)
    assert abs(a - b[:a.shape[0], :a.shape[1]]).mean() < 8


@pytest.mark.parametrize("how", ["blur", "pixelate"])
def test_six_by_six_values_are_left(how):
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (80, 100, 3)).astype("uint8") for _ in range(2))
    box = (20, 10, 80, 70)
    few = np.asarray(Image.fromarray(a[10:70, 20:80]).resize((6, 6), Image.Resampling.BOX))
    b[10:70, 20:80] = np.repeat(np.repeat(few, 10, 0), 10, 1) # another picture with the same 36 means
    outside = a.copy()
    hide_box(a, box, how, 0), hide_box(b, box, how, 0)
    np.testing.assert_array_equal(a[10:70, 20:80], b[10:70, 20:80]) # pictures with equal means cannot be told apart
    np.testing.assert_array_equal(a[:10], outside[:10])
    for beside in ((-50, -50, -10, -10), (200, 10, 220, 30)): hide_box(a, beside, how) # a box outside does nothing


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 3, 7])
def test_a_moving_face_is_hidden_between_the_processed_frames(tmp_path, plain, every):
    boxes = np.array([[[5 + 2*i, 20, 35 + 2*i, 60]] for i in range(36)], "f4")
    out = blur_faces(plain, results(plain, boxes[::every], every), tmp_path/"out.mp4", margin=0)
    last = (35//every)*every
    for i in range(last + 1):
        a, b = picture(plain, i), picture(out, i)
        assert detail(b, boxes[i, 0]) < 0.45*detail(a, boxes[i, 0]), f"frame {i} shows the face"


def test_a_face_that_is_lost_for_a_moment_stays_hidden(tmp_path, plain):
    boxes = STILL.copy()
    boxes[10:15] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = blur_faces(plain, results(plain, boxes), tmp_path/"out.mp4")
    for i in (9, 12, 15): assert detail(picture(out, i), STILL[0, 0]) < 0.2*detail(picture(plain, i), STILL[0, 0])


def test_a_long_gap_is_told(tmp_path, plain):
    boxes = STILL.copy()
    boxes[8:30] = np.nan
    with pytest.warns(UserWarning, match="Person_1 14–23"): out = blur_faces(plain, results(plain, boxes), tmp_path/"out.mp4", hold=0.25)
    assert detail(picture(out, 13), STILL[0, 0]) < 0.2*detail(picture(plain, 13), STILL[0, 0])
    assert detail(picture(out, 18), STILL[0, 0]) > 0.5*detail(picture(plain, 18), STILL[0, 0])


def test_what_was_not_analysed_is_hidden_whole(tmp_path, plain):
    part = results(plain, STILL[:4], every=3, first=9) # frames 9, 12, 15, 18
    with pytest.warns(UserWarning, match="In 24 of 36 frames of plain.mp4"): out = blur_faces(plain, part, tmp_path/"out.mp4", keep=[0])
    whole = (0, 0, 128, 96)
    for i in (0, 8, 21, 35): assert detail(picture(out, i), whole) < 0.2*detail(picture(plain, i), whole), i
    for i in (9, 14, 20): assert detail(picture(out, i), whole) > 0.5*detail(picture(plain, i), whole), i


def test_where_a_face_was_left_out_all_is_hidden(tmp_path, plain):
    boxes = np.tile(np.array([[4, 20, 34, 60], [90, 20, 120, 60]], "f4"), (36, 1, 1))
    boxes[:20, 1] = np.nan
    part = results(plain, boxes).sel(face=[0])
    with pytest.warns(UserWarning, match="In 18 of 36 frames of plain.mp4"): out = blur_faces(plain, part, tmp_path/"out.mp4", keep=[0], hold=0.1)
    for i in (18, 25, 35): assert detail(picture(out, i), boxes[35, 1]) < 0.2*detail(picture(plain, i), boxes[35, 1]), i
    for i in (0, 17): assert detail(picture(out, i), boxes[0, 0]) > 0.5*detail(picture(plain, i), boxes[0, 0]), i


def test_who_is_kept(tmp_path, plain):
    boxes = np.tile(np.array([[4, 20, 34, 60], [90, 20, 120, 60]], "f4"), (36, 1, 1))
    ds = rename_faces(results(plain, boxes), {"Person_2": "Anna"})
    visible = lambda out: [detail(picture(out, 5), box) > 0.5*detail(picture(plain, 5), box) for box in boxes[0]]
    for keep, wanted in (((), [False, False]), ("Anna", [False, True]), ([0], [True, False]), (np.int64(1), [False, True]), (["Anna", 0], [True, True])):
        assert visible(blur_faces(plain, ds, tmp_path/"out.mp4", keep=keep)) == wanted, keep
    nobody = results(plain, boxes, label=False) # faces of no known person are hidden too
    assert visible(blur_faces(plain, nobody, tmp_path/"out.mp4")) == [False, False]


def test_errors_say_what_to_do_and_leave_nothing(tmp_path, plain):
    ds, out = results(plain, STILL), tmp_path/"out.mp4"
    for call, says in ((lambda: blur_faces(plain, ds, out, keep=["Anna"]), "'Anna'.*Person_1"), (lambda: blur_faces(plain, ds, out, how="erase"), "'erase'.*blur, pixelate"),
                       (lambda: blur_faces(plain, ds, tmp_path/"out.avi"), "out.avi.*mp4"), (lambda: blur_faces(plain, ds, plain), "plain.mp4.*not overwritten"),
                       (lambda: blur_faces(plain, ds.assign_attrs(video_width=99), out), "plain.mp4.*video that was analysed"),
                       (lambda: blur_faces(plain, ds.assign_coords(frame=ds.frame + 5), out), "36 frames.*reaches frame 40")):
        with pytest.raises(ValueError, match=says): call()
    with pytest.raises(FileNotFoundError, match="missing.mp4"): blur_faces(tmp_path/"missing.mp4", ds, out)
    with pytest.raises(FileNotFoundError, match="does not exist"): blur_faces(plain, ds, tmp_path/"nowhere"/"out.mp4")
    (link := tmp_path/"link.mp4").symlink_to(plain)
    size = plain.stat().st_size
    with pytest.raises(ValueError, match="not overwritten"): blur_faces(plain, ds, link)
    assert plain.stat().st_size == size
    assert os.listdir(tmp_path) == ["link.mp4"]


def test_an_error_half_way_keeps_the_old_copy(tmp_path, plain, monkeypatch):
    out = tmp_path/"out.mp4"
    out.write_text("an older copy")
    def broken(*args): raise RuntimeError("no more space")
    monkeypatch.setattr("mexca_video.io.sharing.hide_box", broken)
    with pytest.raises(RuntimeError, match="no more space"): blur_faces(plain, results(plain, STILL), out)
    assert out.read_text() == "an older copy" and os.listdir(tmp_path) == ["out.mp4"]


def test_sound_that_does_not_fit_is_named(tmp_path):
    with av.open(str(tmp_path/"sound.mkv"), "w") as file:
        stream, sound = file.add_stream("libx264", rate=25), file.add_stream("libopus", rate=48000, layout="mono")
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        one = av.AudioFrame.from_ndarray(np.zeros((1, 960), "i2"), format="s16", layout="mono")
        one.sample_rate, one.pts, one.time_base = 48000, 0, Fraction(1, 48000)
        for picture in noise(4): file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for packets in (stream.encode(), sound.encode(one), sound.encode()): file.mux(packets)
    ds = results(tmp_path/"sound.mkv", STILL[:4])
    with pytest.raises(ValueError, match=r"out.mov.*sound.mkv \((lib)?opus\).*\.mkv"): blur_faces(tmp_path/"sound.mkv", ds, tmp_path/"out.mov")
    assert not (tmp_path/"out.mov").exists()
    assert len(VideoDataset(str(blur_faces(tmp_path/"sound.mkv", ds, tmp_path/"out.mkv")))) == 4


def test_tags_of_the_file_are_not_copied(tmp_path):
    source = write(tmp_path/"tagged.mp4", noise(4), sound=None, tags={"title": "Ben at home", "location": "+52.3702+004.8952/", "comment": "born 1970"}.items())
    with av.open(str(source)) as file: assert "Ben at home" in file.metadata.values()
    out = blur_faces(source, results(source, STILL[:4]), tmp_path/"out.mp4")
    with av.open(str(out)) as file: said = json.dumps([file.metadata, file.streams.video[0].metadata])
    for secret in ("Ben", "52.37", "1970", "tagged"): assert secret not in said
    assert b"Ben at home" not in out.read_bytes()


# --- colours ------------------------------------------------------------------------------------------------------------

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)} # of red and blue in the brightness, by the code of the matrix (ITU-T H.273)


def write_flat(path, rgb, size, matrix, tags=None, shape=None):
    "Three frames of one colour, by the formula and without swscale; `tags`: matrix, range, primaries, transfer."
    (kr, kb), (r, g, b) = WEIGHTS[matrix], np.array(rgb)/255
    y = kr*r + (1 - kr - kb)*g + kb*b
    planes = [round(16 + 219*y), round(128 + 112*(b - y)/(1 - kb)), round(128 + 112*(r - y)/(1 - kr))]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if shape: stream.codec_context.sample_aspect_ratio = shape
        for name, code in zip(("colorspace", "color_range", "color_primaries", "color_trc"), tags or ()): setattr(stream.codec_context, name, code)
        for i in range(3):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, value in zip(frame.planes, planes): plane.update(bytes([value])*plane.buffer_size)
            frame.pts = i
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def as_shown(path):
    "What a player shows that goes by the tags: the colour in the middle of a picture; and the tags."
    with av.open(str(path)) as file:
        context, frame = file.streams.video[0].codec_context, next(file.decode(video=0))
        tags = [int(getattr(context, name)) for name in ("colorspace", "color_range", "color_primaries", "color_trc")]
        y, cb, cr = (float(plane[plane.shape[0]//2, plane.shape[1]//2]) for plane in (np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, :p.width] for p in frame.planes))
        kr, kb = WEIGHTS[tags[0]]
        y, cb, cr = (y - 16)/219, (cb - 128)/224, (cr - 128)/224
        r, b = y + 2*(1 - kr)*cr, y + 2*(1 - kb)*cb
        return np.array([r, (y - kr*r - kb*b)/(1 - kr - kb), b])*255, tags, context


def nobody(path): return results(path, np.full((len(VideoDataset(str(path))), 1, 4), np.nan))


@pytest.mark.parametrize("kind", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("size, matrix, tags, wanted", [
    ((1280, 720), 1, (1, 1, 1, 1), [1, 1, 1, 1]), ((1280, 720), 1, None, [1, 1, 1, 1]), ((1280, 720), 6, (6, 1, 6, 6), [1, 1, 6, 6]),
    ((640, 360), 6, None, [6, 1, 6, 6]), ((720, 576), 5, (5, 1, 5, 6), [6, 1, 5, 6]), ((640, 360), 1, (1, 1, 1, 13), [6, 1, 1, 13]),
])
def test_a_player_shows_the_colours_of_the_source(tmp_path, size, matrix, tags, wanted, kind):
    source = write_flat(tmp_path/"flat.mp4", (199, 60, 60), size, matrix, tags)
    shown, found, context = as_shown(blur_faces(source, nobody(source), tmp_path/f"copy{kind}"))
    assert found == wanted and context.pix_fmt == "yuv420p"
    assert abs(shown - picture(source, 1)[size[1]//2, size[0]//2]).max() <= 2, "not what was read"
    if tags: assert abs(shown - as_shown(source)[0]).max() <= 2.5, "not what the source shows"


@pytest.mark.parametrize("rgb", [(16, 235, 90), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (250, 200, 20)])
def test_other_colours(tmp_path, rgb):
    source = write_flat(tmp_path/"flat.mp4", rgb, (1280, 720), 1, (1, 1, 1, 1))
    shown = as_shown(blur_faces(source, nobody(source), tmp_path/"copy.mp4"))[0]
    assert abs(shown - picture(source, 1)[100, 100]).max() <= 2 and abs(shown - rgb).max() <= 4


def test_pixels_of_the_copy_are_square(tmp_path):
    "PAL, 16:11: the pictures of the copy have the size and the shape that the models saw."
    source = write_flat(tmp_path/"flat.mp4", (199, 60, 60), (720, 576), 5, (5, 1, 5, 6), Fraction(16, 11))
    with VideoDataset(str(source)) as video: width, height = video.width, video.height
    context = as_shown(blur_faces(source, nobody(source), tmp_path/"copy.mp4"))[2]
    assert (context.width, context.height) == (width + width % 2, height + height % 2)
    assert context.sample_aspect_ratio in (None, 1)


def test_hdr_is_written_as_ordinary_video(tmp_path):
    "Ten bits, BT.2020 and HLG: eight bits, and tags that say so; the colours are those in which it is read."
    source = SHARED/"cases"/"hlg.mp4"
    if not source.is_file(): pytest.skip(f"{source.name} is not beside the project's folder (shared/cases)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copy = blur_faces(source, nobody(source), tmp_path/"copy.mp4")
        read = picture(source, 0)[20, 20]
    shown, tags, context = as_shown(copy)
    assert tags == [6, 1, 1, 1] and context.pix_fmt == "yuv420p"
    assert abs(shown - read).max() <= 2


@pytest.mark.slow
def test_hidden_people_are_not_recognised(tmp_path, clip):
    "Two people side by side, every third frame analysed: in the copy, no frame shows the face of the hidden one to the models."
    from mexca_video import FaceExtractor
    video = VideoDataset(str(clip))
    source = write(tmp_path/"two.mp4", (video[i]["Image"].numpy() for i in range(90, 114)), sound=None)
    extractor = FaceExtractor.embedded(2, landmark_model=None, au_model=None)
    ds = extractor.apply(str(source), skip_frames=3, return_embeddings=True, show_progress=False)
    unit = lambda e: e/np.linalg.norm(e, axis=-1, keepdims=True)
    centers = unit(np.nanmean(unit(ds.face_embedding.transpose("face", "frame", "embedding").values), 1))
    assert 1 - centers[0] @ centers[1] > 0.52
    for how in ("blur", "pixelate"):
        out = blur_faces(source, ds, tmp_path/f"{how}.mp4", keep=[0], how=how)
        seen = FaceExtractor.embedded(None, landmark_model=None, au_model=None).apply(str(out), skip_frames=2, return_embeddings=True, show_progress=False)
        cells = seen.face_embedding.values[np.isfinite(seen.face_embedding.values).all(-1)]
        distance = 1 - unit(cells) @ centers.T
        assert (distance[:, 1] > 0.52).all(), "the hidden person is recognised"
        assert (distance[:, 0] < 0.52).sum() == seen.sizes["frame"], "the other one is seen in every frame"
        x1, y1, x2, y2 = np.clip(ds.face_box.sel(face=0, frame=9).values.astype(int), 0, None)
        assert abs(picture(out, 9) - picture(source, 9))[y1:y2, x1:x2].mean() < 3


def test_share_safe_takes_out_what_names(tmp_path):
    ds = demo_features(n_faces=3, embeddings=True)
    named = rename_faces(ds, {"Person_1": "Ben Miller"}).assign_attrs(comment="Ben at home", title="Ben Miller, session 3", video_file="ben_miller.mp4", video_sha256="ab"*32, video_size_bytes=1234567)
    named = named.assign(notes=("frame", np.full(named.sizes["frame"], "Ben smiles"))).assign_coords(room=("frame", np.full(named.sizes["frame"], "kitchen of Ben")))
    named.attrs["history"] += "\nBen was here"
    named.face_box.attrs["comment"] = "Ben's face"
    named.encoding["source"] = "/home/ben/ben_miller.nc"
    before = named.copy(deep=True)
    safe = share_safe(named)
    assert named.identical(before), "the given Dataset stays as it is"
    assert check_features(safe) == []
    told = json.dumps([safe.to_dict(), safe.encoding, {n: str(v.encoding) for n, v in safe.variables.items()}], default=str)
    for secret in ("Ben", "ben_miller", "abab", "1234567", "kitchen"): assert secret not in told, secret
    assert "face_embedding" not in safe and "embedding" not in safe.dims
    assert safe.face_name.values.tolist() == ["Person_1", "Person_2", "Person_3"]
    assert safe.attrs["video_file"] == safe.attrs["video_sha256"] == REMOVED
    for name in ("models", "software", "au_scale", "arguments"): assert safe.attrs[name] == ds.attrs[name]
    for name in ("face_box", "face_landmarks", "face_aus", "face_label", "status"): np.testing.assert_array_equal(safe[name], ds[name])
    save(safe, tmp_path/"safe.nc")
    assert load(tmp_path/"safe.nc").identical(safe)
    assert b"Ben" not in (tmp_path/"safe.nc").read_bytes()


def test_share_safe_keeps_how_it_was_made(features):
    safe = share_safe(rename_faces(features, {"Person_1": "Ben Miller"}))
    lines = safe.attrs["history"].split("\n")
    assert ["FaceExtractor.apply" in lines[0], "share_safe" in lines[1], len(lines)] == [True, True, 2]
    assert json.loads(lines[1].split(" ", 2)[2]) == {"removed_lines": {"corrections": 1, "other_lines": 0}}
    assert share_safe(safe).drop_attrs().identical(safe.drop_attrs())
    assert check_features(share_safe(demo_features(n_faces=0))) == []
