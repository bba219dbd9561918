"Each composed clip with every batch size, resumed, and every frame, every second and every fifth: too long for the tests of every day."

import pytest
from people_clips import CLIPS
from test_people import BOTH, clip_marks, is_right, resumed_and_whole, runs, same_people  # noqa: F401

PEOPLED = [name for name in CLIPS if CLIPS[name].people]


@clip_marks(PEOPLED)
def test_batch_size_changes_nothing(runs, name):  # noqa: F811
    clip = runs.write(name)
    same_people(runs.features(clip, None), runs.features(clip, None, batch_size=1))


@clip_marks(PEOPLED)
def test_resumed_run_has_the_same_people(runs, name, tmp_path):  # noqa: F811
    same_people(*resumed_and_whole(runs.write(name), tmp_path / "run", 24))


@BOTH
@pytest.mark.parametrize("skip_frames", [1, 2, 5])
@clip_marks(PEOPLED)
def test_every_nth_frame(runs, name, skip_frames, known):  # noqa: F811
    found = runs.score(name, known, skip_frames=skip_frames)
    if found.true < CLIPS[name].people: pytest.skip("not everybody is in these frames")
    is_right(found, CLIPS[name].people)
