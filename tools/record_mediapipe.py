"""Record what MediaPipe's own FaceLandmarker says of the Pexels clip, for tests/faces/test_mediapipe.py.

MediaPipe brings a second OpenCV with it, so it runs in an environment of its own:

    python -m venv mediapipe-env && mediapipe-env/bin/pip install mediapipe av
    mediapipe-env/bin/python tools/record_mediapipe.py \
        "$(.venv/bin/python -c 'from mexca_video.samples import sample_path; print(sample_path("pexels"))')" \
        "$(.venv/bin/python -c 'from mexca_video.models.fetch import fetch_model; print(fetch_model("facemesh"))')"
"""
import sys
from importlib.metadata import version
from pathlib import Path

import av
import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

EVERY = 4  # frames


def main(clip, task):
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=task), output_face_blendshapes=True, output_facial_transformation_matrixes=True
    )
    frames, landmarks, weights, matrices, names = [], [], [], [], None
    with vision.FaceLandmarker.create_from_options(options) as landmarker, av.open(clip) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if index % EVERY:
                continue
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=frame.to_ndarray(format="rgb24"))
            found = landmarker.detect(image)
            if not found.face_landmarks:
                continue
            frames.append(index)
            landmarks.append([(p.x * frame.width, p.y * frame.height) for p in found.face_landmarks[0]])
            weights.append([c.score for c in found.face_blendshapes[0]])
            matrices.append(found.facial_transformation_matrixes[0])
            names = [c.category_name for c in found.face_blendshapes[0]]
    np.savez_compressed(
        Path(__file__).resolve().parents[1] / "tests" / "data" / "mediapipe_pexels.npz",
        frame=np.array(frames, np.int16),
        landmarks_64ths=np.round(np.array(landmarks) * 64).astype(np.uint16),  # 1/64 pixel
        blendshapes=np.array(weights, np.float32),
        matrices=np.array(matrices, np.float32),
        names=np.array(names),
        mediapipe=version("mediapipe"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
