"""Identification by tracklets says what identification face by face says."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from mexca_video import FaceExtractor, sample_truth
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
