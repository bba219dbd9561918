"Episodes and poses in the files of ELAN, Praat, BORIS, players, BIDS and movement, opened by readers that are not ours."
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mexca_video import demo_features, export, rename_faces
from mexca_video.io.annotations import list_intervals, list_presence
from mexca_video.io.movement import KEYPOINTS, to_movement_boxes, to_movement_poses

EPISODES = pd.DataFrame({
    "onset": [1.0, 2.5, 1.2, 4.0, 1.25], "duration": [0.5, 1.0, 0.4, 0.0, 2.0], "type": ["AU12", "AU12", 'AU06 & <"x">', "blink", "AU12"],
    "face_name": ["Zoë", "Zoë", "Zoë", "Ada", "Zoë"], "video_file": "talk.mp4",
})


def test_elan(tmp_path):
    pympi = pytest.importorskip("pympi")
    eaf = pympi.Elan.Eaf(str(export(EPISODES, tmp_path / "a.eaf")))
    tiers = {name: eaf.get_annotation_data_for_tier(name) for name in eaf.get_tier_names()}
    assert tiers == {
        "AU12@Zoë": [(1000, 1500, "AU12"), (2500, 3500, "AU12")], "AU12@Zoë 2": [(1250, 3250, "AU12")],
        'AU06 & <"x">@Zoë': [(1200, 1600, 'AU06 & <"x">')], "blink@Ada": [(4000, 4001, "blink")],
    }
    link = eaf.get_linked_files()[0]
    assert link["RELATIVE_MEDIA_URL"] == link["MEDIA_URL"] == "./talk.mp4" and link["MIME_TYPE"] == "video/mp4"
    assert eaf.get_parameters_for_tier("AU12@Zoë")["PARTICIPANT"] == "Zoë"


def test_media_that_is_there_is_linked_by_its_path(tmp_path):
    pympi = pytest.importorskip("pympi")
    (tmp_path / "films").mkdir()
    film = tmp_path / "films" / "talk one.mp4"
    film.touch()
    link = pympi.Elan.Eaf(str(export(EPISODES, tmp_path / "a.eaf", media=film))).get_linked_files()[0]
    assert link["MEDIA_URL"] == film.resolve().as_uri() and link["RELATIVE_MEDIA_URL"] == "./films/talk one.mp4"


def test_praat(tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid")
    grid = textgrid.openTextgrid(str(export(EPISODES, tmp_path / "a.TextGrid")), includeEmptyIntervals=False)
    assert set(grid.tierNames) == {"AU12@Zoë", "AU12@Zoë 2", 'AU06 & <"x">@Zoë', "blink@Ada"}
    assert [tuple(entry) for entry in grid.getTier("AU12@Zoë").entries] == [(1.0, 1.5, "AU12"), (2.5, 3.5, "AU12")]
    assert [tuple(entry) for entry in grid.getTier("blink@Ada").entries] == [(4.0, "blink")]
    whole = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=True).getTier("AU12@Zoë").entries
    assert whole[0].start == 0 and whole[-1].end == 4.0 and all(a.end == b.start for a, b in zip(whole, whole[1:]))


def test_praat_file_in_pympi(tmp_path):
    pympi = pytest.importorskip("pympi")
    grid = pympi.Praat.TextGrid(str(export(EPISODES, tmp_path / "a.TextGrid")))
    assert sum(1 for tier in grid.get_tiers() for entry in tier.get_intervals() if entry[-1]) == 5


def test_subtitles(tmp_path):
    webvtt = pytest.importorskip("webvtt")
    cues = list(webvtt.read(str(export(EPISODES, tmp_path / "a.vtt"))))
    assert [(cue.start, cue.end, cue.voice) for cue in cues][:2] == [("00:00:01.000", "00:00:01.500", "Zoë"), ("00:00:01.200", "00:00:01.600", "Zoë")]
    assert len(cues) == len(EPISODES) and (cues[-1].start, cues[-1].end) == ("00:00:04.000", "00:00:04.001")


@pytest.mark.slow
def test_subtitles_in_ffmpeg(tmp_path):
    if not shutil.which("ffprobe"): pytest.skip("FFmpeg is not installed (Debian: ffmpeg)")
    command = ["ffprobe", "-v", "error", "-show_packets", "-of", "json", str(export(EPISODES, tmp_path / "a.vtt"))]
    packets = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)["packets"]
    assert [float(packet["pts_time"]) for packet in packets] == sorted(EPISODES.onset)


BORIS = {  # format 7.0 of a project, as BORIS 7 and 8 write it
    "time_format": str, "project_date": str, "project_name": str, "project_description": str, "project_format_version": str, "subjects_conf": dict,
    "behaviors_conf": dict, "observations": dict, "behavioral_categories": list, "independent_variables": dict, "coding_map": dict, "converters": dict,
}
BEHAVIOUR = {"type", "key", "code", "description", "category", "modifiers", "excluded", "coding map"}
OBSERVATION = {"file", "type", "date", "description", "time offset", "events", "observation time interval", "independent_variables", "visualize_spectrogram",
               "visualize_waveform", "close_behaviors_between_videos", "scan_sampling_time", "media_info"}


def test_boris(tmp_path):
    project = json.loads(export(EPISODES, tmp_path / "a.boris").read_text("utf-8"))
    for name, kind in BORIS.items(): assert isinstance(project[name], kind), name
    assert project["project_format_version"] == "7.0" and project["time_format"] in ("hh:mm:ss", "s")
    for behaviour in project["behaviors_conf"].values(): assert BEHAVIOUR <= set(behaviour)
    observation = project["observations"]["talk"]
    assert OBSERVATION <= set(observation) and observation["type"] == "MEDIA" and observation["file"]["1"] == ["talk.mp4"]
    assert observation["media_info"]["length"] == {"talk.mp4": 4.0}
    kinds = {entry["code"]: entry["type"] for entry in project["behaviors_conf"].values()}
    assert kinds == {"AU12": "State event", 'AU06 & <"x">': "State event", "blink": "Point event"}
    people = {entry["name"] for entry in project["subjects_conf"].values()}
    for time, who, what, modifier, comment, _ in observation["events"]:
        assert isinstance(time, float) and who in people and what in kinds and (modifier, comment) == ("", "")
    assert [event[0] for event in observation["events"] if event[2] == "AU12"] == [1.0, 3.5]  # one state: they overlap
    assert [event[0] for event in observation["events"]] == sorted(event[0] for event in observation["events"])


def test_no_place_of_this_machine_is_written(tmp_path):
    for name in ("a.eaf", "a.TextGrid", "a.boris", "a.vtt"):
        for what in (EPISODES, demo_features()):
            assert str(tmp_path) not in export(what, tmp_path / name).read_text("utf-8"), name
            assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_clock_of_a_player():
    from mexca_video.io.annotations import _read

    ds = demo_features().assign_attrs(video_start=2.0)
    assert _read(ds, None, None, None, None).intervals[0].onset == 2.0
    assert _read(EPISODES, None, None, None, 2.0).intervals[0].onset == 3.0


def test_presence():
    ds = demo_features()
    table = list_presence(ds)
    for k, name in enumerate(ds.face_name.values):
        seen = np.zeros(ds.sizes["frame"], bool)
        for row in table[table.face_name == name].itertuples(): seen |= (ds.time.values >= row.onset - 1e-9) & (ds.time.values < row.onset + row.duration - 1e-9)
        np.testing.assert_array_equal(seen, ds.face_prob.notnull().values[:, k])


@pytest.mark.parametrize("table", [EPISODES[:0], EPISODES[:0].assign(duration=0.0), EPISODES.drop(columns=["face_name", "video_file"])])
@pytest.mark.parametrize("suffix", [".eaf", ".TextGrid", ".vtt", ".boris"])
def test_few_columns_and_no_rows(table, suffix, tmp_path): assert export(table, tmp_path / f"a{suffix}").stat().st_size > 0


@pytest.mark.parametrize("change, said", [(dict(onset=np.nan), "row 0"), (dict(duration=-1.0), "row 0"), (dict(onset=np.inf), "row 0")])
def test_times_that_are_none(change, said):
    with pytest.raises(ValueError, match=said): list_intervals(EPISODES.assign(**change))


def test_bids_events(tmp_path):
    file = export(EPISODES.assign(mean=[0.5, np.nan, 1, 2, 3]), tmp_path / "sub-01_task-talk_events.tsv")
    found = pd.read_csv(file, sep="\t", na_values="n/a", keep_default_na=False)
    assert found.columns[:3].tolist() == ["onset", "duration", "trial_type"] and found.onset.is_monotonic_increasing
    assert found["mean"].isna().sum() == 1 and "\tn/a" in file.read_text("utf-8") and '"' not in file.read_text("utf-8")
    np.testing.assert_allclose(found.duration, EPISODES.sort_values("onset").duration)
    sidecar = json.loads(file.with_suffix(".json").read_text())
    assert set(sidecar) == set(found.columns) and sidecar["onset"]["Units"] == "s" and set(sidecar["trial_type"]["Levels"]) == set(found.trial_type) == {"AU12", "blink", "AU06 & <'x'>"}


def write_bids(folder):
    (folder / "sub-01" / "motion").mkdir(parents=True)
    export(rename_faces(demo_features(), {"Person_1": "Zoë"}), folder / "sub-01" / "motion" / "sub-01_task-talk_tracksys-face_motion.tsv", person="Zoë")
    export(EPISODES, folder / "sub-01" / "motion" / "sub-01_task-talk_events.tsv")
    (folder / "dataset_description.json").write_text('{"Name": "Smiles", "BIDSVersion": "1.10.0", "DatasetType": "raw"}')
    (folder / "README").write_text("Invented faces, to see whether the files are as they should be. " * 4)


def test_bids_motion(tmp_path):
    write_bids(tmp_path)
    folder = tmp_path / "sub-01" / "motion"
    channels = pd.read_csv(folder / "sub-01_task-talk_tracksys-face_channels.tsv", sep="\t", keep_default_na=False)
    motion = pd.read_csv(folder / "sub-01_task-talk_tracksys-face_motion.tsv", sep="\t", header=None, names=channels.name, na_values="n/a")
    ds = demo_features()
    np.testing.assert_allclose(motion.head_yaw, ds.face_pose.sel(face=0, angle="yaw"), atol=1e-4)
    np.testing.assert_allclose(motion.latency, ds.time)
    assert channels.units.tolist() == ["deg"] * 3 + ["s"] and channels.component.tolist() == ["x", "y", "z", "n/a"]
    about = json.loads((folder / "sub-01_task-talk_tracksys-face_motion.json").read_text())
    assert about["TaskName"] == "talk" and about["SamplingFrequency"] == pytest.approx(5) and about["MotionChannelCount"] == len(channels)


@pytest.mark.slow
def test_bids_in_the_validator(tmp_path):
    "The validator of BIDS finds no error."
    if not (validator := shutil.which("bids-validator-deno")): pytest.skip("the BIDS validator is not installed (pip install bids-validator-deno)")
    write_bids(tmp_path)
    done = subprocess.run([validator, str(tmp_path), "--json"], capture_output=True, text=True, timeout=180)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue["code"] for issue in issues if issue["severity"] == "error"] == []


DIMS = {  # of movement's Datasets
    "poses": {"position": ("time", "space", "keypoints", "individuals"), "confidence": ("time", "keypoints", "individuals")},
    "bboxes": {"position": ("time", "space", "individuals"), "shape": ("time", "space", "individuals"), "confidence": ("time", "individuals")},
}


@pytest.mark.parametrize("kind", DIMS)
def test_movement(kind, tmp_path):
    ds = demo_features()
    with xr.open_dataset(export(ds, tmp_path / f"a.{kind}.nc")) as found: found = found.load()
    assert {name: found[name].dims for name in found.data_vars} == DIMS[kind]
    assert found.attrs["ds_type"] == kind and found.attrs["time_unit"] == "seconds" and found.attrs["fps"] == 25
    assert found.space.values.tolist() == ["x", "y"] and found.individuals.values.tolist() == ds.face_name.values.tolist()
    assert found.sizes["time"] == ds.frame.values[-1] + 1
    np.testing.assert_allclose(found.time, np.arange(found.sizes["time"]) / 25)
    between = np.setdiff1d(np.arange(found.sizes["time"]), ds.frame.values)
    assert found.position.isel(time=between).isnull().all()


def test_movement_validates(tmp_path):
    "movement itself takes both."
    validators = pytest.importorskip("movement.validators.datasets", reason="movement is not installed (pip install movement)")
    ds = demo_features()
    validators.ValidPosesInputs.validate(to_movement_poses(ds))
    validators.ValidBboxesInputs.validate(to_movement_boxes(ds))


def test_parts_of_a_film(tmp_path):
    "A subclip begins in the middle of the film, and its rows too."
    ds = demo_features().isel(frame=slice(10, None))
    poses = to_movement_poses(ds)
    assert poses.sizes["time"] == ds.frame.values[-1] + 1 and poses.position.isel(time=slice(0, 50)).isnull().all()
    np.testing.assert_allclose(poses.time, np.arange(poses.sizes["time"]) / 25, atol=1e-9)
    assert len(KEYPOINTS) == len(set(KEYPOINTS)) == 68
    assert to_movement_poses(demo_features(n_frames=0)).sizes["time"] == 0
    assert Path(export(demo_features(n_faces=0), tmp_path / "a.poses.nc")).is_file()
