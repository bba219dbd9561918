"Events arrive as other programs write them, and stand at the right frames whatever is done to the Dataset."
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexca_video import (
    check_features,
    demo_features,
    load,
    merge_faces,
    rename_faces,
    replay_history,
    save,
    share_safe,
    to_csv,
    to_table,
)
from mexca_video.analysis import events as module
from mexca_video.analysis.events import (
    add_events,
    included,
    list_events,
    mark_frames,
    read_events,
    remove_events,
    tidy_events,
)
from mexca_video.figures import draw_action_units, draw_timeline

DEMO = demo_features()
FILM = [dict(onset=1, end=3, type="happy film"), dict(onset=4, end=6, type="sad film"), dict(onset=1.4, type="joke", label="duck"),
        dict(onset=8, end=9, type="door")]


@pytest.fixture
def ds(): return add_events(DEMO, FILM, exclude="door")


def write(folder, name, text, encoding="utf-8"):
    (folder/name).write_bytes(text.encode(encoding))
    return folder/name


def rows(table, *columns):
    "A table as lists, unknown as None."
    return [[None if one != one else one for one in row] for row in table[list(columns)].to_numpy(object).tolist()]


SPAN = ("onset", "duration", "type")
TABLES = {
    "bids": ("sub-01_events.tsv", "onset\tduration\ttrial_type\tvalue\n1.2\t0.6\tgo\t7\n5.6\tn/a\tstop\tn/a\n2.0\t0\tn/a\tn/a\n0.5\t1\tnone\tn/a\n", "utf-8",
             [[.5, 1, "none"], [1.2, .6, "go"], [2, 0, "event"], [5.6, None, "stop"]]),
    "comma": ("a.csv", 'Start,Stop,Type,Comment\r\n0.5,2.25,joy,"a, b"\r\n', "utf-8-sig", [[.5, 1.75, "joy"]]),
    "german": ("a.csv", "onset;duration;type\n0,5;1,75;Freude\n", "cp1252", [[.5, 1.75, "Freude"]]),
    "utf-16": ("a.txt", "onset\tend\tcondition\n0.5\t2.25\tjoué\n", "utf-16", [[.5, 1.75, "joué"]]),
    "boris aggregated": ("a.csv", "Observation id,Observation date,Subject,Behavior,Modifier #1,Behavior type,Start (s),Stop (s),Duration (s)\n"
                                  "talk,2024-01-01,Anna,smile,,STATE,1.5,4.0,2.5\ntalk,2024-01-01,Anna,nod,,POINT,2.0,2.0,NA\n", "utf-8",
                         [[1.5, 2.5, "smile"], [2, 0, "nod"]]),
    "boris 7": ("a.tsv", "Observation id\ttalk\n\nMedia file(s)\nPlayer #1\tanna.mp4\n\nTime\tMedia file path\tSubject\tBehavior\tComment\tStatus\n"
                         "1.5\tanna.mp4\tAnna\tsmile\t\tSTART\n2.0\tanna.mp4\tAnna\tnod\t\tPOINT\n2.2\tanna.mp4\tBen\tsmile\t\tSTART\n"
                         "4.0\tanna.mp4\tAnna\tsmile\t\tSTOP\n4.5\tanna.mp4\tBen\tsmile\t\tSTOP\n", "utf-8",
                [[1.5, 2.5, "smile"], [2, 0, "nod"], [2.2, 2.3, "smile"]]),
    "boris 8": ("a.csv", "Observation id,Subject,Behavior,Behavior type,Time\ntalk,Anna,smile,START,1.5\ntalk,Anna,nod,POINT,2.0\n"
                         "talk,Anna,smile,STOP,4.0\n", "utf-8", [[1.5, 2.5, "smile"], [2, 0, "nod"]]),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables(tmp_path, kind):
    name, text, encoding, wanted = TABLES[kind]
    found = read_events(write(tmp_path, name, text, encoding))
    assert [[a, b if b is None else pytest.approx(b), c] for a, b, c in rows(found, *SPAN)] == wanted
    assert set(found.source) == {name}
    if "boris" in kind: assert found.subject[0] == "Anna"


WRONG = {
    "no onsets": ("a.csv", "when,what\n1,smile\n", "line 1: no column of onsets"),
    "words": ("a.csv", "onset,type\n1,a\nsoon,b\n", "line 3: the onset is 'soon'"),
    "decimal commas": ("a.csv", "onset,type\n1,5,smile\n", "line 2: 3 cells under a heading of 2"),
    "backwards": ("a.csv", "onset,end\n2,1\n", "line 2: it ends before it begins"),
    "no stop": ("a.csv", "Time,Behavior,Status\n1,smile,START\n", "line 2: 'smile' starts and never stops"),
    "no start": ("a.csv", "Time,Behavior,Status\n1,smile,STOP\n", "line 2: 'smile' stops and never started"),
    "other status": ("a.csv", "Time,Behavior,Status\n1,smile,UP\n", "line 2: the status is 'UP'"),
    "two observations": ("a.csv", "Observation id,Time,Behavior,Status\na,1,s,POINT\nb,1,s,POINT\n", "observations 'a', 'b'"),
    "no text": ("a.csv", "onset\0,type\n", "not a text file"),
    "entity": ("a.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>', "a DOCTYPE or an entity"),
    "other xml": ("a.eaf", "<svg/>", "not of ELAN"),
    "half": ("a.eaf", "<ANNOTATION_DOCUMENT>\n<TIER", "line 2: it is no whole XML"),
    "half grid": ("a.TextGrid", 'File type = "ooTextFile"\n"TextGrid" 0 1 <exists> 1 "IntervalTier" "a" 0 1 1 0', "the file ends where xmax"),
    "other kind": ("a.xlsx", "PK", "events are read from"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_name_file_and_line(tmp_path, case):
    name, text, words = WRONG[case]
    with pytest.raises(ValueError, match=words) as error: read_events(write(tmp_path, name, text))
    assert name in str(error.value)


def test_what_is_no_file_or_too_large(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no file"): read_events(tmp_path/"a.csv")
    monkeypatch.setattr(module, "MAX_EVENT_BYTES", 10)
    with pytest.raises(ValueError, match="more than the 10"): read_events(write(tmp_path, "a.csv", "onset,type\n1,a\n"))


def test_one_observation_is_chosen(tmp_path):
    text = "Observation id,Time,Behavior,Status\na,1,s,POINT\nb,2,s,POINT\n"
    assert rows(read_events(write(tmp_path, "a.csv", text), observation="b"), *SPAN) == [[2, 0, "s"]]


def test_elan_as_pympi_writes_it(tmp_path):
    elan = pytest.importorskip("pympi", reason="pympi-ling is not installed").Elan.Eaf()
    elan.remove_tier("default")
    elan.add_linguistic_type("part", constraints="Symbolic_Subdivision", timealignable=False)
    elan.add_tier("speech", part="Anna")
    elan.add_tier("words", ling="part", parent="speech")
    elan.add_annotation("speech", 500, 1500, "so was & mehr")
    elan.add_annotation("speech", 2000, 2001)
    elan.add_ref_annotation("words", "speech", 700, "so")
    elan.to_file(str(tmp_path/"a.eaf"))
    found = read_events(tmp_path/"a.eaf")
    assert rows(found[found.type == "speech"], "onset", "duration", "label", "subject") == [
        [.5, 1, "so was & mehr", "Anna"], [2, pytest.approx(.001), "", "Anna"]]
    assert rows(found[found.type == "words"], "onset", "duration", "label") == [[.5, 1, "so"]]


def test_elan_slots_without_a_time(tmp_path):
    slots = "".join(f'<TIME_SLOT TIME_SLOT_ID="t{k}"{time}/>' for k, time in enumerate([' TIME_VALUE="1000"', "", "", ' TIME_VALUE="4000"']))
    notes = "".join(f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{k}" TIME_SLOT_REF1="t{k}" TIME_SLOT_REF2="t{k + 1}"/></ANNOTATION>' for k in range(3))
    media = '<HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///x/b.mp4" TIME_ORIGIN="1500"/></HEADER>'
    text = f'<ANNOTATION_DOCUMENT>{media}<TIME_ORDER>{slots}</TIME_ORDER><TIER TIER_ID="w">{notes}</TIER></ANNOTATION_DOCUMENT>'
    with pytest.warns(UserWarning, match=r"offset 1\.5 for b\.mp4"): found = read_events(write(tmp_path, "a.eaf", text))
    assert rows(found, "onset", "duration") == [[1, 1], [2, 1], [3, 1]]


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_textgrid_as_praatio_writes_it(tmp_path, form, encoding):
    textgrid = pytest.importorskip("praatio", reason="praatio is not installed") and __import__("praatio.textgrid").textgrid
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("speech", [(.5, 1.5, 'sagt "ja"\n1.5 ! é'), (2, 2.25, "b")], 0, 5))
    grid.addTier(textgrid.PointTier("click", [(3.25, "x")], 0, 5))
    grid.save(str(tmp_path/"b.TextGrid"), form, includeBlankSpaces=True)
    text = (tmp_path/"b.TextGrid").read_text(encoding="utf-8")
    found = read_events(write(tmp_path, "a.TextGrid", text, encoding))
    assert rows(found, *SPAN, "label") == [[.5, 1, "speech", 'sagt "ja"\n1.5 ! é'], [2, .25, "speech", "b"], [3.25, 0, "click", "x"]]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([".csv", ".eaf", ".TextGrid"]), st.text(alphabet='onset,;\t\n"<>/= 0.1eATIER!é', max_size=200))
def test_garbage_is_answered(tmp_path_factory, ending, text):
    path = write(tmp_path_factory.mktemp("a"), f"a{ending}", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try: found = read_events(path)
        except ValueError as error: assert path.name in str(error) or "onset" in str(error)
        else: assert found.onset.is_monotonic_increasing


def test_frames_of_events(ds):
    at = lambda time: ds.isel(frame=int(np.argmin(abs(ds.time.values - time))))
    assert [at(t).event.item() for t in (.8, 1, 1.4, 1.6, 2.8, 3, 4.0, 8.2)] == [
        "", "happy film", "joke", "happy film", "happy film", "", "sad film", ""]
    assert at(1.6).event_time.item() == pytest.approx(.6) and np.isnan(at(.8).event_time.item())
    assert ds.time.values[~included(ds)].round(1).tolist() == [8, 8.2, 8.4, 8.6, 8.8]
    assert mark_frames(ds, "happy film").sum() == 10 and mark_frames(ds, ["joke", (0, .5)]).sum() == 4
    assert check_features(ds) == [] and DEMO.identical(demo_features())
    assert json.loads(ds.attrs["events"])[1] == {"onset": 1.4, "type": "joke", "label": "duck"}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40), st.sampled_from("abc")), min_size=1, max_size=8))
def test_the_last_one_that_began(entries):
    "Against a slow search through all events for each frame."
    table = [dict(onset=a/10, duration=b/10, type=kind) for a, b, kind in entries]
    ds = add_events(DEMO, table)
    for time, name, since in zip(ds.time.values.round(6), ds.event.values, ds.event_time.values):
        running = [one for one in table if one["onset"] <= time + 1e-6 and time < max(one["onset"] + one["duration"], one["onset"] + .2) - 1e-6
                   and (time < one["onset"] + one["duration"] - 1e-6 or not any(one["onset"] - 1e-6 <= t < time - 1e-6 for t in ds.time.values))]
        if not running: assert name == "" and np.isnan(since)
        else:
            last = max(one["onset"] for one in running)
            assert since == pytest.approx(max(time - last, 0), abs=1e-6) and name in {one["type"] for one in running if one["onset"] == last}


def test_clocks():
    late = DEMO.assign_attrs(video_start=0.5)
    with pytest.warns(UserWarning, match="clock='player'"): same = add_events(late, [dict(onset=2)])
    assert list_events(same).onset[0] == 2
    assert list_events(add_events(late, [dict(onset=2)], clock="player")).onset[0] == 1.5
    assert list_events(add_events(late, [dict(onset=2)], 3, clock="player")).onset[0] == 4.5
    with pytest.warns(UserWarning, match="1 of 2 events are outside"): add_events(DEMO, [dict(onset=2), dict(onset=99)])
    with pytest.raises(ValueError, match="in seconds"): add_events(DEMO, [dict(onset=2000)])


def test_events_are_added_replaced_and_removed(ds):
    more = add_events(ds, [dict(onset=7, type="end")])
    assert len(list_events(more)) == 5 and list_events(more).excluded.tolist() == [False] * 4 + [True]
    again = add_events(ds, list_events(ds), replace=True)
    for name in ("event", "event_time", "excluded"): assert again[name].identical(ds[name])
    bare = remove_events(ds)
    assert check_features(bare) == [] and bare.drop_attrs().identical(DEMO.drop_attrs()) and "events" not in bare.attrs
    with pytest.raises(ValueError, match="the types are 'happy film'"): remove_events(ds, "party")
    with pytest.raises(ValueError, match="exclude names 'pause'"): add_events(ds, FILM, exclude="pause")


def test_file_and_table_keep_events(ds, tmp_path):
    assert load(save(ds, tmp_path/"a.nc")).identical(ds)
    none = add_events(demo_features(0), [])
    assert load(save(none, tmp_path/"b.nc")).identical(none) and check_features(none) == []
    table = to_table(ds)
    assert table.columns[-3:].tolist() == ["event", "event_time", "excluded"]
    assert set(table.event.dropna()) == {"happy film", "joke", "sad film"}
    read = pd.read_csv(to_csv(add_events(DEMO, [dict(onset=1, end=2, type="=1+1")]), tmp_path/"a.csv"))
    assert set(read.event.dropna()) == {"'=1+1"}
    with pytest.raises(ValueError, match="the type 'NA'"): to_csv(add_events(DEMO, [dict(onset=1, end=2, type="NA")]), tmp_path/"a.csv")


def test_corrections_keep_events(ds):
    changed = merge_faces(rename_faces(ds, {"Person_1": "Ann"}), "Ann", "Person_2")
    assert changed.event.identical(ds.event) and check_features(changed) == []
    assert replay_history(ds, changed).identical(changed)
    assert replay_history(DEMO, changed).identical(changed)
    late = add_events(rename_faces(DEMO, {"Person_1": "Ann"}), FILM)
    assert replay_history(late, late.attrs["history"]).identical(late) and replay_history(DEMO, late).identical(late)


def test_events_are_replayed(ds):
    "What was added, moved, left out and removed, between corrections; also by way of a file's text."
    moved = add_events(ds, list_events(ds).assign(onset=lambda table: table.onset + 0.25), replace=True)
    more = rename_faces(add_events(moved, [dict(onset=0.1, end=0.3, type="Zoë's joke", label="tab\tquote\"")], offset=2), {0: "Zoë"})
    fewer = remove_events(more, "door")
    none = remove_events(fewer)
    for changed in (moved, more, fewer, none):
        assert replay_history(DEMO, changed).identical(changed) and replay_history(ds, changed).identical(changed)
    assert replay_history(moved, none.attrs["history"]).identical(none)
    thin = DEMO.isel(frame=slice(None, None, 2))
    again = replay_history(thin, fewer)
    assert list_events(again).equals(list_events(fewer)) and check_features(again) == []


def test_events_that_came_before_the_corrections(ds):
    "Corrections are replayed on a result with events of its own; other events than those of the history are refused."
    named = rename_faces(DEMO, {0: "Ann"})
    both = replay_history(ds, named)
    assert both.event.identical(ds.event) and both.face_name.values[0] == "Ann"
    with pytest.raises(ValueError, match="has events that the history does not begin with"):
        replay_history(add_events(DEMO, [dict(onset=1, type="other")]), ds)
    old = ds.assign_attrs(history='2026-01-01T00:00:00Z mexca_video.add_events {"events": 4, "types": {}}')
    with pytest.raises(ValueError, match="the line does not hold the events"): replay_history(DEMO, old)


def test_names_with_slashes_are_no_folders():
    ds = add_events(DEMO, [dict(onset=1, type="/ba/ and /pa/", label="/da/ /ka/")])
    assert check_features(ds) == []
    assert check_features(add_events(DEMO, [dict(onset=1, source="/home/ann/a.csv")]))


def test_shared_copy_names_nobody(ds, tmp_path):
    told = add_events(ds, [dict(onset=2, end=3, type="Ann speaks", label="secret", subject="Ann", source="ann.eaf")])
    safe = share_safe(told)
    text = json.dumps(safe.to_dict(), default=str)
    for word in ("Ann", "secret", "ann.eaf", "happy", "door", "duck"): assert word not in text, word
    assert check_features(safe) == [] and load(save(safe, tmp_path/"a.nc")).identical(safe)
    assert {*safe.event.values} == {"", "Event_1", "Event_2", "Event_3", "Event_4"}
    np.testing.assert_array_equal(safe.event_time, told.event_time)
    assert share_safe(safe).drop_attrs().identical(safe.drop_attrs())
    open_ = share_safe(told, keep_events=True)
    assert open_.event.identical(told.event) and "secret" not in json.dumps(open_.to_dict(), default=str)
    broken = share_safe(told.assign_attrs(events="[3"))
    assert "events" not in broken.attrs and {*broken.event.values} == {""}


def test_figures_show_events(ds):
    import matplotlib.pyplot as plt

    ax = draw_timeline(ds)
    assert {one.get_gid() for one in ax.findobj(lambda a: str(a.get_gid()).startswith("event:"))} == {f"event:{one['type']}" for one in FILM}
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"happy film", "joke", "sad film", "door, excluded"} <= set(labels)
    for one in draw_action_units(ds, ("AU12", "AU04")): assert len(one.findobj(lambda a: str(a.get_gid()).startswith("event:"))) == 4
    plt.close("all")


def test_the_viewer_shows_them_above_its_strip(ds):
    "As bars, which can be moved; the picture is that of the persons."
    from mexca_video.viewers.timeline import list_bars, make_strip

    assert make_strip(ds).image == make_strip(DEMO).image
    assert [(bar["row"], bar["type"], bar["excluded"]) for bar in list_bars(ds)] == [
        (k, one.type, one.excluded) for k, one in enumerate(list_events(ds).itertuples())]


def test_tidy_table():
    assert tidy_events(pd.DataFrame()).empty
    again = tidy_events(FILM)
    pd.testing.assert_frame_equal(tidy_events(again), again)
    with pytest.raises(ValueError, match="need onset"): tidy_events([dict(time=3)])
