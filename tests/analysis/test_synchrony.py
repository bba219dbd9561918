"Pairs with a known lag, and pairs without any."
import numpy as np
import pytest

from mexca_video import demo_features, synchrony
from mexca_video.analysis.synchrony import (
    compare_to_chance,
    compare_viewers,
    correlate_windows,
    intersubject_correlation,
    simulate_pair,
    tabulate_synchrony,
)


def made_up(series, step=0.1, missing=()):
    "A result in which people have these values of AU12."
    n = series.shape[1]
    ds = demo_features(n_frames=n, n_faces=len(series)).assign_coords(time=("frame", step * np.arange(n)))
    ds = ds.assign({name: ds[name].fillna(ds[name].median("frame")) for name in ("face_prob", "face_label", "face_box")})
    ds.face_aus.loc[dict(au="AU12")] = series.T
    for slot, rows in missing: ds.face_aus[dict(face=slot, frame=rows)] = np.nan
    return ds


@pytest.mark.parametrize("lag", [-1.0, -0.3, 0.0, 0.5])
@pytest.mark.parametrize("memory", [0.3, 1.0])
def test_lag_and_leader(lag, memory):
    result = synchrony(made_up(simulate_pair(120, lag=lag, memory=memory)), "Person_1", "Person_2", window=5, number=39)
    assert result.best_lag == pytest.approx(lag, abs=0.11) and result.p_value <= 0.05
    assert result.leader == {-1: "Person_2", 0: "neither", 1: "Person_1"}[np.sign(lag)]


def alarms(memory, way, many, number=19):
    "Share of uncoupled pairs that are below 0.05."
    pairs = (simulate_pair(60, memory=memory, coupling=0, seed=1000 + seed) for seed in range(many))
    return np.mean([compare_to_chance(*pair, 50, 10, surrogates=way, number=number).p_value <= 0.05 for pair in pairs])


def test_uncoupled_pairs_quickly():
    assert alarms(0.5, "shift", 60) <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("way", ["shift", "segments"])
@pytest.mark.parametrize("memory", [0.1, 0.5, 2.0])
def test_uncoupled_pairs(memory, way):
    "1,000 pairs: three standard errors of 5 per cent are 2.1."
    assert 0.025 <= alarms(memory, way, 1000) <= 0.075


def test_missing_values_are_counted():
    series = simulate_pair(120)
    full = synchrony(made_up(series), "Person_1", "Person_2", window=5, number=19)
    result = synchrony(made_up(series, missing=[(1, slice(300, 500))]), "Person_1", "Person_2", window=5, number=19)
    assert full.windows_missing == 0 and result.windows_missing >= 6 and result.missing_b == pytest.approx(1 / 6)
    lost = result.correlation.isnull().all("lag")
    assert (result.known.where(lost).max("lag").max() < 0.75) and result.best_lag == pytest.approx(0.5, abs=0.11)


def test_irregular_frames():
    t, series = np.arange(1200) * 0.1, simulate_pair(120, lag=0.5)
    keep = np.sort(np.random.default_rng(0).choice(1200, 1000, replace=False))
    ds = made_up(series[:, keep]).assign_coords(time=("frame", t[keep]))
    assert synchrony(ds, "Person_1", "Person_2", window=5, number=19).best_lag == pytest.approx(0.5, abs=0.21)


def test_two_results():
    series = simulate_pair(120, lag=0.4)
    first, second = made_up(series[:1]), made_up(series[1:])
    second = second.assign_coords(face_name=("face", ["Ben"]))
    result = synchrony(first, "Person_1", "Ben", window=5, other=second, number=19)
    assert result.best_lag == pytest.approx(0.4, abs=0.11)
    with pytest.raises(ValueError, match="share 0.0 s"): synchrony(first, "Person_1", "Ben", other=second.assign_coords(time=second.time + 500))


def test_who_does_not_move():
    "Nothing is claimed of a face at rest."
    series = simulate_pair(120)
    series[1] = 0
    result = synchrony(made_up(series), "Person_1", "Person_2", window=5, number=19)
    assert np.isnan(result.p_value) and result.leader.startswith("not known") and result.windows_missing == result.windows
    assert np.isnan(tabulate_synchrony(result).strength[0])


def test_pseudo_pairs():
    strangers = [made_up(simulate_pair(120, coupling=0, seed=seed)) for seed in range(10, 20)]
    result = synchrony(made_up(simulate_pair(120)), "Person_1", "Person_2", window=5, surrogates=strangers, number=19)
    assert result.surrogates == 20 and result.p_value == pytest.approx(1 / 21)


@pytest.mark.parametrize("options, words", [
    (dict(b="Eve"), "b='Eve'"), (dict(window=100), "shorter window"), (dict(window=50), "surrogates"), (dict(surrogates="x"), "'segments'"),
])
def test_what_does_not_fit_is_refused(options, words):
    arguments = dict(a="Person_1", b="Person_2", window=5) | options
    with pytest.raises(ValueError, match=words): synchrony(made_up(simulate_pair(90)), **arguments)


def test_a_window_by_hand():
    x, y = simulate_pair(30)
    r, _ = correlate_windows(x, y, 40, 5, hop=3)
    expected = [[np.corrcoef(x[s : s + 40], y[s + lag : s + lag + 40])[0, 1] for lag in range(-5, 6)] for s in range(5, 256, 3)]
    np.testing.assert_allclose(r, expected, atol=1e-9)


def viewers(share, seed, n=6, seconds=60):
    film = simulate_pair(seconds, seed=1000 + seed)[0]
    return np.stack([share * film + np.sqrt(1 - share**2) * simulate_pair(seconds, seed=100 * seed + i)[0] for i in range(n)])


@pytest.mark.parametrize("way", ["shift", "phase"])
def test_viewers_of_one_film(way):
    table = intersubject_correlation([made_up(viewers(0.7, 1)[i : i + 2]) for i in (0, 2, 4)], surrogates=way, number=39)
    assert table.unit.tolist() == ["viewer"] * 6 + ["group"] and table.viewers.iloc[-1] == 6
    assert table.p_value.iloc[-1] <= 0.05 and table.correlation.iloc[-1] == pytest.approx(0.49 * np.sqrt(5) / np.sqrt(1 + 4 * 0.49), abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["shift", "phase"])
def test_viewers_with_nothing_in_common(way):
    "400 groups: three standard errors of 5 per cent are 3.3."
    assert 0.017 <= np.mean([compare_viewers(viewers(0, seed), way, 19)[3] <= 0.05 for seed in range(1, 401)]) <= 0.083


def test_a_viewer_who_was_not_seen():
    series = viewers(0.7, 2)
    series[0] = np.nan
    found, p, mean, _ = compare_viewers(series, number=19)
    assert np.isnan(found[0]) and np.isnan(p[0]) and mean > 0.4
    with pytest.raises(ValueError, match="three or more"): intersubject_correlation([made_up(series[1:3])])


def test_a_slot_of_nobody_is_no_person():
    ds = demo_features(n_frames=100, n_faces=2)
    ds["face_label"][:, 1] = np.nan
    ds = ds.assign_coords(face_name=("face", ["Ann", "Unassigned_1"]))
    with pytest.raises(ValueError, match="b='Unassigned_1': the result has the people Ann$"): synchrony(ds, "Ann", "Unassigned_1", window=2, max_lag=1)


def test_the_number_of_surrogates_is_another_argument():
    with pytest.raises(ValueError, match="surrogates=19: .*number= says how many"):
        synchrony(demo_features(n_frames=200, n_faces=2), "Person_1", "Person_2", window=2, max_lag=1, surrogates=19)
