"""What a careful user writes today with the same libraries: two scripts, from a video to embeddings, landmarks and action units. No identification."""

import time
from collections import defaultdict

import av
import numpy as np
import torch
from facenet_pytorch import MTCNN

BATCH = 16  # frames


def read(path, count):
    "The first `count` frames, in batches."
    batch = []
    with av.open(str(path)) as video:
        video.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(video.decode(video=0)):
            if number == count: break
            batch.append(frame.to_ndarray(format="rgb24"))
            if len(batch) == BATCH:
                yield np.stack(batch)
                batch = []
    if batch: yield np.stack(batch)


class Clock:
    "Seconds by stage."
    def __init__(self): self.stages, self.last = defaultdict(float), time.perf_counter()

    def __call__(self, stage):
        now = time.perf_counter()
        self.stages[stage] += now - self.last
        self.last = now


def squares(images, boxes, size):
    "Square crops around boxes, 1.2 times their longer side, as py-feat's landmark networks want them; where they were; (N, 3, size, size), 0 to 1."
    crops, places = [], []
    for image, box in zip(images, boxes):
        x, y, side = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1.2 * max(box[2] - box[0], box[3] - box[1])
        left, top, side = int(x - side / 2), int(y - side / 2), int(side)
        padded = np.zeros((side, side, 3), np.uint8)
        a, b = max(left, 0), max(top, 0)
        part = image[b:top + side, a:left + side]
        padded[b - top:b - top + part.shape[0], a - left:a - left + part.shape[1]] = part
        crop = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 255
        crops.append(torch.nn.functional.interpolate(crop, size=(size, size), mode="bilinear", align_corners=False))
        places.append((left, top, side))
    return torch.cat(crops), np.array(places)


class Script:
    "MTCNN and what both scripts share."
    def __init__(self): self.mtcnn = MTCNN(keep_all=True)

    def run(self, path, count):
        "Number of faces, and seconds by stage."
        clock, faces = Clock(), 0
        for frames in read(path, count):
            clock("decode")
            boxes, probs, points = self.mtcnn.detect(frames, landmarks=True)
            clock("detect")
            for part in zip(frames, boxes, points):
                if part[1] is not None: faces += len(part[1])
            self.measure(frames, boxes, points, clock)
        return faces, dict(clock.stages)


class DefaultScript(Script):
    "facenet-pytorch's InceptionResnetV1, py-feat's MobileFaceNet, HOG and classifiers."
    def __init__(self, encoder, landmarker, classifier):
        super().__init__()
        from feat.utils.face_mask import extract_hog_features_batched

        self.encoder, self.landmarker, self.classifier, self.hog = encoder, landmarker, classifier, extract_hog_features_batched

    @torch.inference_mode()
    def measure(self, frames, boxes, points, clock):
        found = [(frame, box) for frame, in_frame in zip(frames, boxes) if in_frame is not None for box in in_frame]
        if not found: return
        images, boxes = zip(*found)
        crops = self.mtcnn.extract(list(images), [box[None] for box in boxes], None)
        clock("crop")
        self.encoder(torch.cat(crops))
        clock("embed")
        patches, _ = squares(images, boxes, 112)
        landmarks = self.landmarker(patches)
        landmarks = landmarks[0] if isinstance(landmarks, tuple) else landmarks
        clock("landmarks")
        hog, marks = self.hog(patches, landmarks)
        clock("HOG")
        self.classifier.detect_au(frame=hog, landmarks=[marks])
        clock("action units")


class EmbeddedScript(Script):
    "SFace in ONNX Runtime, the faces of a frame together, and MediaPipe's FaceLandmarker."
    TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32)

    def __init__(self, sface, task):
        super().__init__()
        import cv2
        import mediapipe
        import onnxruntime

        self.cv2, self.mediapipe = cv2, mediapipe
        self.encoder = onnxruntime.InferenceSession(sface, providers=["CPUExecutionProvider"])
        vision, base = mediapipe.tasks.vision, mediapipe.tasks.BaseOptions
        self.landmarker = vision.FaceLandmarker.create_from_options(vision.FaceLandmarkerOptions(
            base_options=base(model_asset_path=str(task)), output_face_blendshapes=True, num_faces=1))

    def measure(self, frames, boxes, points, clock):
        for frame, in_frame, five in zip(frames, boxes, points):
            if in_frame is None: continue
            turns = [self.cv2.estimateAffinePartial2D(marks.astype(np.float32), self.TEMPLATE)[0] for marks in five]
            faces = np.stack([self.cv2.warpAffine(frame, turn, (112, 112)) for turn in turns])
            self.encoder.run(None, {"data": faces.transpose(0, 3, 1, 2).astype(np.float32)})
            clock("embed")
            for box in in_frame:
                margin = 0.4 * max(box[2:] - box[:2])
                left, top, right, bottom = np.concatenate([np.maximum(box[:2] - margin, 0), box[2:] + margin]).astype(int)
                image = self.mediapipe.Image(image_format=self.mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame[top:bottom, left:right]))
                self.landmarker.detect(image)
                clock("landmarks and action units")
