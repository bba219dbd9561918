"The comparison with what people have coded: known answers, broken tables, faces that count, and photographs of known expressions."
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from mexca_video import (
    FaceExtractor,
    check_features,
    demo_features,
    draw_action_units,
    draw_au_map,
    draw_frame,
    load,
    sample_path,
    save,
    share_safe,
)
from mexca_video.cli import main
from mexca_video.faces.action_units import LEAST_FACE_SIZE, find_worth
from mexca_video.review.accuracy import (
    draw_accuracy,
    draw_people,
    measure_labels,
    read_aus,
    read_labels,
    score_aus,
    validate_aus,
)
from mexca_video.schema import AU_NAMES, STATUS, WORTHS, mark_aus

from places import SHARED

LONDON = SHARED / "faces" / "london"
needs_london = pytest.mark.skipif(not (LONDON / "index.csv").is_file(), reason="../shared/faces/london is not here: 102 people, neutral and smiling")
NOWHERE = dict(frame=np.nan, start=np.nan, end=np.nan, x=np.nan, y=np.nan)


def made_up(n=120, people=30, seed=0):
    "A study in which AU12 follows its labels, AU04 does not, and AU01 was never measured."
    random = np.random.default_rng(seed)
    study = pd.DataFrame({f"measured_{au}": np.full(n, np.nan) for au in AU_NAMES} | dict(person=random.integers(0, people, n).astype(str)))
    for au, skill in (("AU12", 0.8), ("AU04", 0), ("AU01", np.nan)):
        study[au] = random.integers(0, 6, n).astype(float)
        study[f"measured_{au}"] = skill * study[au] / 5 + random.normal(0, 0.2, n)
    return study


@pytest.fixture
def pictures(tmp_path):
    for name in "ab": (tmp_path / f"{name}.jpg").write_bytes(b"")
    return tmp_path


def written(folder, *lines):
    path = folder / "labels.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_numbers_are_those_of_scikit_learn_and_of_an_analysis_of_variance():
    study = made_up()
    table = score_aus(study, 0.4, least_intensity=2).set_index(["au", "measure"]).value
    for au in ("AU12", "AU04"):
        truth, score = study[au] >= 2, study[f"measured_{au}"]
        assert table[au, "AUC"] == pytest.approx(roc_auc_score(truth, score))
        assert table[au, "F1"] == pytest.approx(f1_score(truth, score > 0.4))
        assert table[au, "r"] == pytest.approx(np.corrcoef(study[au], score)[0, 1])
        both = np.stack([study[au] / 5, score])
        between = 2 * both.mean(0).var(ddof=1)
        rest = ((both - both.mean(0) - both.mean(1, keepdims=True) + both.mean()) ** 2).sum() / (len(study) - 1)
        assert table[au, "ICC(3,1)"] == pytest.approx((between - rest) / (between + rest))


def test_what_cannot_be_computed_is_missing_and_counted():
    study = made_up()
    study.loc[:9, "AU04"] = np.nan  # not coded
    study.loc[20:24, "measured_AU12"] = np.nan  # no face
    table = score_aus(study)
    assert table[table.au == "AU01"].value.isna().all() and (table.missing[table.au == "AU01"] == 120).all()
    counts = table.drop_duplicates("au").set_index("au")[["pictures", "missing"]]
    assert counts.loc["AU04"].tolist() == [110, 0] and counts.loc["AU12"].tolist() == [115, 5]
    assert table.low.isna().equals(table.value.isna())


def test_a_unit_coded_as_there_or_not_has_no_correlation():
    study = made_up()
    study["AU12"] = (study.AU12 > 2).astype(float)
    assert set(score_aus(study[study.columns.drop(["AU01", "AU04"])]).measure) == {"AUC", "F1"}


def test_intervals_hold_the_value_and_follow_the_seed():
    study = made_up()
    table = score_aus(study)
    known = table[table.value.notna()]
    assert ((known.low <= known.value) & (known.value <= known.high)).all() and (known.low < known.high).sum() == 7
    assert score_aus(study).equals(table) and not score_aus(study, seed=1).low.equals(table.low)
    alone = score_aus(study.assign(person="one"))
    assert alone.low.isna().all() and alone.value.equals(table.value)


def test_people_are_drawn_with_all_of_their_pictures():
    weights = draw_people(list("AABCC"), 500)
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all() and weights.mean(0) == pytest.approx(np.ones(5), abs=0.1)


def test_more_pictures_of_the_same_people_are_not_more_people():
    study = made_up()
    once, often = score_aus(study), score_aus(pd.concat([study] * 4, ignore_index=True))
    np.testing.assert_allclose(once[["value", "low", "high"]].astype(float), often[["value", "low", "high"]].astype(float), atol=1e-9)


@pytest.mark.parametrize("words, wanted", [
    (["happy", "neutral"], [("happy", "neutral")]),
    (["happy", "angry"], [("happy", "angry")]),
    (["happy", "sad", "neutral"], [("happy", "others"), ("happy", "neutral"), ("sad", "others"), ("sad", "neutral")]),
    (["happy", "sad", "angry"], [("angry", "others"), ("happy", "others"), ("sad", "others")]),
    (["happy"], []),
])
def test_expressions_are_told_from_the_others_and_from_neutral(words, wanted):
    study = made_up().drop(columns=["AU01", "AU04", "AU12"])
    study["expression"] = np.resize(words, len(study))
    table = score_aus(study)
    assert list(dict.fromkeys(zip(table.label, table.against))) == wanted
    assert set(table.au) == ({"AU04", "AU12"} if wanted else set())


def test_what_people_write_is_read(pictures):
    path = written(pictures, "file,person,age,au1,AU12,expression,start,end", "a.jpg, P1 ,30,,B,happy,0.5,2", "b.jpg,P2,31,1,0,,,")
    labels = read_labels(path)
    assert labels.person.tolist() == ["P1", "P2"] and labels.AU12.tolist() == [2, 0] and labels.expression.tolist() == ["happy", ""]
    assert np.isnan(labels.AU01[0]) and labels.AU01[1] == 1 and labels.start[0] == 0.5 and "age" not in labels
    assert labels.path.tolist() == [str(pictures / "a.jpg"), str(pictures / "b.jpg")]


@pytest.mark.parametrize("lines, message", [
    (["file,AU12", "a.jpg,1"], r"labels.csv: there is no column 'person' \(found: file, AU12\)"),
    (["file;person;AU12", "a.jpg;P;1"], "separated by commas"),
    (["file,person,age", "a.jpg,P,30"], "nothing is coded"),
    (["file,person,AU12"], "there is no row"),
    (["file,person,AU99", "a.jpg,P,1"], "column 'AU99' is none of the action units"),
    (["file,person,AU12", "a.jpg,P,1", "b.jpg,P,7"], "labels.csv: line 3, column 'AU12': '7' is not a number from 0 to 5"),
    (["file,person,AU12", "a.jpg,P,1", "", "b.jpg,P,?", ""], r"line 4, column 'AU12': '\?' is not"),
    (["file,person,AU12", "a.jpg,P,F"], "line 2, column 'AU12': 'F' is not"),
    (["file,person,AU12", "a.jpg,,1"], "line 2, column 'person': it is empty"),
    (["file,person,AU12", ",P,1"], "line 2, column 'file': it is empty"),
    (["file,person,AU12", "a.jpg,P,1", "c.jpg,P,0"], "line 3, column 'file': there is no c.jpg"),
    (["file,person,start,end,AU12", "a.jpg,P,2,1,1"], "line 2, column 'end': the piece ends before"),
    (["file,person,start,AU12", "a.jpg,P,one,1"], "line 2, column 'start': 'one' is not a number from 0"),
    (["file,person,frame,AU12", "a.jpg,P,1.5,1"], "line 2, column 'frame': this is not a whole number"),
    (["file,person,frame,end,AU12", "a.jpg,P,1,2,1"], "line 2, columns 'frame' and 'start'"),
    (["file,person,x,AU12", "a.jpg,P,1,1"], "line 2, columns 'x' and 'y'"),
])
def test_a_broken_table_says_where(pictures, lines, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message): read_labels(written(pictures, *lines))


def test_a_file_that_is_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv"): read_labels(tmp_path / "none.csv")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff\xe0 JFIF")
    with pytest.raises(ValueError, match="not a CSV in UTF-8"): read_labels(tmp_path / "picture.csv")


def test_the_largest_face_counts_or_the_one_at_the_point():
    ds = demo_features(n_frames=10, n_faces=2)
    ds.face_box.loc[dict(face=1, box_edge="x2")] += 30
    at = lambda **place: read_aus(ds, pd.Series(NOWHERE | place))
    frame = int(ds.frame[4])
    np.testing.assert_allclose(at(frame=frame), ds.face_aus.sel(frame=frame, face=1).values)
    x, y = ds.face_box.sel(frame=frame, face=0).values.reshape(2, 2).mean(0)
    np.testing.assert_allclose(at(frame=frame, x=x, y=y), ds.face_aus.sel(frame=frame, face=0).values)
    assert np.isnan(at(frame=frame, x=1, y=1)).all()
    ds.status.loc[dict(frame=frame, face=1)] = STATUS["doubtful"]
    np.testing.assert_allclose(at(frame=frame), ds.face_aus.sel(frame=frame, face=0).values)


def test_a_piece_of_a_clip_is_averaged():
    ds = demo_features(n_frames=40, n_faces=1)
    piece = ds.sel(frame=(ds.time >= 0.4) & (ds.time <= 1.2))
    found = read_aus(ds, pd.Series(NOWHERE | dict(start=0.4, end=1.2)))
    np.testing.assert_allclose(found, piece.face_aus.sel(face=0).mean("frame").values, rtol=1e-5)
    assert np.isnan(read_aus(demo_features(n_faces=0), pd.Series(NOWHERE))).all()


class Recorder:
    "In the place of an extractor: says what it was asked for."
    def __init__(self): self.asked = []

    def apply(self, path, show_progress, process_subclip):
        self.asked.append((path.rsplit("/")[-1], process_subclip))
        return demo_features(n_frames=20, n_faces=1)


def test_every_file_is_measured_once_and_only_where_it_is_coded(pictures):
    path = written(pictures, "file,person,start,end,AU12", "a.jpg,P,1,2,1", "b.jpg,P,,,0", "a.jpg,P,3,4,0")
    recorder = Recorder()
    assert len(measure_labels(path, recorder)) == 3
    assert recorder.asked == [("a.jpg", (1.0, 5.0)), ("b.jpg", (0, None))]


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    "Three of the package's photographs."
    folder = tmp_path_factory.mktemp("coded")
    lines = [f"{sample_path('joy')},joy,,1", f"{sample_path('anger')},anger,,0", f"{sample_path('surprise')},surprise,,0"]
    (folder / "labels.csv").write_text("\n".join(["file,person,frame,AU12", *lines]), encoding="utf-8")
    return folder / "labels.csv"


def test_photographs_through_the_command(coded, capsys):
    table, figure = coded.with_name("table.csv"), coded.with_name("figure.png")
    assert main(["validate", str(coded), "-o", str(table), "--figure", str(figure)]) == 0
    assert "AU12" in capsys.readouterr().out and figure.stat().st_size > 1000
    found = pd.read_csv(table).set_index("measure")
    assert found.value["AUC"] == 1 and found.people["AUC"] == 3 and found.positive["AUC"] == 1
    assert draw_accuracy(found.reset_index()).get_xlabel().startswith("AUC")


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["validate", str(written(tmp_path, "file,person,AU12", "a.jpg,P,1"))]) == 1
    assert "line 2, column 'file': there is no a.jpg" in capsys.readouterr().err


def london(step):
    "Every so many people."
    index = pd.read_csv(LONDON / "index.csv")
    return index[index.person.isin(index.person.unique()[::step])].assign(file=lambda table: [str(LONDON / name) for name in table.file])


@needs_london
@pytest.mark.numeric
def test_every_tenth_person_smiles():
    table = validate_aus(london(10), FaceExtractor.embedded())
    auc = table[(table.au == "AU12") & (table.measure == "AUC")].iloc[0]
    assert auc.value >= 0.94 and auc.people == 11 and auc.pictures == 22 and auc.missing == 0


@needs_london
@pytest.mark.slow
def test_everybody_smiles():
    table = validate_aus(LONDON / "index.csv").set_index(["au", "measure"])
    assert table.value["AU12", "AUC"] >= 0.94 and table.high["AU12", "AUC"] > 0.95 and table.people["AU12", "AUC"] == 102
    assert table.value["AU10", "AUC"] == pytest.approx(0.83, abs=0.02) and table.value["AU07", "AUC"] == pytest.approx(0.77, abs=0.02)


# --- What a unit is worth ---------------------------------------------------------------------------------------------------


def test_a_result_of_the_embedded_set_says_what_its_units_are_worth(features, tmp_path):
    worth = dict(zip(AU_NAMES, find_worth("blendshapes")))
    assert dict(zip(features.au.values, features.au_worth.values)) == worth and check_features(features) == []
    measured = features.face_aus.notnull().any(["frame", "face"])
    assert (features.au_worth[~measured] == "none").all() and set(LEAST_FACE_SIZE) == set(features.au.values[measured])
    assert load(save(features, tmp_path / "result.nc")).identical(features)
    assert share_safe(features).au_worth.identical(features.au_worth)
    assert features.sel(au=["AU10"]).au_worth.item() == "none"


@pytest.mark.parametrize("model", ["xgb", "svm", None])
def test_nothing_is_said_of_units_of_which_nothing_is_known(model):
    assert find_worth(model) is None


def test_a_wrong_word_is_noticed():
    ds = demo_features()
    ds = ds.assign_coords(au_worth=("au", ["excellent", *ds.au_worth.values[1:]], ds.au_worth.attrs))
    assert check_features(ds) == [f"'au_worth' says excellent, not {', '.join(WORTHS)}."]


def test_figures_mark_doubtful_units(features):
    import matplotlib.pyplot as plt

    first = draw_action_units(features, ["AU12", "AU10"])
    assert [ax.get_ylabel().split("\n")[0] for ax in first] == ["AU12", "AU10*"]
    assert "* of doubtful or no worth" in " ".join(first[0].get_legend().get_title().get_text().split())
    assert "*" not in draw_action_units(features, "AU12").get_legend().get_title().get_text()
    rows = draw_au_map(features)[0].get_yticklabels()
    assert [row.get_text() for row in rows] == mark_aus(features, AU_NAMES)
    ax = draw_frame(features, None, int(features.frame[0]), aus=["AU12", "AU04"])
    texts = [text.get_text() for text in ax.texts]
    assert any("AU04* " in text and "AU12 " in text for text in texts) and any(text.startswith("* of doubtful") for text in texts)
    assert not any("*" in text.get_text() for text in draw_frame(features.drop_vars("au_worth"), None, int(features.frame[0]), aus=["AU04"]).texts)
    plt.close("all")
