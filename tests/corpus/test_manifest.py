"What is to be processed, and what is wrong with it."
import os

import pytest

from mexca_video import check_manifest, make_manifest, read_manifest
from mexca_video.corpus.manifest import ManifestError, make_id

from invented import write_study


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path, ["ada", "ben"])


def faults_of(path):
    with pytest.raises(ManifestError) as caught: check_manifest(read_manifest(path))
    return caught.value.faults


def test_other_columns_are_carried(study):
    assert check_manifest(read_manifest(study)).condition.tolist() == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spreadsheets(study, encoding, separator, end):
    study.write_bytes(end.join([separator.join(row) for row in (["video", "Gruppe"], ["ada.mp4", "größer"])]).encode(encoding))
    table = check_manifest(read_manifest(study))
    assert (table.id.tolist(), table.Gruppe.tolist()) == (["ada"], ["größer"])


def test_text_in_another_encoding_is_refused(study):
    study.write_bytes("video,Gruppe\nada.mp4,größer\n".encode("cp1252"))
    with pytest.raises(ValueError, match="not in UTF-8"): read_manifest(study)


def test_no_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match="make_manifest"): read_manifest(tmp_path / "corpus.csv")
    with pytest.raises(FileNotFoundError, match="no file in this folder"): make_manifest(tmp_path)


def test_every_fault_at_once(study):
    study.write_text("video,id,num_faces,events\nada.mp4,a,1,\ngone.mp4,a,0,\n,c,,\nben.mp4,c/d,,gone.tsv\n", encoding="utf-8")
    rows = [fault.split(":")[0] for fault in faults_of(study)]
    assert rows == ["row 3", "row 3", "row 3", "row 4", "row 5", "row 5"]


def test_a_copy_is_found_wherever_it_lies(study):
    (study.parent / "copies").mkdir()
    (study.parent / "copies" / "new.mp4").write_bytes((study.parent / "ada.mp4").read_bytes())
    study.write_text("video,id\nada.mp4,a\ncopies/new.mp4,b\n", encoding="utf-8")
    assert faults_of(study) == ["row 3: its video is the same file as that of row 2"]
    study.write_text("video,id,start,end\nada.mp4,a,0,0.05\ncopies/new.mp4,b,0.05,\n", encoding="utf-8")
    assert len(check_manifest(read_manifest(study))) == 2


@pytest.mark.parametrize("id", ["", "a/b", "a\\b", "..", ".hidden", "a b", "ä", "a:b", "con\n", "x" * 201, "a."])
def test_unsafe_ids(study, id):
    study.write_text(f'video,id\nada.mp4,"{id}"\n', encoding="utf-8")
    if id.strip() == "con": return  # cells lose spaces at their ends
    assert len(faults_of(study)) == 1


@pytest.mark.parametrize("name", ["", "...", "Zoë Ü.", "日本", "a/b:c", "x" * 500])
def test_made_ids_are_safe(study, name):
    study.write_text(f"video,id\nada.mp4,{make_id(name)}\n", encoding="utf-8")
    check_manifest(read_manifest(study))


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything may be read by the superuser")
def test_a_file_without_permission(study):
    (study.parent / "ada.mp4").chmod(0)
    assert "permission" in faults_of(study)[0]


def test_a_made_manifest_is_sound(study):
    found = make_manifest(study.parent, study.with_name("made.csv"))
    assert check_manifest(found).id.tolist() == ["ada", "ben"]
