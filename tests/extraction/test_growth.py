"A new measured variable is a row of the schema and a model that yields it; everything else follows."
import numpy as np
import pytest

from mexca_video import FaceExtractor, check_features, load, sample_path, save, share_safe, to_csv, to_table
from mexca_video.extraction.stream import FaceStream
from mexca_video.faces.crops import upright_regions
from mexca_video.schema import SIZES, VARIABLES, Variable

OPTIONS = dict(skip_frames=6, show_progress=False)


class Colour:
    "A made-up model: how red, green and blue a face is."
    name, variables, size, padding = "colour", ("face_colour",), 16, "border"

    def regions(self, image, boxes, eyes=None): return upright_regions(boxes)

    def measure(self, crops, regions, sizes, failures): return {"face_colour": crops.mean((2, 3)).numpy()}


@pytest.fixture
def colour(monkeypatch):
    "The one place: a row of the schema, with the length of its dimension."
    row = Variable(("frame", "face", "channel"), "float32", "1", "Colour", "Red, green and blue, 0 to 1.", "measured", optional=True)
    monkeypatch.setitem(VARIABLES, "face_colour", row)
    monkeypatch.setitem(SIZES, "channel", 3)
    return Colour()


@pytest.fixture
def features(colour):
    return FaceExtractor.embedded(1, measures=(colour,)).apply(sample_path("single_face"), **OPTIONS)


def test_dataset(features):
    assert check_features(features) == []
    assert features.face_colour.dims == ("frame", "face", "channel") and features.face_colour.attrs["long_name"] == "Colour"
    there = features.face_prob.notnull()
    assert there.any() and features.face_colour.notnull().all("channel").equals(there)
    assert 0.1 < float(features.face_colour.mean()) < 0.9


def test_file(features, tmp_path):
    assert load(save(features, tmp_path / "a.nc")).identical(features)


def test_table(features, tmp_path):
    import pandas as pd

    table = to_table(features)
    columns = ["face_colour_0", "face_colour_1", "face_colour_2"]
    assert table.columns[-3:].tolist() == columns
    faces = features.face_colour.values[features.face_prob.notnull().values]
    np.testing.assert_array_equal(table.dropna(subset="face_prob")[columns], faces)
    np.testing.assert_allclose(pd.read_csv(to_csv(features, tmp_path / "a.csv"))[columns].dropna(), faces, rtol=1e-6)


def test_shared_copy(features):
    assert share_safe(features).face_colour.equals(features.face_colour)


def test_resumed_run(features, colour, tmp_path, monkeypatch):
    monkeypatch.setattr("mexca_video.extraction.chunks.CHUNK_FRAMES", 4)
    look_at, seen = FaceStream.look_at, []
    def fail_late(self, images, near=None):
        seen.append(1)
        if len(seen) > 9: raise RuntimeError("power cut")
        return look_at(self, images, near)
    run = lambda measures: FaceExtractor.embedded(1, measures=measures).apply(sample_path("single_face"), checkpoint=tmp_path / "run", **OPTIONS)
    with monkeypatch.context() as broken, pytest.raises(RuntimeError, match="power cut"):
        broken.setattr(FaceStream, "look_at", fail_late)
        run((colour,))
    assert list((tmp_path / "run").glob("*.npz"))
    with pytest.raises(ValueError, match="measures"): run(())  # another run
    resumed = run((colour,))
    np.testing.assert_allclose(resumed.face_colour, features.face_colour, atol=1e-6)


def test_what_the_schema_does_not_know_is_refused():
    with pytest.raises(ValueError, match="face_colour, which is not in schema.VARIABLES"): FaceExtractor.embedded(1, measures=(Colour(),))
    with pytest.raises(ValueError, match="has no name"): FaceExtractor.embedded(1, measures=("colour",))
