"Results that several test files make."
from mexca_video import demo_features, merge_faces, rename_faces


def corrected():
    "A result with everything that corrections leave behind: a slot without a person, first labels, other names, a gap in the slots."
    ds = rename_faces(demo_features(n_faces=3), {"Person_1": 'Zoë, "Z."'})
    return merge_faces(ds, "Person_2", "Person_3")
