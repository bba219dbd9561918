"The blind check on made-up results, where the truth is known: chances, estimates, intervals, answers and files."
import io
import json
import os
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mexca_video import demo_features, load, load_checks, rename_faces, sample_checks, save, save_checks, score_checks
from mexca_video.cli import _say_in_one_line
from mexca_video.extraction.doubts import RULES, DoubtWarning, describe_doubts, note_doubts
from mexca_video.review.validation import MAX_FILE, exact_interval
from mexca_video.schema import STATUS, build_features
from mexca_video.validators import check_features


def made_up(sure):
    "A result at 25 frames a second; `sure`: (frame, face) confidence, NaN where nobody is."
    there = np.isfinite(sure)
    fill = lambda *more: np.where(there.reshape(*there.shape, *[1] * len(more)), np.ones((*there.shape, *more)), np.nan)
    return build_features(frame=np.arange(len(sure)), time=np.arange(len(sure)) / 25, face_box=fill(4) * [0, 0, 9, 9], face_prob=fill(),
        face_landmarks=fill(68, 2), face_aus=fill(20), face_label=np.where(there, np.arange(sure.shape[1]), np.nan), face_confidence=sure, n_detected=there.sum(1))


def spans(run, single, run_is_right):
    "A run of frames, then single frames more than a second apart; one of the two kinds is right."
    points = run + 40 * np.arange(1, single + 1)
    sure, right = np.full((points[-1] + 1, 1), np.nan), np.zeros((points[-1] + 1, 1), bool)
    sure[:run] = sure[points] = 0.9
    right[:run], right[points] = run_is_right, not run_is_right
    return made_up(sure), right


def draw(ds, n, seed=0, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sample_checks(ds, n, seed, **options)


def answer(checks, right):
    return checks.assign(box_right=np.where(right[checks.frame, checks.face], "yes", "no"), same_person="yes")


def total(checks, ds, question="box_right"):
    return score_checks(checks, ds).set_index(["question", "band"]).loc[(question, "all")]


@pytest.fixture(scope="module")
def film():
    "Two people for 40 seconds; the confidence of each goes up and down, and they leave."
    time = np.arange(1000) / 25
    sure = np.stack([0.6 + 0.35 * np.sin(time), 0.5 + 0.45 * np.cos(time / 3)], 1)
    sure[300:420, 0] = sure[::7, 1] = np.nan
    return made_up(sure)


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 40, 50])
@pytest.mark.parametrize("run, single, run_is_right", [(1000, 10, True), (250, 40, False)], ids=["flashes", "long mistake"])
def test_estimate_is_the_truth(run, single, run_is_right, n):
    ds, right = spans(run, single, run_is_right)
    truth = right[np.isfinite(ds.face_prob.values)].mean()
    totals = pd.DataFrame([total(answer(draw(ds, n, seed), right), ds) for seed in range(100)])
    assert abs(totals.precision.mean() - truth) < 0.02
    assert ((totals.low <= truth + 1e-9) & (truth - 1e-9 <= totals.high)).mean() >= 0.93


@pytest.mark.slow
def test_every_face_has_its_chance(film):
    "A face is drawn as often as its weight says: the weights, added up over many samples, are the same for all faces."
    there, seen = np.isfinite(film.face_prob.values), np.zeros(film.face_prob.shape)
    for seed in range(800):
        checks = draw(film, 60, seed)
        np.add.at(seen, (checks.frame.values, checks.face.values), checks.weight.values / 800)
    assert not seen[~there].any() and abs(seen[there].mean() - 1) < 1e-9
    for face in range(2):
        seconds = np.array([second[there[25 * i:25 * i + 25, face]].mean() for i, second in enumerate(seen[:, face].reshape(-1, 25)) if there[25 * i:25 * i + 25, face].any()])
        assert abs(seconds - 1).max() < 0.3


def test_weights_add_up_to_the_faces(film):
    for n in (3, 10, 60, 400):
        checks, table = draw(film, n), score_checks(draw(film, n), film)
        faces = table[(table.question == "box_right") & (table.band != "all")].set_index("band").faces
        assert np.allclose(checks.groupby("band").weight.sum(), faces[sorted(checks.band.unique())])


def test_bands_are_even_as_far_as_they_can():
    "A face with a low confidence is not pushed out by its neighbours."
    for place in (0, 487, 974):
        ds = made_up(np.where(np.arange(975) == place, 0.1, 0.9)[:, None])
        for seed in range(20):
            assert draw(ds, 20, seed).band.value_counts().to_dict() == {"0.75 to 1.00": 19, "0.00 to 0.25": 1}


def test_a_piece_gives_one_check(film):
    for apart in (0.5, 1, 3):
        checks = draw(film, 200, apart=apart)
        assert not checks.assign(piece=np.floor(checks.frame / 25 / apart + 1e-9)).duplicated(["face", "band", "piece"]).any()
    assert len(draw(film, 10 ** 6, apart=0)) == film.face_prob.notnull().sum()
    for apart in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="apart="): sample_checks(film, 5, apart=apart)


def test_too_few_are_announced(film):
    with pytest.warns(UserWarning, match=r"n=500: only \d+ checks"): checks = sample_checks(film, 500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(sample_checks(film, len(checks))) == len(checks)


def test_answers_are_tidied(film):
    checks = draw(film, 12).assign(same_person="yes", box_right=["yes", "no", ""] * 4)
    untidy = checks.assign(same_person=" Yes", box_right=["YES ", "No", np.nan] * 4)
    sheet = pd.read_csv(io.StringIO(untidy.to_csv(index=False)))
    for one in (untidy, sheet): pd.testing.assert_frame_equal(score_checks(one, film), score_checks(checks, film))
    assert total(untidy, film).checked == 8 and total(untidy, film).left == 4


@pytest.mark.parametrize("wrong", ["n", "maybe", 1, True, ["no"]])
def test_other_answers_are_refused(film, wrong):
    checks = draw(film, 12).assign(box_right="yes")
    checks["box_right"] = pd.Series(["yes"] * 5 + [wrong] + ["yes"] * 6, dtype=object)
    with pytest.raises(ValueError, match="box_right in row 5 is"): score_checks(checks, film)


def test_weights_must_be_there(film):
    checks = draw(film, 12).assign(box_right="yes")
    with pytest.raises(ValueError, match="there is no weight.*Draw new checks"): score_checks(checks.drop(columns="weight"), film)
    for weight in (0, -1, np.nan, np.inf, "many"):
        with pytest.raises(ValueError, match="weight in row 0"): score_checks(checks.assign(weight=weight), film)


def test_nobody_to_compare_with_is_not_counted():
    "A person with a single face is never asked about, so the answer is not about that face."
    sure = np.full((500, 2), 0.9)
    sure[:, 1] = np.nan
    sure[100, 1] = 0.9
    ds = made_up(sure)
    checks = draw(ds, 40).assign(same_person="yes", box_right="yes")
    assert total(checks, ds).faces == 501 and total(checks, ds, "same_person").faces == 500
    assert (checks.references.map(len) > 0).equals(checks.face == 0)


def test_interval_by_the_binomial():
    "The ends are where so few or so many successes have a chance of 2.5 %."
    from scipy.stats import binom

    for k, n in [(1, 3), (17, 20), (49, 50)]:
        low, high = exact_interval(k, n)
        assert np.allclose([binom.sf(k - 1, n, low), binom.cdf(k, n, high)], 0.025)
    assert exact_interval(0, 7)[0] == 0 and exact_interval(7, 7)[1] == 1 and np.isnan(exact_interval(0, 0)).all()


def test_file_there_and_back(film, tmp_path):
    checks = draw(film, 12).assign(box_right="no")
    save_checks(checks, film, tmp_path / "a.json")
    pd.testing.assert_frame_equal(load_checks(tmp_path / "a.json", film), checks)


def test_file_of_before(film, tmp_path):
    "It can be read, is told about, and gives no precision."
    checks = draw(film, 12).assign(box_right="no").drop(columns="weight")
    save_checks(checks, film, tmp_path / "a.json")
    with pytest.warns(UserWarning, match="no weight.*score_checks refuses"): old = load_checks(tmp_path / "a.json", film)
    pd.testing.assert_frame_equal(old, checks)
    with pytest.raises(ValueError, match="there is no weight"): score_checks(old, film)


@pytest.mark.parametrize("change", [dict(frame=10 ** 6), dict(frame="1"), dict(frame=True), dict(face=9), dict(face=None), dict(band=1), dict(weight="1"), dict(weight=0),
    dict(weight=float("nan")), dict(references="1"), dict(references=[[1]]), dict(references=[-1]), dict(box_right="No?"), dict(same_person=None), dict(same_person=["yes"])], ids=str)
def test_other_values_in_a_file(film, tmp_path, change):
    path = tmp_path / "a.json"
    save_checks(draw(film, 3), film, path)
    held = json.loads(path.read_text())
    held["checks"][2].update(change)
    path.write_text(json.dumps(held))
    with pytest.raises(ValueError, match="a.json: this is not a file of checks"): load_checks(path, film)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "\0", "[" * 10 ** 5, '{"result": [], "checks": {}}'], ids=ascii)
def test_other_files(film, tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="a.json: th"): load_checks(path, film)


def test_other_rows_in_a_file(film, tmp_path):
    path = tmp_path / "a.json"
    save_checks(draw(film, 3), film, path)
    for rows in ([], {}, [1], {"a": 1}, "text", None):
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(checks=rows)))
        with pytest.raises(ValueError, match="not a file of checks"): load_checks(path, film)


def test_large_and_odd_files(film, tmp_path):
    path = tmp_path / "a.json"
    with open(path, "wb") as file: file.truncate(MAX_FILE + 1)
    with pytest.raises(ValueError, match="more than the"): load_checks(path, film)
    with pytest.raises(ValueError, match="not an ordinary file"): load_checks(tmp_path, film)
    with pytest.raises(FileNotFoundError): load_checks(tmp_path / "none.json", film)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.json") # reading it would wait for ever
        with pytest.raises(ValueError, match="not an ordinary file"): load_checks(tmp_path / "pipe.json", film)


# --- doubts about the whole ---------------------------------------------------------------------------------------------

def crowded(n_faces=3, n_people=1, width=60.0, **arguments):
    "A result of 100 frames in which only the first `n_people` of the faces have a person."
    there = np.ones((100, n_faces))
    ds = made_up(there * 0.9)
    ds["face_box"] = ds.face_box * 0 + np.array([0, 0, width, width], "f4")
    ds.face_label[:, n_people:], ds.status[:, n_people:] = np.nan, STATUS["unassigned"]
    return ds.assign_attrs(arguments=json.dumps(arguments), identification="people: 1")


def test_nothing_is_said_of_a_sound_result():
    for n in (2, 5): assert describe_doubts(demo_features(n_faces=n)) == []
    assert describe_doubts(crowded(2, 2)) == [] and describe_doubts(demo_features(n_frames=0)) == []


@pytest.mark.parametrize("make, says", [
    (lambda: demo_features(n_faces=0), "No face was found in 48 frames"),
    (lambda: demo_features(n_faces=0).assign_attrs(arguments='{"min_face_size": 80}'), "smaller than min_face_size=80?"),
    (lambda: crowded(num_faces=1), "200 of 300 faces belong to nobody: up to 3 faces are in a frame, and num_faces=1."),
    (lambda: crowded(num_faces=None), "200 of 300 faces belong to nobody."),
    (lambda: crowded(num_faces=5), "200 of 300 faces belong to nobody."),
    (lambda: crowded(n_people=0).assign_attrs(identification="faces stay without identity: num_faces=9, but only 3 faces were detected."),
     "300 of 300 faces belong to nobody: num_faces=9, but only 3 faces were detected."),
    (lambda: crowded(3, 3, width=45.9), "300 of 300 faces are under 46 pixels wide (the narrowest 46)"),
    (lambda: crowded(3, 3, width=20), "300 of 300 faces are under 46 pixels wide (the narrowest 20)"),
    (lambda: crowded(3, 3).assign_attrs(video_turned=270), "The picture seems to be turned; rotate=270 would put it upright."),
])
def test_one_doubt_one_sentence(make, says):
    found = describe_doubts(make())
    assert len(found) == 1 and found[0].startswith(says.rstrip("?")) or says in found[0]
    assert found[0].endswith((".", "?")) and "\n" not in found[0]


@pytest.mark.parametrize("frames, says", [(49, ["Faces were found in only 49 of 100 frames."]), (50, [])])
def test_few_frames(frames, says):
    sure = np.full((100, 1), np.nan)
    sure[:frames] = 0.9
    assert describe_doubts(made_up(sure).assign(face_box=lambda ds: ds.face_box * 10)) == says


@pytest.mark.parametrize("wrong, said", [(2, 0), (3, 1)])
def test_single_detections_are_not_worth_a_sentence(wrong, said):
    "Two faces of a hundred are not; three are."
    ds = crowded(1, 1)
    ds.status[:wrong, 0] = STATUS["landmarks_failed"]
    assert len(describe_doubts(ds)) == said


def test_status_words_that_this_version_does_not_know():
    "Words and numbers are those of the Dataset; a doubtful detection is not counted as a face of nobody too."
    ds = crowded(2, 1)
    ds.status.attrs.update(flag_meanings="ok absent doubtful no_presence", flag_values=np.array([0, 1, 7, 9], "int8"))
    ds.status[:, 0], ds.status[:, 1] = 9, 7
    ds.face_box[:, 1] /= 6 # a detection that is no face may be small
    assert describe_doubts(ds) == ["100 of 200 detections have too little evidence to be faces (status doubtful).",
        "100 of 200 detections show no face to the face mesh, so they have no landmarks and action units (status no_presence)."]
    assert "100 faces" in _say_in_one_line(ds)
    ds.status[:, 0] = 7
    assert [line.split(":")[0] for line in describe_doubts(ds)] == ["No face was found in 100 frames", "200 of 200 detections have too little evidence to be faces (status doubtful)."]
    del ds.status.attrs["flag_values"], ds.status.attrs["flag_meanings"]
    ds.status[:] = STATUS["aus_failed"]
    assert "(status aus_failed)" in describe_doubts(ds)[-1]


def test_doubts_stand_in_the_result_and_name_nobody(tmp_path):
    ds = rename_faces(crowded(num_faces=1), {0: "Ada"}).assign_attrs(video_file="ada at home.mp4")
    with pytest.warns(DoubtWarning, match="^ada at home.mp4: 200 of 300 faces") as said: noted = note_doubts(ds)
    assert len(said) == 1 and noted.attrs["doubts"] == "\n".join(describe_doubts(ds)) and "doubts" not in ds.attrs
    assert "ada" not in noted.attrs["doubts"].lower()
    assert load(save(noted, tmp_path / "a.nc")).attrs["doubts"] == noted.attrs["doubts"]
    assert not [sentence for sentence in check_features(noted) if "doubts" in sentence]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert note_doubts(demo_features()).identical(demo_features())


def test_every_rule_has_its_case():
    "A rule that nothing here calls forth would be one that nobody tried."
    cases = [demo_features(n_faces=0), crowded(num_faces=1), crowded(3, 3, 20), crowded().assign_attrs(video_turned=90)]
    few = crowded()
    few.n_detected[10:] = 0
    failed = crowded()
    failed.status[:] = STATUS["aus_failed"]
    for rule in RULES: assert any(list(rule(ds, np.isfinite(ds.face_box.values).all(-1))) for ds in [*cases, few, failed]), rule.__name__


def test_two_results_in_one():
    from mexca_video.cli import summarize

    for dim, says in (("frame", "as after xr.concat"), ("video", "has the dimensions")):
        for read in (describe_doubts, summarize):
            with pytest.raises(ValueError, match=says): read(xr.concat([demo_features(), demo_features()], dim))
    with pytest.raises(ValueError, match="as after xr.concat"): describe_doubts(xr.concat([demo_features(), demo_features(n_faces=3)], "frame", join="outer"))


def test_old_names_warn():
    "list_odd_frames is now flag_frames; the old module has both of its old names."
    import mexca_video
    from mexca_video import checks
    from mexca_video.review.validation import flag_frames, list_intervals

    with pytest.warns(FutureWarning, match="flag_frames"): assert mexca_video.list_odd_frames is flag_frames
    with pytest.warns(FutureWarning, match="validation.flag_frames"): assert checks.list_odd_frames is flag_frames
    with pytest.warns(FutureWarning, match="list_intervals"): assert checks.list_stretches is list_intervals
    assert "list_odd_frames" not in mexca_video.__all__
    assert not hasattr(mexca_video, "nonsense")
