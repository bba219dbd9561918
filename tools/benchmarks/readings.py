"""Can AU04, AU06, AU09, AU10, AU17 and AU24 be read off the face mesh better than off the blendshapes? A part of `make accuracy`."""
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from mexca_video import AU_NAMES, FaceExtractor
from mexca_video.faces.measures import cut_regions_for
from mexca_video.faces.pose import turned_to_the_front

UNITS = ("AU04", "AU06", "AU09", "AU10", "AU17", "AU24")
EYES = 33, 263  # outer corners, of the mesh: right, left
# Lengths in the mesh turned to the front, in distances between the outer corners of the eyes: the unit makes them shorter (-1) or longer (1).
LENGTHS = {
    "distance of the inner brows": ("AU04", -1, ((55, 285),)),
    "height of the inner brows over the eyes": ("AU04", -1, ((55, 133), (285, 362))),
    "height of the open eye at its lower lid": ("AU06", -1, ((145, 33), (374, 263))),
    "lower lid to wing of the nose": ("AU06", -1, ((145, 129), (374, 358))),
    "inner brow to wing of the nose": ("AU09", -1, ((55, 129), (285, 358))),
    "inner corner of the eye to wing of the nose": ("AU09", -1, ((133, 129), (362, 358))),
    "base of the nose to upper lip": ("AU10", -1, ((2, 0), (97, 37), (326, 267))),
    "lower lip to chin": ("AU17", -1, ((17, 152),)),
    "red of both lips": ("AU24", -1, ((0, 13), (14, 17))),
}


def measure_meshes(files):
    "Meshes (N, 478, 3) turned to the front, and the 20 units (N, 20) of the embedded set, of the largest face of each picture."
    extractor = FaceExtractor.embedded(1, keep_all=False)
    measure, found = extractor.extractor.keeping(("face_mesh",)), []
    for path in files:
        with Image.open(path) as opened: image = np.asarray(opened.convert("RGB"))
        _, boxes, _, points = extractor.detect(image, return_points=True)
        regions, crops = cut_regions_for(measure, image, boxes[0], points[0][:, :2])
        found.append(measure.measure(crops, regions, np.array([image.shape[1::-1]]), {}))
    return turned_to_the_front(np.concatenate([one["face_mesh"] for one in found])), np.concatenate([one["face_aus"] for one in found])


def read_lengths(front):
    "(unit, name of the reading, values (N,)) for each of `LENGTHS`."
    wide = np.linalg.norm(front[:, EYES[0]] - front[:, EYES[1]], axis=1)
    for name, (unit, sign, pairs) in LENGTHS.items():
        lengths = [np.linalg.norm(front[:, a] - front[:, b], axis=1) for a, b in pairs]
        yield unit, name, sign * np.mean(lengths, 0) / wide


def align(front, mean):
    "Meshes (N, 478, 3) moved, turned and scaled onto a mean mesh (Procrustes)."
    goal = mean - mean.mean(0)
    parts = front - front.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("nik,il->nkl", parts, goal))
    turned = np.einsum("nik,nkl->nil", parts, u @ vt)
    return turned * ((turned * goal).sum((1, 2)) / (turned ** 2).sum((1, 2)))[:, None, None]


def read_backwards(front, strength=1.0):
    "py-feat's regression from units to the mesh, turned round by ridge regression: (unit, name, values (N,))."
    folder = Path(find_spec("feat").submodule_search_locations[0])
    with open(folder / "resources" / "au_to_mesh_pls_v4.npz", "rb") as opened, np.lib.npyio.NpzFile(opened, allow_pickle=False) as file:
        coef, mean, names = file["coef"].astype(float), file["mean_aligned_mesh"].astype(float), file["input_columns"].astype(str)
    moved = (align(front, mean) - (mean - mean.mean(0))).reshape(len(front), -1)
    scale = strength * np.trace(coef @ coef.T) / len(coef)
    units = moved @ coef.T @ np.linalg.inv(coef @ coef.T + scale * np.eye(len(coef)))
    for unit in UNITS: yield unit, "py-feat's regression turned round", units[:, list(names).index(unit)]


def compare(smiling, neutral, among):
    "How often a smile is higher than another person's neutral face, than the own one, and than another's where the own neutral is subtracted."
    higher = (smiling[:, None] > neutral) + 0.5 * (smiling[:, None] == neutral)
    return dict(between=higher[~np.eye(len(higher), dtype=bool)].mean(), within=np.diag(higher).mean(), with_AU12=np.corrcoef(smiling - neutral, among)[0, 1])


def try_readings(folder):
    "A table: unit, reading, how well it tells smiles from neutral faces, and how much of that is AU12."
    index = pd.read_csv(folder / "index.csv")
    kinds = [index[index.expression.eq("neutral") == neutral].set_index("person") for neutral in (True, False)]
    people = kinds[0].index.intersection(kinds[1].index)
    front, aus = measure_meshes([folder / name for kind in kinds for name in kind.file.loc[people]])
    n, rows = len(people), []
    smile = np.subtract(aus[n:, AU_NAMES.index("AU12")], aus[:n, AU_NAMES.index("AU12")])
    ours = ((unit, "blendshapes, as built in", aus[:, AU_NAMES.index(unit)]) for unit in UNITS)
    for unit, name, values in (*ours, *read_lengths(front), *read_backwards(front)):
        if np.isfinite(values).all(): rows.append(dict(au=unit, reading=name, **compare(values[n:], values[:n], smile), people=n))
    return pd.DataFrame(rows).sort_values("au", kind="stable", ignore_index=True)
