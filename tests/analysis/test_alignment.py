"Averages around events find what was put there, and their intervals hold what they promise."
import numpy as np
import pytest
from scipy import stats

from mexca_video import demo_features
from mexca_video.analysis.alignment import MISSING, align_to_events, list_lags, mean_interval
from mexca_video.analysis.events import add_events
from mexca_video.schema import build_features

ONSETS = (2.0, 5.0, 8.0, 11.0)


def with_values(values, onsets=ONSETS, names=None, **options):
    "A result in which every unit of a face is `values`, (frame, face), with jokes at the onsets. Nobody ever leaves."
    n_frames, n_faces = np.shape(values)
    demo = demo_features(n_frames, n_faces)
    arrays = {name: np.nan_to_num(demo[name].values) for name in ("face_box", "face_prob", "face_landmarks", "face_confidence")}
    ds = build_features(
        frame=demo.frame, time=demo.time, attrs=demo.attrs, **arrays, face_label=np.tile(np.arange(n_faces), (n_frames, 1)),
        face_aus=np.broadcast_to(np.asarray(values, float)[..., None], (n_frames, n_faces, 20)), n_detected=[n_faces] * n_frames, face_name=names)
    return add_events(ds, [dict(onset=onset, type="joke") for onset in onsets], **options)


@pytest.fixture
def ramp():
    "The time itself, and for the second person twice that."
    time = np.arange(75) * 0.2
    return with_values(np.stack([time, 2 * time], 1))


def test_values_at_lags(ramp):
    found = align_to_events(ramp, "joke", (-1, 2))
    assert found["mean"].dims == ("face_name", "event", "lag") and found.lag.values.tolist() == pytest.approx(list_lags((-1, 2), .2))
    np.testing.assert_allclose(found["mean"][0, 0], np.mean(ONSETS) + found.lag, atol=1e-5)
    np.testing.assert_allclose(found["mean"][1, 0], 2 * (np.mean(ONSETS) + found.lag), atol=1e-5)
    want = stats.t.interval(.95, 3, np.mean(ONSETS), stats.sem(ONSETS))
    np.testing.assert_allclose([found.low.sel(lag=0, method="nearest")[0, 0], found.high.sel(lag=0, method="nearest")[0, 0]], want, atol=1e-5)
    assert (found.n == 4).all() and (found.occurrences == 4).all() and (found.share_missing == 0).all()
    from_zero = align_to_events(ramp, "joke", (-1, 2), baseline=(-0.2, 0))
    np.testing.assert_allclose(from_zero["mean"][0, 0], from_zero.lag + .2, atol=1e-5)
    np.testing.assert_allclose(from_zero.low, from_zero.high, atol=1e-4)


def test_several_units_and_other_variables(ramp):
    found = align_to_events(ramp, what=["AU12", "AU04"])
    assert found["mean"].dims == ("face_name", "event", "au", "lag") and found.au.values.tolist() == ["AU12", "AU04"]
    np.testing.assert_allclose(found.sel(au="AU04")["mean"], align_to_events(ramp)["mean"])
    np.testing.assert_allclose(align_to_events(ramp, what=ramp.face_aus.sel(au="AU12") * 3)["mean"], 3 * align_to_events(ramp)["mean"], rtol=1e-6)
    people = align_to_events(ramp, what=["AU12", "AU04"], over="people")
    assert people["mean"].dims == ("event", "au", "lag")


def test_over_people(ramp):
    found = align_to_events(ramp, "joke", over="people")
    each = align_to_events(ramp, "joke")
    np.testing.assert_allclose(found["mean"], each["mean"].mean("face_name"))
    assert (found.n == 2).all() and found.occurrences.item() == 8 and found.attrs["over"] == "people"
    want = stats.t.interval(.95, 1, found["mean"].values, stats.sem(each["mean"].values, axis=0))
    np.testing.assert_allclose([found.low, found.high], want)


def test_several_films():
    one = with_values(np.ones((75, 1)), names=["Ann"])
    two = with_values(np.full((75, 1), 3.), names=["Ben"])
    three = with_values(np.full((75, 1), 3.), ONSETS[:2], names=["Ann"])
    found = align_to_events([one, two, three])
    assert found.face_name.values.tolist() == ["Ann", "Ben"] and found.occurrences.values.ravel().tolist() == [6, 4]
    np.testing.assert_allclose(found["mean"].sel(face_name="Ann"), 10 / 6)
    assert found.attrs["films"] == 3
    table = align_to_events([one, two], [dict(onset=3.0, type="stimulus")])
    assert table.event.values.tolist() == ["stimulus"] and table.occurrences.values.tolist() == [[1], [1]]
    assert np.isnan(table.low).all() and (table.n == 1).all()


def test_what_is_missing_and_why():
    values = np.ones((75, 1))
    values[25:27] = np.nan  # at the second joke
    ds = with_values(values, (0.4, *ONSETS[1:]))
    ds = add_events(ds, [dict(onset=8, end=8.4, type="door")], exclude="door")
    gap = ds.isel(frame=np.r_[0:55, 58:75])  # without the frames at the fourth
    found = align_to_events(gap, "joke", (-1, 1), baseline=(-.4, 0)).isel(face_name=0, event=0)
    at = lambda name, lag: float(found[name].sel(lag=lag, method="nearest"))
    assert at("share_not_measured", 0) == .25 and at("share_excluded", 0) == .25 and at("share_not_analysed", 0) == .25
    assert at("share_not_analysed", -1) == .25 and at("n", 0) == 1
    np.testing.assert_allclose(sum(found[f"share_{why}"] for why in MISSING), found.share_missing)
    np.testing.assert_array_equal(found.n, found.occurrences * (1 - found.share_missing))
    without = align_to_events(ds, "joke", (0, 1), baseline=(0, .2)).isel(face_name=0, event=0)
    assert float(without.share_no_baseline.sel(lag=1, method="nearest")) == .5


def test_lags_between_frames():
    "Onsets fall between frames: a frame belongs to the lag that it is nearest to."
    ds = with_values(np.arange(75)[:, None] * .2, (2.05, 5.11))
    found = align_to_events(ds, window=(-.4, .4)).isel(face_name=0, event=0)
    np.testing.assert_allclose(found["mean"].sel(lag=0, method="nearest"), (2.0 + 5.2) / 2, atol=1e-5)


def test_overlapping_windows_are_counted():
    ds = with_values(np.ones((75, 1)), (2, 3, 9))
    assert align_to_events(ds, window=(-1, 3)).attrs["overlapping"] == 1
    assert align_to_events(ds, window=(0, 1)).attrs["overlapping"] == 0


@pytest.mark.parametrize("method, units, low, high", [("t", 4, .93, .97), ("t", 20, .93, .97), ("bootstrap", 50, .92, .97)])
def test_intervals_hold_the_truth(method, units, low, high):
    "Share of 1000 made-up studies of which the 95 % interval holds the true mean."
    values = np.random.default_rng(units).normal(3, 2, (units, 1000))
    _, bottom, top, n = mean_interval(values, method, draws=500)
    assert low < ((bottom < 3) & (top > 3)).mean() < high and (n == units).all()


def test_interval_of_what_is_missing():
    values = np.array([[1, 1, np.nan], [3, np.nan, np.nan]])
    for method in ("t", "bootstrap"):
        mean, low, high, n = mean_interval(values, method)
        np.testing.assert_array_equal(mean, [2, 1, np.nan])
        assert n.tolist() == [2, 1, 0] and np.isnan(low[1:]).all() and low[0] <= 2 <= high[0]
    assert mean_interval(np.zeros((0, 3)))[3].tolist() == [0, 0, 0]
    assert mean_interval(np.zeros((0, 3)), "bootstrap")[3].tolist() == [0, 0, 0]


def test_wrong_arguments(ramp):
    for arguments, words in ((dict(events="pun"), "the types are 'joke'"), (dict(window=(1, 1)), "no lags"), (dict(over="frames"), "'occurrences' or 'people'"),
                             (dict(method="median"), "'t' or 'bootstrap'"), (dict(what="AU99"), "no action unit 'AU99'"), (dict(level=95), "between 0 and 1"),
                             (dict(baseline=(-9, -8)), "no lag of the window"), (dict(what=ramp.time), "frame and face"), (dict(events=[dict(x=1)]), "need onset")):
        with pytest.raises(ValueError, match=words): align_to_events(ramp, **arguments)
    with pytest.raises(ValueError, match="no events"): align_to_events(demo_features())
    with pytest.raises(ValueError, match="empty list"): align_to_events([])
