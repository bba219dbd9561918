"""Made-up films: who is in the picture when, with boxes and embeddings as a network would give them. For tests and the benchmark of identification."""

import numpy as np


def look(people, size, rng, between=0.9, alike=None):
    "Directions of `people` faces (K, E); of those in `alike`, (i, j, distance), the second is turned towards the first."
    faces = rng.normal(size=(people, size))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    if alike:
        first, second, distance = alike
        apart = faces[second] - (faces[second] @ faces[first]) * faces[first]
        faces[second] = (1 - distance) * faces[first] + np.sqrt(1 - (1 - distance) ** 2) * apart / np.linalg.norm(apart)
    return faces


def make_film(frames, people, size=128, shot=120, together=2, within=0.25, missed=0.02, alike=None, seed=0):
    """(position, boxes, embeddings, who) of a film that cuts every `shot` frames or so to up to `together` people.

    `within` is the mean cosine distance of a face to its person's direction: most of it is the shot (light, pose), some of it the moment. A share of `missed` faces is not found.
    """
    rng = np.random.default_rng(seed)
    faces = look(people, size, rng, alike=alike)
    positions, boxes, embeddings, who = [], [], [], []
    start = 0
    while start < frames:
        length = min(int(rng.integers(shot // 2, 2 * shot)), frames - start)
        for place, person in enumerate(rng.choice(people, min(people, int(rng.integers(1, together + 1))), replace=False)):
            there = np.flatnonzero(rng.random(length) >= missed)
            positions.append(start + there)
            who.append(np.full(len(there), person))
            left = 60 + 150 * place + np.cumsum(rng.normal(0, 1.5, length))[there]
            boxes.append(np.stack([left, 80 + 0 * left, left + 100, 200 + 0 * left], 1).astype(np.float32))
            spread = np.sqrt(1 / (1 - within) ** 2 - 1) / np.sqrt(size)
            seen = faces[person] + spread * (0.9 * rng.normal(size=size) + 0.44 * rng.normal(size=(len(there), size)))
            embeddings.append(seen.astype(np.float32))
        start += length
    order = np.argsort(np.concatenate(positions), kind="stable")
    return tuple(np.concatenate(parts)[order] for parts in (positions, boxes, embeddings, who))
