"""How far results may be apart that were computed on two processors, which add up the same numbers in another order."""
import numpy as np

TOLERANCES = dict(  # boxes and landmarks in pixels, pose and gaze in degrees
    face_box=0.01, face_prob=1e-4, face_landmarks=0.02, face_aus=0.002, face_evidence=0.002, embedding_distance=3e-4,
    face_pose=0.1, eye_openness=0.002, eye_gaze=0.5, face_aus_side=0.004, face_sharpness=0.001, face_brightness=1e-4,
)


def assert_same_embeddings(found, expected):
    "Random weights find all faces much alike: what they have in common is taken off."
    apart = np.linalg.norm(found - expected, axis=1)
    size = np.linalg.norm(expected - expected.mean(0), axis=1)
    assert (apart < 0.01 * size).all(), f"embeddings differ by {(apart / size).max():.2g} of what faces differ by"
