"Means of series whose memory is known: how often do intervals hold the truth?"
import numpy as np
import pandas as pd
import pytest

from mexca_video import demo_features, summarize
from mexca_video.analysis.summaries import average_people, bootstrap_interval, estimate_error, mean_interval, to_grid


def ar1(n, rho, many, seed):
    "(many, n) series of mean 0 and variance 1."
    out = np.random.default_rng(seed).normal(size=(many, n))
    for i in range(1, n): out[:, i] = rho * out[:, i - 1] + np.sqrt(1 - rho**2) * out[:, i]
    return out


def torn(series):
    "With a stretch and single values missing."
    n = series.shape[1]
    series = series.copy()
    series[:, n // 5 : n // 5 + n // 7] = series[:, 7::17] = np.nan
    return series


def coverage(interval, series):
    return np.mean([low <= 0 <= high for low, high in map(interval, series)])


def draw_blocks(values): return bootstrap_interval(values, draws=299)


@pytest.mark.parametrize("interval", [mean_interval, draw_blocks])
def test_intervals_hold_the_mean(interval):
    "Quick: 200 series; three standard errors are 4.6 per cent."
    assert 0.9 <= coverage(interval, torn(ar1(1000, 0.8, 200, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("interval", [mean_interval, draw_blocks])
@pytest.mark.parametrize("n, rho", [(1500, 0.0), (1500, 0.5), (1500, 0.8), (1500, 0.9), (500, 0.8)])
@pytest.mark.parametrize("gaps", [False, True])
def test_coverage_in_1000_runs(interval, n, rho, gaps):
    series = ar1(n, rho, 1000, 2)
    assert 0.93 <= coverage(interval, torn(series) if gaps else series) <= 0.97


def test_effective_size():
    for rho in (0.0, 0.5, 0.8):
        sizes = [estimate_error(x).effective_size for x in torn(ar1(2000, rho, 40, 3))]
        known = np.isfinite(torn(np.zeros((1, 2000)))).sum()
        assert np.median(sizes) == pytest.approx(known * (1 - rho) / (1 + rho), rel=0.3)


def test_thinning_does_not_change_the_error():
    series = ar1(4000, 0.98, 20, 4)
    whole, thin = (np.mean([estimate_error(x).standard_error for x in part]) for part in (series, series[:, ::10]))
    assert thin == pytest.approx(whole, rel=0.1)


def test_what_cannot_be_known_is_nan():
    for values in ([], [1.0], [np.nan] * 9, [2.0] * 9):
        assert np.isnan(estimate_error(values).standard_error)
        assert np.isnan(bootstrap_interval(np.array(values))).all()


def test_frames_of_unequal_length_weigh_by_time():
    time = np.r_[np.arange(0, 10, 0.1), np.arange(10, 20, 0.2)]
    _, grid = to_grid(time, np.where(time < 10, 0.0, 1.0))
    assert np.nanmean(grid) == pytest.approx(0.5, abs=0.01) and np.isfinite(grid).all()


def test_rows_and_reasons():
    ds = demo_features(n_frames=200, n_faces=3)
    ds = ds.assign_coords(event=("frame", np.where(ds.time < 15, "a", "b")))
    table = summarize(ds, of=["AU12", "presence"])
    assert len(table) == 3 * 2 * 2 and set(table.event) == {"a", "b"}
    aus = table[table["of"] == "AU12"]
    absent = aus[["status_absent", "status_no_face", "status_landmarks_failed"]].sum(axis=1)
    assert np.allclose(aus.missing, absent)
    assert (table[table["of"] == "presence"].missing == 0).all()
    assert aus.episodes.sum() <= summarize(ds, "face_name", "AU12").episodes.sum()
    assert table.equals(summarize(ds, of=["AU12", "presence"]))


def test_a_result_without_people_or_frames():
    assert len(summarize(demo_features(n_frames=0), of="AU12")) == 0
    assert len(summarize(demo_features(n_faces=0), of="AU12")) == 0
    assert summarize(demo_features(n_frames=1), of="AU12").n.tolist() == [1, 1]


def test_people_are_the_units():
    table = pd.DataFrame(dict(face_name=["Ada", "Ada", "Ben", "Eve"], of="AU12", mean=[0.0, 1.0, 0.3, np.nan]))
    [row] = average_people(table).itertuples()
    assert (row.people, row.without, row.value) == (2, 1, pytest.approx(0.4))


def test_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match="mood"): summarize(demo_features(), ("face_name", "mood"))
    with pytest.raises(ValueError, match="average_people"): summarize(demo_features(), "event")
