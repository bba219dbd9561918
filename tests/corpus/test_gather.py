"Tables of a corpus, ratings, and the object that opens it."
import csv
import os
import resource
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from corpora import many, study, write_corpus

from mexca_video import (
    add_events,
    apply_ratings,
    demo_features,
    find_episodes,
    gather,
    load,
    methods,
    open_corpus,
    to_table,
)
from mexca_video.analysis.summaries import summarize
from mexca_video.corpus import gather as module

QUICK = dict(of="AU12", draws=20)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    "A study and its tables."
    out = study(tmp_path_factory.mktemp("gathered") / "out")
    return out, {name: pd.read_parquet(path) for name, path in gather(out, frames=True, **QUICK).items()}


def test_every_video_has_a_row_with_its_manifest(gathered):
    out, tables = gathered
    videos = tables["videos"]
    assert videos.id.tolist() == [f"v{k}" for k in range(7)] and videos.participant.tolist()[:2] == ["01", "01"]
    assert videos.state.tolist() == ["done"] * 5 + ["failed", "waiting"] and "no film" in videos.error[5]
    assert videos.age.dtype == "int64" and videos.frames[:5].eq(24).all() and videos.frames[5:].isna().all()
    assert videos.people_found[:5].tolist() == [1, 2, 1, 2, 1] and videos.coverage.max() <= 1


def test_people_and_episodes_are_those_of_each_result(gathered):
    out, tables = gathered
    for table, make in (("people", lambda ds: summarize(ds, of="AU12", draws=20)), ("episodes", find_episodes)):
        for id, rows in tables[table].groupby("id"):
            alone = make(load(out / "results" / f"{id}.nc"))
            both = rows[list(alone)].reset_index(drop=True)
            pd.testing.assert_frame_equal(both, alone, check_dtype=False)
        assert {"participant", "condition", "age", "video", "rating"} <= set(tables[table])
    assert len(tables["people"]) == 7


def test_frames_are_a_folder_of_tables(gathered):
    out, tables = gathered
    rows = sum(len(to_table(load(path))) for path in (out / "results").glob("*.nc"))
    assert len(tables["frames"]) == rows and tables["frames"].participant.isin(["01", "02", "03"]).all()
    gather(out, frames=True, **QUICK)
    assert len(list((out / "tables" / "frames").iterdir())) == 5


def test_csv_holds_the_same_and_no_formula_runs(tmp_path):
    out = write_corpus(tmp_path / "out", {"a": demo_features(20, 1)}, {"a": {"remark": "=1+1", "=head": "x"}})
    same = gather(out, format="csv", **QUICK)
    other = gather(out, **QUICK)
    for name in same:
        one = pd.read_csv(same[name], keep_default_na=False, dtype=str)
        two = pd.read_parquet(other[name])
        assert len(one) == len(two) and one["remark"].eq("'=1+1").all() and two["remark"].eq("=1+1").all()
        assert [column.lstrip("'") for column in one] == list(two)
    assert "'=head" in pd.read_csv(same["videos"])


def test_columns_of_the_same_name_are_kept(tmp_path):
    "Whatever columns a manifest has, none of them and none of ours is lost."
    mine = {name: f"my {name}" for name in ("state", "rating", "mean", "frames", "face_name", "of", "coverage", "onset")}
    out = write_corpus(tmp_path / "out", {"a": demo_features(20, 1)}, {"a": mine})
    tables = {name: pd.read_parquet(path) for name, path in gather(out, **QUICK).items()}
    for name, ours in (("videos", ["state", "frames", "coverage"]), ("people", ["mean", "of", "face_name"])):
        for column in mine: assert (tables[name].get(f"manifest_{column}", tables[name].get(column)) == f"my {column}").all()
        for column in ours: assert (tables[name][column] != f"my {column}").all()
    assert open_corpus(out).videos.coverage[0] < 1.01


def test_events_are_columns_beside_those_of_the_manifest(tmp_path):
    "Some videos have events and some have none, and the manifest has a column of that name."
    plain = demo_features(40, 1)
    marked = add_events(plain, pd.DataFrame(dict(onset=[1.0, 4.0], duration=[1.0, 1.0], type=["a", "b"])))
    out = write_corpus(tmp_path / "out", {"x": plain, "y": marked}, {"x": dict(event="mine"), "y": dict(event="yours")})
    people = pd.read_parquet(gather(out, **QUICK)["people"])
    assert people.groupby("id").manifest_event.unique().map(list).to_dict() == {"x": ["mine"], "y": ["yours"]}
    assert people.event.fillna("").tolist() == ["", "", "a", "b"]
    tree = open_corpus(out).tree()
    xr.testing.assert_identical(tree["y"].to_dataset().load().drop_encoding(), load(out / "results" / "y.nc"))
    tree.close()


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(tmp_path):
    out = study(tmp_path / "out")
    (out / "results" / "v1.nc").write_bytes(b"nothing")
    (out / "results" / "v2.nc").unlink()
    (out / "records" / "v3.json").write_text("{")
    with pytest.warns(UserWarning, match="no rows in people: of='AU99'"):
        paths = gather(out, of="AU99")
    videos = pd.read_parquet(paths["videos"])
    assert videos.state.tolist() == ["done", "unreadable", "unreadable", "unreadable", "done", "failed", "waiting"]
    assert videos.error[1:4].str.len().gt(10).all() and str(tmp_path) not in videos.error.str.cat()
    assert not len(pd.read_parquet(paths["people"])) and set(pd.read_parquet(paths["episodes"]).id) <= {"v0", "v4"}
    with pytest.warns(UserWarning, match="v0 and 1 more: no rows in people: of='AU99'"):
        assert set(pd.read_parquet(gather(out, of=["AU99", "AU12"], draws=5)["people"]).of) == {"AU12"}
    assert "3 were damaged" in methods(out).methods


def test_nothing_is_done_at_all(tmp_path):
    out = write_corpus(tmp_path / "out", {"a": None})
    tables = {name: pd.read_parquet(path) for name, path in gather(out).items()}
    assert [len(table) for table in tables.values()] == [1, 0, 0] and "condition" not in tables["people"]
    assert methods(out).methods.startswith("The corpus has 1 video.") and not methods(out).references
    assert len(list(open_corpus(out).results())) == 0 and not open_corpus(out).tree().children


def test_tables_are_written_piece_by_piece(tmp_path, monkeypatch):
    "The rows in memory stay few, and the table is the same."
    out = study(tmp_path / "out")
    several = dict(of=["AU12", "AU06", "AU01"], draws=5)
    whole = pd.read_parquet(gather(out, **several)["people"])
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 5)
    most = []
    write = module.GrowingTable.write
    monkeypatch.setattr(module.GrowingTable, "write", lambda t: (most.append(sum(map(len, t.waiting))), write(t))[1])
    pd.testing.assert_frame_equal(pd.read_parquet(gather(out, **several)["people"]), whole)
    assert len(whole) == 21 and max(most) <= 10


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    out = study(tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"nowhere.*corpus\.csv is not there"): gather(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="format='xlsx' is unknown"): gather(out, format="xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "mexca_video\[export\]"'): gather(out)
    assert not (out / "tables").exists()
    monkeypatch.undo()
    gather(out, format="csv", **QUICK)


@pytest.mark.parametrize("id", ["../x", "", ".hidden", "a/b", "a b", "con:", "x\ny"])
def test_ids_that_are_no_names_of_files_are_refused(tmp_path, id):
    (tmp_path / "corpus.csv").write_text("")
    with open(tmp_path / "corpus.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "video"], [id, "a.mp4"]])
    with pytest.raises(ValueError, match="not safe as the name of a file|the id is empty"): module.list_videos(tmp_path)


def rated(folder, text):
    (folder / "mine.tsv").write_text(text, encoding="utf-8")
    return folder / "mine.tsv"


@pytest.mark.parametrize("format", module.FORMATS)
def test_ratings_are_marked_in_every_table(tmp_path, format):
    out = study(tmp_path / "out")
    before = gather(out, format=format, **QUICK)
    read = pd.read_parquet if format == "parquet" else lambda path: pd.read_csv(path, keep_default_na=False, dtype=str)
    plain = {name: read(path) for name, path in before.items()}
    apply_ratings(out, rated(tmp_path, 'id\trating\tnote\r\nv1\texclude\tshe said "no"\r\nv0\tkeep\t=1+1\r\nv2\t\tlook again\r\n'))
    for name, path in before.items():
        table = read(path)
        assert table.rating[table.id == "v1"].eq("exclude").all() and table.rating[table.id == "v3"].eq("").all()
        pd.testing.assert_frame_equal(table.drop(columns=["rating", "note"], errors="ignore"),
                                      plain[name].drop(columns=["rating", "note"], errors="ignore"))
    note = read(before["videos"]).note
    assert note[1:3].tolist() == ['she said "no"', "look again"] and note[0] == ("'=1+1" if format == "csv" else "=1+1")
    assert gather(out, format=format, **QUICK) == before and read(before["videos"]).note.equals(note)
    assert open_corpus(out).select(rating="exclude").videos.id.tolist() == ["v1"]
    apply_ratings(out, rated(tmp_path, "id\trating\n"))
    assert read(before["people"]).rating.eq("").all()


@pytest.mark.parametrize("text, said", [
    ("id\trating\nv9\tkeep\n", "line 2: 'v9' is no id"),
    ("id\trating\nv1\tKEEP\n", "line 2: 'v1' has the rating 'KEEP'; use keep, doubtful, exclude"),
    ("id\trating\nv1\tkeep\nv1\texclude\n", "line 3: 'v1' is there twice"),
    ("id,rating\nv1,keep\n", "it needs id and rating, with tabs between"),
])
def test_wrong_ratings_are_refused_and_nothing_changes(tmp_path, text, said):
    out = study(tmp_path / "out")
    apply_ratings(out, rated(tmp_path, "id\trating\nv0\tkeep\n"))
    with pytest.raises(ValueError, match=said): apply_ratings(out, rated(tmp_path, text))
    assert open_corpus(out).videos.rating[0] == "keep"
    (tmp_path / "latin.tsv").write_bytes("id\trating\tnote\nv1\tkeep\tZoë\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not text in UTF-8"): apply_ratings(out, tmp_path / "latin.tsv")
    with pytest.raises(FileNotFoundError, match="is not there"): apply_ratings(out, tmp_path / "none.tsv")


def test_videos_are_selected_by_their_columns(gathered):
    corpus = open_corpus(gathered[0])
    assert corpus.select(condition="a", participant=["01", "02"]).videos.id.tolist() == ["v0", "v2"]
    assert corpus.select(coverage=lambda share: share > 0).videos.id.tolist() == [f"v{k}" for k in range(5)]
    assert len(corpus.select(age=21)) == 1 and "5 done, 1 failed, 1 waiting" in repr(corpus)
    with pytest.raises(ValueError, match="there is no column 'contition'; there are id, video"): corpus.select(contition="a")
    with pytest.raises(ValueError, match="no video has condition='c'; there are 'a', 'b'"): corpus.select(condition="c")
    with pytest.raises(KeyError, match="'v9' is not in this corpus"): corpus.path("v9")


def test_the_tree_is_lazy_and_equal(gathered):
    out = gathered[0]
    tree = open_corpus(out).tree(by=("condition", "participant"))
    node = tree["b/02/v3"]
    assert not node.face_landmarks.variable._in_memory and sorted(tree.children) == ["a", "b"]
    xr.testing.assert_identical(node.to_dataset().load().drop_encoding(), load(out / "results" / "v3.nc"))
    with pytest.raises(ValueError, match="tree: there is no column 'group'"): open_corpus(out).tree(by="group")
    tree.close()


def open_files(): return len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to count open files")
def test_a_thousand_results_take_few_files_and_little_memory(tmp_path):
    out = many(tmp_path / "out", 1000)
    before = open_files()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    corpus = open_corpus(out)
    assert open_files() == before
    tree = corpus.tree(by="condition")
    assert len(tree.leaves) == 1000 and 0 < open_files() - before <= 140
    means = [float(node.face_aus.sel(au="AU12").mean()) for node in tree.leaves[::50]]
    assert np.ptp(means) == 0 and open_files() - before <= 140
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown < 400_000, "KiB"
    tree.close()


def test_no_warning_comes_from_our_own_code(tmp_path):
    out = study(tmp_path / "out")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gather(out, **QUICK)
        open_corpus(out).tree().close()
