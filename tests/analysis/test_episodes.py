"Episodes of signals whose onsets and lengths are known."
import warnings

import numpy as np
import pytest

from mexca_video import demo_features, find_episodes
from mexca_video.analysis.episodes import (
    EPISODE_COLUMNS,
    count_episodes,
    find_blinks,
    find_nods,
    find_sections,
    read_series,
)


def made_up(time, values, **more):
    "A result of one person with these values of AU12."
    ds = demo_features(n_frames=len(time), n_faces=1).assign_coords(time=("frame", time))
    ds = ds.assign({name: ds[name].fillna(ds[name].median("frame")) for name in ("face_prob", "face_label", "face_box")})
    ds.face_aus.loc[dict(au="AU12")] = np.asarray(values)[:, None]
    return ds.assign(more)


def smooth_signal(seed, fps=25):
    "Time, values, and number of episodes of 0.8 to 3 s with pauses of at least 1 s."
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(0.8, 3, 20)
    starts = 1 + np.arange(20) * 4.7 + rng.uniform(0, 0.5, 20)
    t = np.arange(int(100 * fps)) / fps
    return t, sum(np.tanh((t - a) / 0.2) / 2 - np.tanh((t - a - d) / 0.2) / 2 for a, d in zip(starts, lengths)), lengths


@pytest.mark.parametrize("seed", [0, 1])
def test_count_and_length_are_the_same_with_fewer_frames(seed):
    t, values, lengths = smooth_signal(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of steps
        for every in (1, 2, 3, 5, 7, 10):
            found = find_episodes(made_up(t[::every], values[::every]), off=0.5)
            assert len(found) == len(lengths)
            assert abs(found.duration - lengths).max() < 0.15 and abs(found.duration - lengths).mean() < 0.05


def test_warns_of_few_frames():
    t, values, _ = smooth_signal(0)
    with pytest.warns(UserWarning, match="0.40 s apart"): find_episodes(made_up(t[::10], values[::10]))


def test_irregular_frames():
    t = np.cumsum(np.random.default_rng(0).choice([0.02, 0.04, 0.1], 1500))
    found = find_episodes(made_up(t, 0.5 - 0.5 * np.cos(2 * np.pi * t / 4)), off=0.5)
    inner = found[~(found.censored_start | found.censored_end)]
    assert abs(inner.duration - 2).max() < 0.02 and abs(inner.area - 2 * (0.5 + 1 / np.pi)).max() < 0.02
    assert abs(found.duration - found.area / found["mean"]).max() < 1e-9


def test_one_tremble_is_one_episode():
    "Around the threshold, plain runs are many; hysteresis leaves one."
    t = np.arange(500) / 25
    values = np.where((t > 5) & (t < 15), 0.5, 0) + np.random.default_rng(0).normal(0, 0.05, 500)
    assert len(find_episodes(made_up(t, values), off=0.5, max_gap=0, min_duration=0)) > 30
    assert len(find_episodes(made_up(t, values))) == 1


def test_low_values():
    t = np.arange(100) / 10
    values = np.where((t > 2) & (t < 4), 0.1, 0.3)
    [row] = find_episodes(made_up(t, values), on=0.2, off=0.25).itertuples()
    assert row.peak == pytest.approx(0.1) and 0.1 <= row.mean <= 0.15 and row.duration == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("gap, number", [(2, 1), (3, 2)])  # frames without a value, 0.1 s each
def test_gaps(gap, number):
    t = np.arange(100) / 10
    values = np.where((t > 2) & (t < 7), 0.9, 0.1)
    values[40 : 40 + gap] = np.nan
    found = find_episodes(made_up(t, values), max_gap=0.3)
    assert len(found) == number and found.censored_start.sum() == found.censored_end.sum() == number - 1


def test_frames_that_were_not_analysed_end_an_episode():
    t = np.r_[np.arange(50), np.arange(200, 250)] / 25
    found = find_episodes(made_up(t, np.full(100, 0.9)))
    assert found.ends.tolist() == ["missing", "clip"] and found.starts.tolist() == ["clip", "missing"]


def test_excluded_frames_are_missing():
    t = np.arange(100) / 25
    ds = made_up(t, np.full(100, 0.9)).assign_coords(excluded=("frame", ((t > 1) & (t < 2)).astype("int8")))
    assert find_episodes(ds).ends.tolist() == ["missing", "clip"]
    assert count_episodes(find_episodes(ds)).missing.iloc[0] == pytest.approx(0.24)


def test_nobody_and_nothing():
    for ds in (demo_features(n_frames=0), demo_features(n_frames=1), demo_features(n_faces=0)):
        found = find_episodes(ds)
        assert tuple(found.columns) == EPISODE_COLUMNS and not len(found) and len(count_episodes(found)) == ds.sizes["face"]
    assert find_sections(np.zeros(0), np.zeros(0, bool), np.zeros(0), 1) == []


def test_order_of_people_does_not_matter():
    ds = demo_features(n_frames=200, n_faces=3)
    turned = find_episodes(ds.isel(face=[2, 0, 1])).sort_values(["face", "onset"], ignore_index=True)
    assert turned.equals(find_episodes(ds).sort_values(["face", "onset"], ignore_index=True))


def test_and_or():
    ds = demo_features(n_frames=100)
    one, two = (read_series(ds, au).values for au in ("AU06", "AU12"))
    np.testing.assert_array_equal(read_series(ds, "AU06 or AU12"), np.maximum(one, two))
    np.testing.assert_array_equal(read_series(ds, "AU06 and AU12 or presence"), np.maximum(np.minimum(one, two), read_series(ds, "presence")))


@pytest.mark.parametrize("options, words", [
    (dict(on=0), "off="), (dict(min_duration=-1), "durations"), (dict(on=np.nan), "thresholds"),
    (dict(of="face_landmarks"), "dimensions"), (dict(of=lambda ds: 3), "DataArray"),
])
def test_bad_rules_are_refused(options, words):
    with pytest.raises(ValueError, match=words): find_episodes(demo_features(), **options)


def test_counts_need_what_was_observed():
    found = find_episodes(demo_features())
    found.attrs = {}
    with pytest.raises(ValueError, match="attrs"): count_episodes(found)


def eyes(openness, step=0.04):
    "A result of one person with this openness of both eyes."
    ds = demo_features(n_frames=len(openness), n_faces=1)
    ds = ds.assign_coords(time=("frame", step * np.arange(len(openness))))
    return ds.assign(eye_openness=ds.eye_openness.copy(data=np.repeat(np.asarray(openness, "float32")[:, None, None], 2, 2)))


def test_of_a_blink_one_end_is_seen():
    "Frames without a face before or after: the closure counts if the eyes are seen to close or to open, and nothing is warned of."
    openness = np.full(200, 0.3)
    for row in (40, 100, 150): openness[row:row + 5] = 0.05
    openness[95:100] = openness[105:110] = np.nan  # the second is seen between two gaps
    openness[155:160] = np.nan  # the third from its begin on
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", "frames are")
        found = find_blinks(eyes(openness))
    np.testing.assert_allclose(found.onset, [1.6, 6.0], atol=0.04)
    assert found.ends.tolist() == ["crossing", "missing"] and count_episodes(found).episodes.tolist() == [2]


def test_what_is_shorter_than_the_frames_are_apart_is_refused():
    ds = demo_features(n_frames=100)  # 0.2 s apart
    with pytest.raises(ValueError, match="frames are 0.20 s apart.*smaller skip_frames"): find_blinks(ds)
    with pytest.warns(UserWarning, match="frames are 0.20 s apart"): find_nods(ds)
    with pytest.raises(ValueError, match="at most 1 s"): find_nods(ds.isel(frame=slice(None, None, 2)))
    for few in (0, 1): assert not len(find_blinks(demo_features(n_frames=few)))
