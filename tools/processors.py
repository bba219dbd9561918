"""How far results are apart that other processors would compute: python tools/processors.py [CLIP ...]

The libraries are told to compute as on another processor, each time in a process of its own. Without CLIP, the sample
clip, and a film of ../shared/people if that folder is beside the repository.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
from places import SHARED  # noqa: E402
from rounding import TOLERANCES  # noqa: E402

SETTINGS = (
    "",  # as it is: `make test`
    "MKL_CBWR=COMPATIBLE",
    "ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41",
    "ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 NUMBA_CPU_NAME=haswell",
)
PEOPLE = SHARED / "people" / "hamilton_short.mp4"
EVERY, PIXELS, COUNTED = 6, ("face_box", "face_landmarks"), ("n_detected", "status", "face_label")


def environment(setting):
    "This process's environment and a setting. numba keeps machine code by the processor's name: caches may be shared."
    return os.environ | dict(part.split("=") for part in setting.split())


def measure(clip, file):
    "Write the result for a clip, with the distances of its faces in place of their embeddings."
    from mexca_video import FaceExtractor, save

    ds = FaceExtractor.embedded().apply(clip, skip_frames=EVERY, show_progress=False, return_embeddings=True)
    rows = ds.face_embedding.values[ds.face_prob.notnull().values]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distance = (1 - rows @ rows.T).astype("float32")
    save(ds.drop_vars("face_embedding").assign(embedding_distance=(("detection", "other"), distance)), file)


def compare(found, reference):
    "Are two results the same up to rounding, and the line that says how far they are apart."
    if found.sizes != reference.sizes or not all(found[name].equals(reference[name]) for name in COUNTED):
        return False, "other faces or identities"
    apart = {name: float(abs(found[name] - reference[name]).max()) for name in TOLERANCES}
    line = ", ".join(f"{name} {value:.1g}{' pixels' if name in PIXELS else ''}" for name, value in apart.items())
    return all(apart[name] < TOLERANCES[name] for name in apart), f"same faces and identities; {line}"


def main(clips):
    from mexca_video import load, sample_clip

    good = True
    for clip in clips or [sample_clip(), *([PEOPLE] if PEOPLE.exists() else [])]:
        with tempfile.TemporaryDirectory() as folder:
            results = []
            for i, setting in enumerate(SETTINGS):
                file = Path(folder) / f"{i}.nc"
                command = [sys.executable, __file__, "--measure", clip, file]
                subprocess.run(command, env=environment(setting), check=True)
                results.append(load(file))
        reference = results[0]
        size = reference.sizes
        print(f"{Path(clip).name}: {size['frame']} frames, {int(reference.n_detected.sum())} faces, {size['face']} people")
        for setting, found in zip(SETTINGS[1:], results[1:]):
            passed, line = compare(found, reference)
            print(f"  {setting}: {line}", flush=True)
            good &= passed
    return int(not good)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]: measure(*sys.argv[2:])
    else: sys.exit(main(sys.argv[1:]))
