"""Identification by tracklets says what identification face by face says."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from mexca_video import FaceExtractor, sample_truth
from mexca_video.people.naming import Faces, name_faces
from mexca_video.people.tracking import link_faces

from scenes import make_film

FILMS = {"three people": dict(people=3), "many cuts": dict(people=6, shot=40), "look-alikes": dict(people=4, alike=(0, 1, 0.6)),
         "look-alikes, many cuts": dict(people=3, shot=30, alike=(0, 1, 0.6)), "four at once": dict(people=8, together=4, shot=50)}


def agreement(who, labels):
    return adjusted_rand_score(who, np.where(np.isfinite(labels), labels, -1))


@pytest.mark.parametrize("num_faces", ["known", None])
@pytest.mark.parametrize("film", FILMS)
def test_tracklets_agree_with_the_truth_as_well_as_single_faces(film, num_faces):
    position, boxes, embeddings, who = (part[:1500] for part in make_film(700, seed=3, **FILMS[film]))
    number = num_faces and len(set(who))
    plain, linked = (agreement(who, FaceExtractor.embedded(number, max_cluster_frames=most).identify(embeddings, frames=position, boxes=boxes)) for most in (None, 300))
    assert linked >= plain and linked > 0.95


def test_sample_clip_by_tracklets(features):
    there = np.isfinite(features.face_prob.values)
    position, slot = np.nonzero(there)
    boxes, embeddings = features.face_box.values[there], features.face_embedding.values[there]
    labels = FaceExtractor.embedded(max_cluster_frames=60).identify(embeddings, frames=position, boxes=boxes)
    assert np.array_equal(labels, slot)
    tracklets = link_faces(position, boxes, embeddings, 0.52)
    assert len(set(tracklets)) < 20  # nine scenes with one or two people
    assert all(len(set(slot[tracklets == t])) == 1 for t in set(tracklets))
    assert len(sample_truth()) == len(slot)


def test_no_tracklet_mixes_people():
    position, boxes, embeddings, who = make_film(4000, 10, shot=30, together=4, alike=(0, 1, 0.6))
    tracklets = link_faces(position, boxes, embeddings, 0.52)
    mixed = sum(len(set(who[tracklets == t])) > 1 for t in set(tracklets))
    assert mixed == 0 and len(set(tracklets)) < len(who) / 8


def test_a_person_is_once_in_a_frame_and_rows_with_nan_stay():
    position, boxes, embeddings, who = make_film(600, 4, together=3)
    embeddings[7] = np.nan
    labels = FaceExtractor.embedded(4, max_cluster_frames=200).identify(embeddings, frames=position, boxes=boxes)
    assert np.flatnonzero(np.isnan(labels)).tolist() == [7]
    pairs = np.stack([position, labels], 1)[np.isfinite(labels)]
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def leaving(rng, gone=3, poor=5.0):
    """Two people side by side, 25 frames a second: after `gone` frames without him one goes on half outside of the picture, with short embeddings that lie
    as far from his own as from anybody's."""
    looks = np.linalg.qr(rng.normal(size=(128, 3)))[0].T
    frames, who = np.r_[np.arange(60), np.arange(30), np.arange(30 + gone, 60)], np.repeat([0, 1, 2], [60, 30, 30 - gone])
    order = np.argsort(frames, kind="stable")
    frames, who = frames[order], who[order]
    left = np.where(who == 0, 20, 200)[:, None]
    boxes = np.hstack([left, np.full_like(left, 40), left + 80, np.full_like(left, 140)]).astype(float)
    embeddings = np.where(who == 2, poor, 12.0)[:, None] * looks[who]
    nothing, full = np.zeros(len(frames), int), np.ones(len(frames))
    return Faces(frames, frames / 25, nothing, boxes, 0.99 * full, full, 12 * full, np.arange(len(frames)), embeddings), who


@pytest.mark.parametrize("gone, poor, people", [(3, 5.0, 2), (3, 12.0, 3), (8, 5.0, 3)], ids=["poor", "good", "poor, behind a longer pause"])
def test_only_good_pictures_end_a_track_at_a_brief_pause(gone, poor, people):
    faces, who = leaving(np.random.default_rng(0), gone, poor)
    labels = name_faces(faces, "sface").labels
    assert len(set(labels)) == people and np.isfinite(labels).all()
    assert (labels[who == 2] == labels[who == 1][0]).all() == (people == 2)


def test_a_face_that_leaves_without_a_pause_stays_one_track():
    faces, who = leaving(np.random.default_rng(0), gone=0)
    assert len(set(name_faces(faces, "sface").tracks)) == 2
