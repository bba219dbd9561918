"""What must hold for any input: frames by index, the schema, storage and corrections.

Inputs are drawn by hypothesis; where the environment variable CI is set, the same ones each time.
The numbers of examples and the times are printed and written to tests/artefacts/properties.txt.
"""
import copy
import os
import pickle
import tempfile
import time
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mexca_video import (
    check_features,
    demo_features,
    load,
    merge_faces,
    rename_faces,
    replay_history,
    save,
    split_faces,
    swap_faces,
    to_csv,
    to_table,
)
from mexca_video.schema import build_features, person_slots
from mexca_video.video import VideoDataset

import clips
from correction_steps import detections, steps
from places import ARTEFACTS

COUNTED = ARTEFACTS / "properties.txt"
RECIPES = ("b_frames", "open_gop", "varied_rate_mkv", "late_start", "turned_90", "mpegts", "vp9", "avi_b_frames", "raw_h264", "one_frame")
examples, seconds = Counter(), Counter()


def many(n): return settings(max_examples=n, deadline=None, derandomize="CI" in os.environ, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def clock(request):
    "How long each property takes."
    begin = time.time()
    yield
    seconds[request.node.name] += time.time() - begin


@pytest.fixture(scope="module", autouse=True)
def counted():
    yield
    lines = [f"{name:40} {examples[name]:5} examples {seconds[name]:6.1f} s" for name in seconds]
    lines.append(f"{'all':40} {sum(examples.values()):5} examples {sum(seconds.values()):6.1f} s")
    COUNTED.parent.mkdir(exist_ok=True)
    COUNTED.write_text("\n".join(lines) + "\n")
    print("", *lines, sep="\n")


def count(): examples[os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split()[0]] += 1


# --- frames -----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def films(tmp_path_factory):
    "For each recipe its path, the times of its frames, and the frames as PyAV decodes them."
    folder, found = tmp_path_factory.mktemp("films"), {}
    for name in RECIPES:
        path = clips.write_recipe(name, folder)
        with av.open(str(path)) as container: frames = list(container.decode(video=0))
        pictures = [np.rot90(f.to_ndarray(format="rgb24"), f.rotation // 90) for f in frames]
        ticks = None if name in ("avi_b_frames", "raw_h264") else [f.pts - frames[0].pts for f in frames]
        found[name] = path, [n / 25 if ticks is None else float(ticks[n] * frames[n].time_base) for n in range(len(frames))], pictures
    return found


def moments(times):
    "Times of frames, and a little before and after them."
    return st.builds(lambda t, d: t + d, st.sampled_from(times), st.sampled_from([0, 0, 1e-3, -1e-3, .007]))


def positions(n): return st.one_of(st.none(), st.integers(-n - 3, n + 3))


def items(n):
    "Indices and slices, some of them out of range."
    slices = st.builds(slice, positions(n), positions(n), st.one_of(st.none(), st.integers(-5, 5).filter(bool)))
    return st.one_of(st.integers(-n - 2, n + 1), st.builds(np.int64, st.integers(-n, n - 1)), slices)


def chosen(times, skip, start, end):
    "Numbers of the frames that a plain list would give."
    return [n for n, t in enumerate(times) if start <= t and (end is None or t < end)][::skip]


def check_item(ds, item, numbers, pictures):
    "A dataset answers as the list `numbers` does, with the right pictures."
    try: wanted = numbers[item]
    except IndexError:
        pytest.raises(IndexError, ds.__getitem__, item)
        return
    got = ds[item]
    assert np.array_equal(got["Frame"], wanted)
    for image, n in zip(got["Image"] if isinstance(item, slice) else [got["Image"]], np.atleast_1d(wanted), strict=True): np.testing.assert_array_equal(image.numpy(), pictures[n])


@many(120)
@given(st.data())
def test_frames_by_index(films, data):
    count()
    path, times, pictures = films[data.draw(st.sampled_from(RECIPES))]
    skip = data.draw(st.sampled_from([1, 1, 2, 3, 7, 50]))
    start, end = data.draw(st.one_of(st.just(0), moments(times))), data.draw(st.one_of(st.none(), moments(times)))
    numbers = chosen(times, skip, start, end)
    if not numbers or start < 0:
        with pytest.raises(ValueError): VideoDataset(path, skip, start, end)
        return
    with VideoDataset(path, skip, start, end) as ds:
        assert ds.video_frames.tolist() == numbers and len(ds) == len(numbers)
        np.testing.assert_allclose(ds.time, [times[n] for n in numbers], atol=1e-9)
        for item in data.draw(st.lists(items(len(numbers)), min_size=1, max_size=5)): check_item(ds, item, numbers, pictures)
        assert ds.damage is None


@many(40)
@given(st.data())
def test_frames_after_copies_and_pauses(films, data):
    "Pickled, copied or closed between two accesses, a dataset goes on as if nothing had been."
    count()
    path, times, pictures = films[data.draw(st.sampled_from(RECIPES))]
    numbers, ds = list(range(len(times))), VideoDataset(path)
    for _ in range(data.draw(st.integers(1, 4))):
        check_item(ds, data.draw(items(len(numbers))), numbers, pictures)
        do = data.draw(st.sampled_from(["close", "pickle", "copy", "nothing"]))
        if do == "close": ds.close()
        if do == "pickle": ds = pickle.loads(pickle.dumps(ds))
        if do == "copy": ds = copy.copy(ds)
    ds.close()


@many(40)
@given(st.data())
def test_batches_are_the_frames_in_order(films, data):
    count()
    path, times, pictures = films[data.draw(st.sampled_from(RECIPES))]
    skip, size, first = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 60)), data.draw(st.integers(0, len(times) + 1))
    tolerant = data.draw(st.booleans())
    ds, found = VideoDataset(path, skip), []
    for where, images in ds.batches(size, first, tolerant=tolerant): found += zip(ds.video_frames[where].tolist(), images, strict=True)
    assert [n for n, _ in found] == list(range(len(times)))[::skip][first:]
    for n, image in found: np.testing.assert_array_equal(image, pictures[n])


# --- results ----------------------------------------------------------------------------------------------------------

@st.composite
def invented(draw, most=12):
    "A result of `demo_features`, or frames from the middle of it."
    ds = demo_features(draw(st.integers(1, most)), draw(st.integers(0, 4)), draw(st.integers(0, 99)), draw(st.booleans()))
    first, step = draw(st.integers(0, ds.sizes["frame"])), draw(st.integers(1, 3))
    return ds.isel(frame=slice(first, None, step))


@st.composite
def arranged(draw):
    "A result with persons, faces of nobody, gaps, and measurements that failed."
    frames, people, others = draw(st.integers(1, 8)), draw(st.integers(0, 3)), draw(st.integers(0, 2))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    shape = frames, people + others
    there = rng.random(shape) < draw(st.sampled_from([.3, .9]))
    gap = lambda values, where=there: np.where(where.reshape(*shape, *[1] * (np.ndim(values) - 2)), values, np.nan)
    corner = rng.uniform(-50, 600, (*shape, 2))
    label = np.broadcast_to([*range(people), *[np.nan] * others], shape)
    marks = there & (rng.random(shape) < .9)
    aus = marks & (rng.random(shape) < .9)
    return build_features(frame=np.cumsum(rng.integers(1, 9, frames)), time=np.cumsum(rng.uniform(.01, 1, frames)),
        face_box=gap(np.concatenate([corner, corner + rng.uniform(5, 90, corner.shape)], -1)), face_prob=gap(rng.random(shape)),
        face_landmarks=gap(rng.normal(200, 50, (*shape, 68, 2)), marks), face_aus=gap(rng.random((*shape, 20)), aus), face_label=gap(label),
        face_confidence=gap(rng.random(shape) + 0 * label), n_detected=there.sum(1), attrs=demo_features(1, 0).attrs)


RESULTS = st.one_of(invented(), arranged())
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@many(60)
@given(RESULTS)
def test_results_are_in_order(ds):
    count()
    assert check_features(ds) == []


@many(40)
@given(RESULTS, WORDS, st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True), st.one_of(WORDS, st.integers(-2**40, 2**40), st.floats(allow_nan=False)), max_size=3))
def test_what_is_saved_is_loaded(ds, title, own):
    count()
    ds = ds.assign_attrs(own | dict(title=title))
    before = ds.copy(deep=True)
    with tempfile.TemporaryDirectory() as folder:
        again = load(save(ds, Path(folder) / "a.nc"))
        assert os.listdir(folder) == ["a.nc"]
    assert again.identical(ds) and ds.identical(before)
    assert {n: v.dtype for n, v in again.variables.items()} == {n: v.dtype for n, v in ds.variables.items()}


@many(40)
@given(RESULTS)
def test_a_table_has_a_row_for_each_face(ds):
    count()
    faces, empty = int(ds.n_detected.sum()), int((ds.n_detected == 0).sum())
    table = to_table(ds)
    assert len(table) == faces + empty and len(to_table(ds, keep_empty=False)) == faces
    assert table.face_prob.notna().sum() == faces and table.frame.is_monotonic_increasing
    assert table.frame.nunique() == ds.sizes["frame"]
    assert table.AU12.sum() == pytest.approx(float(ds.face_aus.sel(au="AU12").sum()), rel=1e-4, abs=1e-4)
    with tempfile.TemporaryDirectory() as folder: assert len(pd.read_csv(to_csv(ds, Path(folder) / "a.csv"))) == len(table)


# --- corrections ------------------------------------------------------------------------------------------------------

def persons(ds): return [int(slot) for slot, yes in zip(ds.face.values, person_slots(ds.face_box, ds.face_label)) if yes]


def frames_of(ds, slot): return ds.frame.values[np.isfinite(ds.face_prob.sel(face=slot).values)]


@st.composite
def any_step(draw, ds):
    "A correction that fits `ds`; splits too."
    seen = [slot for slot in persons(ds) if len(frames_of(ds, slot))]
    if seen and draw(st.integers(0, 3)) == 0:
        slot = draw(st.sampled_from(seen))
        frames = draw(st.lists(st.sampled_from(frames_of(ds, slot).tolist()), min_size=1, max_size=4))
        return split_faces, (slot, frames)
    return draw(steps(ds))


@pytest.mark.slow
@many(25)
@given(st.data())
def test_corrections_lose_nothing(data):
    original = data.draw(RESULTS)
    assume(original.sizes["face"] and original.sizes["frame"])
    count()
    ds, wanted = original, detections(original)
    for _ in range(data.draw(st.integers(1, 6))):
        function, arguments = data.draw(any_step(ds))
        ds = function(ds, *arguments)
        np.testing.assert_array_equal(detections(ds), wanted)
        assert check_features(ds) == []
        assert ds.n_detected.identical(original.n_detected)
    assert replay_history(original, ds).identical(ds)
    assert len(to_table(ds)) == len(to_table(original))
    with tempfile.TemporaryDirectory() as folder: loaded = load(save(ds, Path(folder) / "a.nc"))
    assert loaded.identical(ds) and replay_history(original, loaded).identical(ds)


def who(ds): return ds.face_label.drop_attrs().drop_vars("face_name")


@pytest.mark.slow
@many(30)
@given(RESULTS, st.data())
def test_corrections_can_be_taken_back(ds, data):
    "Exchanged twice, renamed there and back, split and merged again, everybody is where they were."
    assume(len(persons(ds)) > 1)
    count()
    a, b = data.draw(st.permutations(persons(ds)))[:2]
    twice = swap_faces(swap_faces(ds, a, b), b, a)
    assert who(twice).identical(who(ds)) and twice.face_box.identical(ds.face_box)
    name = str(ds.face_name.sel(face=a).values)
    there_and_back = rename_faces(rename_faces(ds, {a: "Somebody else"}), {"Somebody else": name})
    assert there_and_back.face_name.identical(ds.face_name) and who(there_and_back).identical(who(ds))
    if len(mine := frames_of(ds, a)):
        apart = split_faces(ds, a, data.draw(st.lists(st.sampled_from(mine.tolist()), min_size=1)), "Twin")
        assert who(merge_faces(apart, a, "Twin")).identical(who(ds))
