"What takes too long for the tests of every day: each composed clip with a known number of people, and more clips resumed and in other batches."

from test_people import PEOPLED, clip_marks, is_right, resumed_and_whole, runs, same_people  # noqa: F401

from people_clips import CLIPS


@clip_marks(PEOPLED)
def test_right_people_of_a_known_number(runs, name):  # noqa: F811
    is_right(runs.score(name, True, skip_frames=2), CLIPS[name].people)


@clip_marks(["call", "whip pan", "twice"])
def test_batch_size_changes_nothing(runs, name):  # noqa: F811
    clip = runs.write(name)
    same_people(runs.features(clip, None), runs.features(clip, None, batch_size=1))


@clip_marks(["crossing", "whip pan", "twice"])
def test_resumed_run_has_the_same_people(runs, name, tmp_path):  # noqa: F811
    same_people(*resumed_and_whole(runs.write(name), tmp_path / "run", 24))
