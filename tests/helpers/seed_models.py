"Weight files of the seed's and of py-feat's newer models with random numbers, served by a hub of the tests."
import functools
import io
import json

import numpy as np
import torch

from mexca_video.models.imports import import_feat
from mexca_video.models.registry import MODELS
from mexca_video.schema import AU_NAMES, BLENDSHAPE_NAMES

HOG = 5408  # values: 8 orientations, 13 x 13 blocks of 2 x 2 cells


def saved(content):
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


@functools.cache
def embedding_file():
    "A state dict as facenet-pytorch's release holds it, with the classifier's layer."
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    network = InceptionResnetV1()
    network.logits = torch.nn.Linear(512, 8631)
    return saved(network.state_dict())


@functools.cache
def landmark_file(name):
    "A state dict as py-feat's repositories hold it."
    from mexca_video.faces.landmarks import _feat_network

    torch.manual_seed(0)
    state = _feat_network(name, MODELS[name].image_size).state_dict()
    if name == "mobilenet":
        state = {f"module.{key}": value for key, value in state.items()}
    return saved({"state_dict": state})


@functools.cache
def classifier_file(name, rows=24, components=5, trees=2, depth=2):
    "py-feat's classifiers, fitted to noise of the real widths."
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC
    from skops.io import dumps
    from xgboost import XGBClassifier

    made = getattr(import_feat("au_detectors.StatLearning.SL_test"), {"xgb": "XGBClassifier", "svm": "SVMClassifier"}[name])()
    random = np.random.default_rng(0)
    hog, points, labels = random.normal(size=(rows, HOG)), random.normal(size=(rows, 136)), np.arange(rows) % 2
    parts = [fit for _ in range(3) for fit in (StandardScaler().fit(hog), PCA(components).fit(hog))]
    inputs = np.concatenate([parts[1].transform(parts[0].transform(hog)), points], axis=1)
    make = LinearSVC if name == "svm" else functools.partial(XGBClassifier, n_estimators=trees, max_depth=depth, n_jobs=1)
    made.load_weights(*parts, {f"AU{int(au[2:])}": make().fit(inputs, labels) for au in AU_NAMES})
    return dumps(made)


# the form of py-feat's version 2.8 in small
PLAN = dict(backbone="convnextv2_atto", n_au=20, n_emotion=7, n_blendshape=52, mesh_normalized=True, use_head_v3=True,
            drop_mefl=True, emotion_use_au_prob=True, gaze_eye_roi=True, gaze_pose_6d=True, gaze_bins=90, afg_channels=64,
            mefl_channels=64, pretrained=True, added_later="unknown")


@functools.cache
def multitask_weights(**changes):
    "Plan and state dict of py-feat's multitask network with random numbers."
    from mexca_video.faces.multitask import _read_plan

    plan = PLAN | changes
    torch.manual_seed(0)
    network = import_feat("multitask.model_v2").MEGraphAUv2(_read_plan(plan))
    return plan, {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def multitask_file(**changes):
    "A file of the layout of `face_multitask_v28.safetensors`."
    from safetensors.torch import save

    plan, weights = multitask_weights(**changes)
    return save(weights, metadata={"config": json.dumps(plan)})


def regression_arrays():
    "The arrays of `bs_to_au_pls_v2.npz`, in another order than that of the schema."
    random = np.random.default_rng(0)
    return dict(coef=random.normal(size=(52, 20)) / 10, intercept=random.normal(size=20) / 10,
                bs_columns=random.permutation(BLENDSHAPE_NAMES), au_columns=random.permutation(AU_NAMES))


def regression_file(arrays=None, save=np.savez):
    data = io.BytesIO()
    save(data, **(regression_arrays() if arrays is None else arrays))
    return data.getvalue()


def _file_of(name):
    if name == "multitask": return multitask_file()
    if name == "blendshapes_pls": return regression_file()
    return classifier_file(name) if MODELS[name].role == "action units" else landmark_file(name)


def serve(hub, *names):
    for name in names:
        model = MODELS[name]
        if model.role == "embedding":
            hub.add_release(model.location[0], embedding_file())
        else:
            hub.add_hub_file(model.location[0], model.file, _file_of(name))
