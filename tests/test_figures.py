"What a figure shows is what the Dataset holds: number and place of the artists, gaps, lengths, colours, and no text upon another."
import io
import itertools

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from matplotlib.text import Text

from mexca_video.figures import (
    GRAY,
    LINES,
    PALETTE,
    USUAL_AUS,
    cut_face,
    draw_action_units,
    draw_au_map,
    draw_faces,
    draw_frame,
    draw_identity,
    draw_summary,
    draw_timeline,
    person_colors,
)
from mexca_video.samples import demo_features
from mexca_video.schema import LANDMARK_PARTS, STATUS, build_features
from mexca_video.validators import check_features


@pytest.fixture(autouse=True)
def untouched():
    "Every test checks that no global setting has changed and closes its figures."
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def named(place, gid):
    "The artists with a group id; one that ends in a colon stands for all that begin so."
    return place.findobj(lambda a: str(a.get_gid()).startswith(gid) if gid.endswith(":") else a.get_gid() == gid)


def with_stranger(n_frames=60):
    "Three people, and a fourth slot with faces that belong to nobody in frames 24 to 29; action units of the first fail in 50 to 53."
    demo = demo_features(n_frames=n_frames, n_faces=4)
    arrays = {name: demo[name].values.copy() for name in demo.data_vars if name != "status"}
    for name in set(arrays) - {"n_detected", "shot"}: arrays[name][np.r_[0:24, 30:60], 3] = np.nan
    arrays["face_label"][:, 3] = np.nan
    arrays["face_aus"][50:54, 0] = np.nan
    arrays["n_detected"] = np.isfinite(arrays["face_box"]).all(-1).sum(1)
    ds = build_features(frame=demo.frame, time=demo.time, attrs=demo.attrs, **arrays)
    assert check_features(ds) == []
    return ds


RESULTS = {"stranger": with_stranger(), "empty": demo_features(n_faces=0), "one frame": demo_features(n_frames=1), "one person": demo_features(n_faces=1),
           "twelve": demo_features(n_frames=24, n_faces=12), "not clustered": None}
one = demo_features(n_frames=12)
RESULTS["not clustered"] = build_features(frame=one.frame, time=one.time, attrs=one.attrs, **{
    n: one[n].values if n not in ("face_label", "face_confidence") else np.full(one.face_label.shape, np.nan) for n in one.data_vars if n != "status"})


@pytest.fixture(params=RESULTS, ids=[r.replace(" ", "_") for r in RESULTS])
def ds(request): return RESULTS[request.param]


def test_colors_follow_the_person():
    ds = RESULTS["stranger"]
    colors = person_colors(ds)
    assert colors == {0: PALETTE[0], 1: PALETTE[1], 2: PALETTE[2], 3: GRAY}
    for slots in ([1], [2, 0], [3, 1]): assert person_colors(ds.sel(face=slots)) == {s: colors[s] for s in slots}
    assert len(set(list(person_colors(RESULTS["twelve"]).values())[:8])) == 8
    assert set(person_colors(RESULTS["not clustered"]).values()) == {GRAY}


@pytest.mark.parametrize("at", [0, -1])
def test_frame_shows_each_detection(ds, at):
    frame = int(ds.frame[at])
    ax = draw_frame(ds, None, frame, aus=("AU12", "AU04"))
    row = ds.sel(frame=frame)
    found = row.face.values[np.isfinite(row.face_box.values).all(-1)]
    assert len(named(ax, "box:")) == len(found) == len(named(ax, "name:")) == len(named(ax, "aus:"))
    for slot in found:
        x1, y1, x2, y2 = row.face_box.sel(face=slot).values
        [box], [name], [aus] = (named(ax, f"{kind}:{slot}") for kind in ("box", "name", "aus"))
        assert (*box.get_xy(), box.get_width(), box.get_height()) == pytest.approx((x1, y1, x2 - x1, y2 - y1), abs=1e-3)
        assert to_hex(box.get_edgecolor()).upper() == person_colors(ds)[int(slot)].upper()
        assert name.get_text().startswith(str(row.face_name.sel(face=slot).item()))
        sure = float(row.face_confidence.sel(face=slot))
        assert (f"{sure:.2f}" in name.get_text()) == np.isfinite(sure)
        line, value = aus.get_text().splitlines()[0], float(row.face_aus.sel(face=slot, au="AU12"))
        if np.isfinite(value): # the bar has five letters for 1, the last one in eighths
            bar = line.removeprefix(f"AU12 {value:.2f} ")
            assert sum(8 if letter == "█" else 1 + "▏▎▍▌▋▊▉".index(letter) for letter in bar) == round(40*value)
        else: assert line == "AU12 –"
        points = np.concatenate([line.get_xydata() for line in named(ax, f"landmarks:{slot}:")])
        assert {tuple(p) for p in points} == {tuple(p) for p in row.face_landmarks.sel(face=slot).values.astype(float)}


def test_frame_options_leave_out():
    ds = RESULTS["stranger"]
    ax = draw_frame(ds, None, 130, boxes=False, names=False, landmarks=False)
    assert not ax.patches and not ax.lines and not ax.texts
    ax = draw_frame(ds, None, 10) # landmarks failed for the first person
    lines = named(ax, "landmarks:0:")
    assert all(np.isnan(line.get_xydata()).all() for line in lines) and len(named(ax, "box:0")) == 1
    assert {line.get_gid().split(":")[2] for line in named(ax, "landmarks:1:")} == {*LANDMARK_PARTS, "nostrils"}


def test_frame_takes_a_picture():
    ds, picture = RESULTS["stranger"], np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype="uint8")
    ax = draw_frame(ds, picture, 0)
    assert np.array_equal(ax.images[0].get_array(), picture)
    with plt.rc_context(): fig, given = plt.subplots()
    assert draw_frame(ds, picture, 0, given) is given


def test_frame_takes_a_video(tmp_path):
    av = pytest.importorskip("av")
    video = pytest.importorskip("mexca_video.video", reason="mexca_video.video is not there yet")
    path = tmp_path/"gray.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for i in range(11): file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((360, 640, 3), 20*i, "uint8"), format="rgb24")))
        file.mux(stream.encode(None))
    ds = demo_features(n_frames=3)
    for source in (path, str(path), video.VideoDataset(str(path), skip_frames=5)):
        shown = [float(np.asarray(draw_frame(ds, source, f).images[0].get_array()).mean()) for f in (0, 5, 10)]
        assert shown == pytest.approx([0, 100, 200], abs=4)
    with pytest.raises(ValueError, match="Frame 5 is not among.*gray.mp4"): draw_frame(ds, video.VideoDataset(str(path), skip_frames=10), 5)
    assert len(draw_summary(ds, path).axes) >= 6


def test_errors_say_what_to_do():
    ds = RESULTS["stranger"]
    with pytest.raises(ValueError, match="Frame 131 .* nearest are 130 and 135"): draw_frame(ds, None, 131)
    with pytest.raises(ValueError, match="'AU03'.*AU01"): draw_frame(ds, None, 130, aus=("AU03",))
    with pytest.raises(ValueError, match="320 × 180 .* 640 × 360"): draw_frame(ds, np.zeros((180, 320, 3), "uint8"), 130)
    with pytest.raises(ValueError, match="'AU99'"): draw_action_units(ds, "AU99")
    with pytest.raises(ValueError, match="empty"): draw_action_units(ds, ())
    with pytest.raises(ValueError, match="2 action units need 2 Axes"): draw_action_units(ds, ("AU12", "AU04"), plt.figure().add_subplot())


def durations(ds):
    "Time for which each processed frame stands, s."
    step = np.diff(ds.time.values)
    return np.append(step, np.median(step) if len(step) else 1/ds.attrs["video_fps"])


def test_timeline_lengths(ds):
    ax, length = draw_timeline(ds), durations(ds)
    assert [t.get_text() for t in ax.get_yticklabels()] == ds.face_name.values.tolist()
    for row, slot in enumerate(ds.face.values):
        for name, code in STATUS.items():
            paths = [p for bar in named(ax, f"presence:{slot}:{name}") for p in bar.get_paths()]
            wanted = length[ds.status.sel(face=slot).values == code].sum()
            assert sum(np.ptp(p.vertices[:, 0]) for p in paths) == pytest.approx(wanted, abs=1e-6)
            assert all(abs(p.vertices[:, 1] - row).max() < 0.5 for p in paths)
    (first, last), whole = ax.get_xlim(), length.sum()
    assert 0 < ds.time.values[0] - first < 0.01*whole and 0 < last - ds.time.values[0] - whole < 0.01*whole, "a mark at the first second is not cut"


def test_timeline_keeps_irregular_times():
    ds = demo_features(n_frames=8)
    ds = ds.assign_coords(time=ds.time.copy(data=[0, 0.1, 0.5, 0.6, 1.6, 1.7, 1.8, 1.9]))
    [bar] = named(draw_timeline(ds), "presence:0:landmarks_failed") # frame 2 alone
    [path] = bar.get_paths()
    assert (path.vertices[:, 0].min(), path.vertices[:, 0].max()) == pytest.approx((0.5, 0.6))


def test_timeline_legend_names_what_occurs(ds):
    legend = draw_timeline(ds).get_legend()
    assert (len(legend.get_texts()) if legend else 0) == len(np.unique(ds.status))


def test_action_units_keep_the_gaps(ds):
    aus = ("AU12", "AU04")
    axes = draw_action_units(ds, aus)
    assert len(axes) == 2
    for ax, au in zip(axes, aus):
        assert len(ax.lines) == ds.sizes["face"]
        for slot in ds.face.values:
            [line] = named(ax, f"au:{slot}:{au}")
            np.testing.assert_array_equal(line.get_ydata(), ds.face_aus.sel(face=slot, au=au))
            np.testing.assert_array_equal(line.get_xdata(), ds.time)
    if ds.sizes["face"]: assert ds.attrs["au_scale"] in axes[0].get_legend().get_title().get_text()


def test_single_values_are_visible():
    ds = demo_features(n_frames=5, n_faces=1)
    ds["face_aus"] = ds.face_aus.where(ds.frame == 5) # the second of five
    line = draw_action_units(ds, "AU12").lines[0]
    assert line.get_markevery() == [1] and line.get_marker() == "o"
    assert draw_action_units(demo_features(n_frames=1, n_faces=1), "AU12").lines[0].get_markevery() == [0]


def test_unmeasured_action_units_say_so():
    ds = RESULTS["stranger"]
    ds = ds.assign(face_aus=ds.face_aus.where(ds.au != "AU06"))
    measured, blind = draw_action_units(ds, ("AU12", "AU06"))
    assert not measured.texts and "not measured" in blind.texts[0].get_text()


def drawn_texts(fig, monkeypatch):
    "Words and extents of all texts that are really drawn."
    drawn, draw = [], Text.draw
    monkeypatch.setattr(Text, "draw", lambda self, *args: (drawn.append(self), draw(self, *args))[1])
    fig.savefig(io.BytesIO(), format="png")
    return [(t.get_text(), t.get_window_extent()) for t in drawn if t.get_visible() and t.get_text().strip()]


@pytest.mark.slow
def test_summary_has_no_text_upon_another(ds, monkeypatch):
    fig = draw_summary(ds, None)
    assert fig.get_figwidth()*fig.dpi == 1500
    page, found = fig.bbox.padded(1), drawn_texts(fig, monkeypatch)
    assert len(found) > 10
    for text, box in found: assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, f"{text!r} leaves the page"
    for (a, p), (b, q) in itertools.combinations(found, 2): assert not p.padded(-1).overlaps(q.padded(-1)), f"{a!r} and {b!r} overlap"


def test_summary_shows_different_casts():
    ds = RESULTS["stranger"]
    fig = draw_summary(ds, None)
    frames = [int(ax.get_title(loc="left").split("frame ")[1]) for ax in fig.axes if ax.images]
    casts = {tuple(np.isfinite(ds.face_box.sel(frame=f)).all("box_edge").values) for f in frames}
    there = np.isfinite(ds.face_box.values).all(-1)
    lasting = {tuple(a) for a, b in zip(there[1:], there[:-1]) if a.any() and (a == b).all()} # two frames or more
    assert casts == lasting and len(casts) > 3
    assert frames == sorted(set(frames)) and len(frames) <= 6


def test_summary_takes_frames_and_action_units():
    fig = draw_summary(RESULTS["stranger"], None, frames=[295, 0], aus="AU12")
    assert [ax.get_title(loc="left") for ax in fig.axes if ax.images] == ["A   11.80 s, frame 295", "B   0.00 s, frame 0"]
    assert len(fig.axes) == 4
    assert len(draw_summary(RESULTS["stranger"], None, frames=[], aus=()).axes) == 1


def test_pictures_are_left_as_they_are():
    ds = RESULTS["stranger"]
    before = ds.copy(deep=True)
    draw_summary(ds, None), draw_frame(ds, None, 0), draw_timeline(ds), draw_action_units(ds)
    assert ds.identical(before)
    assert not plt.get_fignums() or len(plt.get_fignums()) == 3 # the summary does not enter pyplot's list


@pytest.mark.parametrize("size", [(8, 4.5), (3, 2), (2.4, 1.6)])
@pytest.mark.parametrize("aus", [("AU12",), ("AU12", "AU04", "AU26", "AU01")], ids=len)
def test_frame_labels_find_room(size, aus):
    "Names and action units cover each other on no axes, also on small ones and where a layout engine moves the axes."
    ds = RESULTS["stranger"]
    for frame in (0, 30, 125, 150):
        fig, ax = plt.subplots(figsize=size, layout="constrained")
        draw_frame(ds, None, frame, ax, aus=aus)
        fig.canvas.draw()
        page, found = ax.bbox.padded(2), [(t.get_text(), t.get_window_extent()) for t in ax.texts]
        assert len(found) == 2*int(ds.n_detected.sel(frame=frame))
        for text, box in found: assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, f"{text!r} leaves the picture"
        for (a, p), (b, q) in itertools.combinations(found, 2): assert not p.padded(-1).overlaps(q.padded(-1)), f"{a!r} and {b!r} overlap"
        plt.close(fig)


def seen_by(colors, kind):
    "The colours as people with a colour vision deficiency see them, in CIELAB (Machado et al. 2009, complete deficiency)."
    matrix = {"deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
              "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
              "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
              "normal": np.eye(3)}[kind]
    srgb = np.array([[int(c[i:i + 2], 16)/255 for i in (1, 3, 5)] for c in colors])
    linear = np.clip(np.where(srgb <= 0.04045, srgb/12.92, ((srgb + 0.055)/1.055)**2.4) @ np.transpose(matrix), 0, 1)
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T/[0.9505, 1, 1.089]
    f = np.where(xyz > (6/29)**3, np.cbrt(xyz), xyz/(3*(6/29)**2) + 4/29)
    return np.stack([116*f[:, 1] - 16, 500*(f[:, 0] - f[:, 1]), 200*(f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize("kind", ["normal", "deuteranopia", "protanopia", "tritanopia"])
def test_colours_can_be_told_apart(kind):
    "The nearest two of the eight colours, and gray, are 5 units of CIELAB apart at least; 2.3 is just noticed."
    lab = seen_by([*PALETTE, GRAY], kind)
    apart = np.linalg.norm(lab[:, None] - lab, axis=-1)[np.triu_indices(len(lab), 1)]
    assert apart.min() > 5
    first = seen_by(PALETTE[:4], kind)
    assert np.linalg.norm(first[:, None] - first, axis=-1)[np.triu_indices(4, 1)].min() > 15, "the first four, which most clips need, are further apart"


def test_map_holds_the_values(ds):
    axes = np.atleast_1d(draw_au_map(ds))
    assert len([ax for ax in axes if ax.collections]) == ds.sizes["face"]
    for ax, slot in zip(axes, ds.face.values):
        [mesh] = named(ax, f"map:{slot}")
        np.testing.assert_array_equal(np.ma.filled(mesh.get_array().astype(float), np.nan), ds.face_aus.sel(face=slot).transpose("au", "frame"))
        assert [t.get_text() for t in ax.get_yticklabels()] == ds.au.values.tolist()
        assert ax.get_title(loc="left") == str(ds.face_name.sel(face=slot).item())
        assert mesh.get_clim() == axes[0].collections[0].get_clim(), "all people share one scale"


def test_map_needs_an_axes_for_each_slot():
    with pytest.raises(ValueError, match="4 slots need 4 Axes.*given are 1"): draw_au_map(RESULTS["stranger"], plt.figure().add_subplot())


def numbered(ds):
    "What `draw_faces` needs of a video: a picture for each frame, all pixels of which are its number."
    class Pictures:
        file_name, video_frames, asked = "numbered", ds.frame.values, []
        def __getitem__(self, i):
            self.asked.append(int(ds.frame.values[i]))
            return {"Image": np.full((int(ds.attrs["video_height"]), int(ds.attrs["video_width"]), 3), ds.frame.values[i] % 250, "uint8")}
    return Pictures()


@pytest.mark.parametrize("by", ["time", "confidence"])
def test_faces_come_from_their_frames(ds, by):
    video = numbered(ds)
    ax, there = draw_faces(ds, video, n=4, by=by), np.isfinite(ds.face_box.values).all(-1)
    shown = {(int(i.get_gid().split(":")[1]), int(i.get_gid().split(":")[2])): i for i in ax.images}
    for (slot, frame), image in shown.items():
        assert there[ds.frame.values == frame, ds.face.values == slot].all()
        middle = image.get_array()[40:56, 40:56]
        assert (middle == frame % 250).all(), "the crop is of another frame"
    for k, slot in enumerate(ds.face.values): assert len([1 for s, _ in shown if s == slot]) == min(4, there[:, k].sum())
    assert len(video.asked) == len(shown), "only the frames that are shown are decoded"
    captions = [t.get_text() for t in ax.texts if " s" in t.get_text()]
    assert len(captions) == len(shown) or not len(shown)


def test_faces_are_in_order():
    ds = RESULTS["stranger"]
    def row(by, slot):
        images = [i for i in draw_faces(ds, numbered(ds), n=5, by=by).images if i.get_gid().startswith(f"face:{slot}:")]
        return [int(i.get_gid().split(":")[2]) for i in sorted(images, key=lambda i: i.get_extent()[0])]
    sure = ds.face_confidence.sel(face=1)
    assert row("time", 1) == sorted(row("time", 1))
    values = sure.sel(frame=row("confidence", 1)).values
    assert (np.diff(values) >= 0).all() and values[0] == sure.min() and values[-1] == sure.max()
    with pytest.raises(ValueError, match="by='size' is unknown"): draw_faces(ds, numbered(ds), by="size")


def test_a_face_at_the_edge_is_padded():
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None], (40, 60, 3))
    cut = cut_face(ramp, [-10, 10, 10, 30], 20, 0)
    assert cut.shape == (20, 20, 3) and cut.dtype == np.uint8
    np.testing.assert_array_equal(cut[:, 10:], ramp[10:30, :10])
    assert (cut[:, :10] == cut[0, 0, 0]).all() and cut[0, 0, 0] > 60, "what lies outside is no part of the picture"
    assert cut_face(ramp, [10.2, 10.1, 10.4, 10.2], 8).shape == (8, 8, 3)


def test_identity_shows_each_face():
    ds = demo_features(n_faces=3, embeddings=True)
    first, second = draw_identity(ds)
    for slot in ds.face.values:
        there = np.isfinite(ds.face_embedding.sel(face=slot).values).all(-1)
        [points] = named(first, f"embedding:{slot}")
        assert len(points.get_xdata()) == there.sum()
        assert to_hex(points.get_color()).upper() == person_colors(ds)[int(slot)].upper()
        sure = ds.face_confidence.sel(face=slot).values
        bars = named(second, f"confidence:{slot}")
        assert len(bars) == int(np.isfinite(sure).any())
    share = float(first.get_title(loc="left").split("hold ")[1].split("%")[0])/100
    cells = ds.face_embedding.values[np.isfinite(ds.face_embedding.values).all(-1)]
    unit = cells/np.linalg.norm(cells, axis=1, keepdims=True)
    values = np.linalg.svd(unit - unit.mean(0), compute_uv=False)**2
    assert share == pytest.approx(values[:2].sum()/values.sum(), abs=0.006)


def test_identity_says_what_it_needs():
    ds = demo_features(n_faces=2)
    with pytest.raises(ValueError, match="return_embeddings=True"): draw_identity(ds)
    with pytest.raises(ValueError, match="two Axes"): draw_identity(demo_features(n_faces=2, embeddings=True), plt.figure().add_subplot())
    for few in (demo_features(n_faces=0, embeddings=True), demo_features(n_frames=1, n_faces=1, embeddings=True)):
        assert "fewer than two faces" in draw_identity(few)[0].texts[0].get_text()


@pytest.mark.slow
def test_the_sample_clips_people_lie_apart(features):
    "In the plane that is drawn, each face lies nearest to the centre of its own person."
    first, _ = draw_identity(features)
    points = {slot: named(first, f"embedding:{slot}")[0].get_xydata() for slot in features.face.values}
    centers = {slot: p.mean(0) for slot, p in points.items()}
    for slot, own in points.items():
        far = np.stack([np.linalg.norm(own - c, axis=1) for c in centers.values()])
        assert (far.argmin(0) == list(centers).index(slot)).mean() > 0.95


def torn():
    "Two stretches, of 20 and 19 frames, between which four seconds were not analysed."
    ds = RESULTS["stranger"]
    return ds.sel(frame=(ds.time < 4) | (ds.time > 8.1))


def extents(place, gid):
    "(first, last) second of each bar of a group."
    return sorted((p.vertices[:, 0].min(), p.vertices[:, 0].max()) for bar in named(place, gid) for p in bar.get_paths())


def test_timeline_ends_where_nothing_was_analysed():
    ds = torn()
    ax = draw_timeline(ds)
    for slot in ds.face.values:
        bars = extents(ax, f"presence:{slot}:")
        assert all(b <= 4 + 1e-6 or a >= 8.2 - 1e-6 for a, b in bars) and sum(b - a for a, b in bars) == pytest.approx(0.2*ds.sizes["frame"])
    assert extents(ax, "not analysed") == [pytest.approx((4, 8.2))]
    assert "not analysed" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert not named(draw_timeline(RESULTS["stranger"]), "not analysed")


def test_lines_and_maps_end_where_nothing_was_analysed():
    ds = torn()
    axes = draw_action_units(ds, ("AU12", "AU04"))
    for ax in axes:
        assert len(named(ax, "not analysed")) == 1
        for slot in ds.face.values:
            x, y = named(ax, f"au:{slot}:")[0].get_data()
            crossing = np.isfinite(y[:-1]) & np.isfinite(y[1:]) & (np.diff(x) > 0.3)
            assert len(x) == ds.sizes["frame"] + 1 and not crossing.any()
            np.testing.assert_array_equal(np.delete(y, 20), ds.face_aus.sel(face=slot, au="AU12" if ax is axes[0] else "AU04"))
    assert "not analysed" in [t.get_text() for t in axes[0].get_legend().get_texts()]
    for ax, slot in zip(draw_au_map(ds), ds.face.values):
        [mesh] = named(ax, f"map:{slot}")
        values, starts = np.ma.filled(mesh.get_array().astype(float), np.nan), mesh.get_coordinates()[0, :, 0]
        assert np.isnan(values[:, 20]).all() and (starts[20], starts[21]) == pytest.approx((4, 8.2))
        np.testing.assert_array_equal(np.delete(values, 20, 1), ds.face_aus.sel(face=slot).transpose("au", "frame"))


def test_gaps_are_steps_of_numbers_and_not_of_time():
    "A variable frame rate leaves no frame out; damage does, also where a single frame is lost."
    ds = demo_features(n_frames=8)
    slow = ds.assign_coords(time=ds.time.copy(data=[0, 0.1, 0.5, 0.6, 5.6, 5.7, 5.8, 5.9]))
    assert not named(draw_timeline(slow), "not analysed")
    lost = slow.isel(frame=[0, 1, 2, 4, 5, 6, 7]) # of 0.6 to 5.6 s
    assert extents(draw_timeline(lost), "not analysed") == [pytest.approx((0.6, 5.6))]
    for few in (ds.isel(frame=[0]), ds.isel(frame=[0, 5]), ds.isel(frame=slice(0))): assert not named(draw_timeline(few), "not analysed")


def test_summary_of_a_part_has_no_bar_over_the_rest(monkeypatch):
    fig = draw_summary(torn(), None)
    assert len(named(fig, "not analysed")) == 1 + len(USUAL_AUS)
    found = drawn_texts(fig, monkeypatch)
    for (a, p), (b, q) in itertools.combinations(found, 2): assert not p.padded(-1).overlaps(q.padded(-1)), f"{a!r} and {b!r} overlap"


def test_nothing_to_draw_is_said():
    ds = RESULTS["stranger"].isel(frame=slice(0))
    assert "no frames" in draw_timeline(ds).texts[0].get_text()
    assert "no frames" in draw_action_units(ds, "AU12").texts[0].get_text()
    assert "no frames" in draw_faces(ds, None).texts[0].get_text()
    draw_au_map(ds), draw_summary(ds, None)
    assert "1 frame analysed" in draw_summary(demo_features(n_frames=1), None).texts[0].get_text()


def test_a_part_of_the_action_units_will_do():
    ds = RESULTS["stranger"].sel(au=["AU12", "AU43"])
    assert draw_action_units(ds).get_ylabel().startswith("AU12")
    assert [ax.get_ylabel()[:4] for ax in draw_action_units(RESULTS["stranger"].sel(au=["AU43", "AU09"]))] == ["AU43", "AU09"]
    assert [t.get_text() for t in draw_au_map(ds)[0].get_yticklabels()] == ["AU12", "AU43"]
    assert len(named(draw_summary(ds, None), "au:0:AU12")) == 1 and draw_frame(ds, None, 130, aus="AU12").texts
    with pytest.raises(ValueError, match="'AU04'; there are AU12, AU43"): draw_action_units(ds, "AU04")


DRAWN = {"frame": lambda ds: draw_frame(ds, None, 130), "timeline": draw_timeline, "action_units": draw_action_units, "map": draw_au_map, "faces": lambda ds: draw_faces(ds, None),
         "summary": lambda ds: draw_summary(ds, None), "identity": draw_identity, "colors": person_colors}

@pytest.mark.parametrize("draw", DRAWN.values(), ids=list(DRAWN))
def test_a_changed_form_is_named(draw):
    ds = demo_features(embeddings=True)
    for changed, words in ((ds.sel(face=0), r"ds.sel\(face=\[0\]\) keeps it"), (ds.swap_dims(face="face_name"), r'swap_dims\(face_name="face"\) goes back'),
            (ds.where(ds.face_confidence > 0.7), "unassign_faces"), (ds.isel(frame=slice(None, None, -1)), "does not increase"), (xr.concat([ds, ds], "frame"), "'frame' holds 0 twice")):
        with pytest.raises(ValueError, match=words): draw(changed)


def test_the_ninth_person_differs_from_the_first():
    ds = demo_features(n_frames=24, n_faces=33, embeddings=True)
    look = lambda line: (to_hex(line.get_color()), line.get_linestyle())
    ax, (embeddings, _) = draw_action_units(ds, "AU12"), draw_identity(ds)
    lines = [look(named(ax, f"au:{slot}:AU12")[0]) for slot in range(33)]
    assert len(set(lines[:32])) == 32 and lines[32] == lines[0] and [style for _, style in lines[::8]] == [*LINES, LINES[0]]
    assert [look(h) for h in ax.get_legend().legend_handles] == lines
    points = [(to_hex(p.get_color()), p.get_marker()) for p in (named(embeddings, f"embedding:{slot}")[0] for slot in range(33))]
    assert len(set(points[:32])) == 32


@pytest.mark.parametrize("n", [2, 15])
def test_each_persons_confidence_has_a_row(n):
    "No histogram stands on another, and the areas are shares of each person's faces."
    ds = demo_features(n_faces=n, embeddings=True)
    _, ax = draw_identity(ds)
    spans = []
    for slot in ds.face.values:
        [bars] = named(ax, f"confidence:{slot}")
        values, edges, base = bars.get_data()
        sure = ds.face_confidence.sel(face=slot).dropna("frame").values
        np.testing.assert_allclose((values - base)/(values - base).sum(), np.histogram(sure, edges)[0]/len(sure))
        spans.append((base, values.max()))
        assert f"{ds.face_name.sel(face=slot).item()} ({len(sure)})" in [t.get_text() for t in ax.get_yticklabels()]
    for (low, _), (_, below) in zip(spans, spans[1:]): assert low > below


def with_doubt():
    "The stranger's faces are doubtful, the first person is turned away in frames 40 to 44, and there are cuts at 4 and 9 s."
    ds = RESULTS["stranger"].copy(deep=True)
    doubted = (ds.face_label.isnull() & ds.face_prob.notnull()).values
    ds.status.values[doubted] = STATUS["doubtful"]
    ds.face_evidence.values[doubted] = 0.18
    for name in ("face_landmarks", "face_aus"): ds[name].values[40:45, 0] = np.nan
    ds.status.values[40:45, 0] = STATUS["no_presence"]
    ds["shot"] = ds.shot.copy(data=np.digitize(ds.time, (4, 9)).astype("int32"))
    assert check_features(ds) == []
    return ds


def first_version(ds):
    "The same as a result of the first version."
    return ds.drop_vars(["face_track", "face_evidence", "shot"])


def test_a_doubtful_box_is_dashed_and_says_its_evidence():
    ds = with_doubt()
    ax = draw_frame(ds, None, 130)
    assert {named(ax, f"box:{slot}")[0].get_linestyle() for slot in (0, 1, 2)} == {"-"}
    [box], [name] = named(ax, "box:3"), named(ax, "name:3")
    assert (box.get_linestyle(), to_hex(box.get_edgecolor()), name.get_text()) == ("--", GRAY, "doubtful 0.18")
    assert named(draw_frame(ds.drop_vars("face_evidence"), None, 130), "name:3")[0].get_text() == "doubtful"
    assert named(draw_frame(ds.drop_vars("status"), None, 130), "name:3")[0].get_text().startswith("Unassigned_1")


def test_timeline_marks_shots_and_the_new_reasons():
    ds = with_doubt()
    ax = draw_timeline(ds)
    [lines] = named(ax, "shots")
    assert [p.vertices[0, 0] for p in lines.get_paths()] == pytest.approx([4, 9])
    for slot, status in ((0, "no_presence"), (3, "doubtful")):
        length = sum(b - a for a, b in extents(ax, f"presence:{slot}:{status}"))
        assert length == pytest.approx(0.2*int((ds.status.sel(face=slot) == STATUS[status]).sum()))
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert "first frame of a shot" in texts and "doubtful, perhaps not a face" in texts and "in the picture, turned away or covered" in texts
    for same in (first_version(ds), ds.isel(frame=slice(0, 10)), ds.isel(frame=slice(0))): assert not named(draw_timeline(same), "shots")


@pytest.mark.parametrize("by", ["time", "confidence"])
def test_one_picture_a_track(by):
    "The longest tracks, each by a face of its own, with its length."
    ds = demo_features(n_frames=60, n_faces=3)
    ds["face_track"] = ds.face_track.copy(data=np.where(ds.face_prob.notnull(), np.arange(3) + 3*(np.arange(60)//np.array([7]))[:, None], np.nan).astype("float32"))
    ax = draw_faces(ds, None, 4, by, per="track")
    for slot in ds.face.values:
        frames = [int(image.get_gid().split(":")[2]) for image in ax.images if image.get_gid().startswith(f"face:{slot}:")]
        own = ds.face_track.sel(face=slot)
        shown, lengths = own.sel(frame=frames).values, {t: int((own == t).sum()) for t in np.unique(own.dropna("frame"))}
        assert len(set(shown)) == 4 and min(lengths[t] for t in shown) >= max(n for t, n in lengths.items() if t not in shown)
    assert sum(t.get_text().endswith(" 7 frames") for t in ax.texts) > 6
    with pytest.raises(ValueError, match="per='shot' is unknown"): draw_faces(ds, None, per="shot")
    with pytest.raises(ValueError, match="has no tracks"): draw_faces(first_version(ds), None, per="track")
    assert draw_faces(demo_features(n_faces=0), None, per="track").texts


def test_identity_draws_tracks_with_their_distances():
    "The means of the tracks; the distances are those of all dimensions, between the right tracks."
    ds = demo_features(n_frames=40, n_faces=3, embeddings=True)
    ax = draw_identity(ds)[0]
    cells, means = ds.face_embedding.values, {}
    for track in np.unique(ds.face_track.values[np.isfinite(ds.face_track.values)]):
        vectors = cells[ds.face_track.values == track].astype(float)
        mean = (vectors/np.linalg.norm(vectors, axis=1, keepdims=True)).mean(0)
        means[int(track)] = mean/np.linalg.norm(mean)
    assert sum(len(named(ax, f"track:{slot}")[0].get_offsets()) for slot in ds.face.values) == len(means)
    apart = lambda a, b: 1 - means[a] @ means[b]
    near = sorted(min(apart(a, b) for a in (i, i + 3) for b in (j, j + 3)) for i, j in ((0, 1), (0, 2), (1, 2)))
    far = sorted((apart(i, i + 3) for i in range(3)), reverse=True)
    texts = [t.get_text() for t in ax.texts]
    assert texts == [f"{d:.2f}" for d in near + far] and len(named(ax, "distance:")) == 6
    few = ds.assign(face_embedding=ds.face_embedding.where(ds.frame % 25 == 0))  # a few faces of each track have an embedding of their own
    assert sum(len(named(draw_identity(few)[0], f"track:{slot}")[0].get_offsets()) for slot in ds.face.values) == len(means)
    old = draw_identity(first_version(ds))[0]
    assert not named(old, "track:") and not named(old, "distance:") and len(named(old, "embedding:")) == 3


@pytest.mark.slow
def test_results_of_the_first_version_look_as_before():
    for ds in RESULTS.values():
        old = first_version(ds)
        for draw in (draw_timeline, draw_action_units, draw_au_map, lambda d: draw_faces(d, None, 2), lambda d: draw_summary(d, None)): draw(old)
        if ds.sizes["face"] and ds.sizes["frame"]: draw_frame(old, None, int(ds.frame[0]))
        plt.close("all")
