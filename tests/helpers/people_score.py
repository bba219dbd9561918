"""How well a result tells people apart, against a truth of frame, x, y, width, who.

The measures are those of ../shared/people/score.py: B-cubed F of the faces of people, in which a face without a name is a person of its own;
`no face` rows are false detections, which should belong to nobody; `ignore` rows count neither way.
"""
import csv
from collections import defaultdict
from typing import NamedTuple

import numpy as np

IGNORE, FALSE = "ignore", "no face"


class Score(NamedTuple):
    true: int  # people in the truth, among the frames of the result
    found: int  # labels in the result, of false faces too
    bcubed: float  # F; 1 if nobody is there and nobody is found
    missed: float  # share of the true faces at which there is no box
    unnamed: float  # share of the true faces with a box but no label
    false: int  # boxes that are no face
    false_named: int  # those of them with a label


def read_truth(path):
    "The rows of a truth by frame: a list of (x, y, width, who) each."
    rows = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file): rows[int(row["frame"])].append((float(row["x"]), float(row["y"]), float(row["width"]), row["who"]))
    return dict(rows)


def bcubed(truth, found):
    "B-cubed F of two labellings of the same faces (Bagga and Baldwin 1998)."
    if not len(truth): return 1.0
    truth, found = (np.unique(values, return_inverse=True)[1] for values in (truth, found))
    together = np.zeros((truth.max() + 1, found.max() + 1))
    np.add.at(together, (truth, found), 1)
    both = together[truth, found]
    precision, recall = np.mean(both / together.sum(0)[found]), np.mean(both / together.sum(1)[truth])
    return float(2 * precision * recall / (precision + recall))


def _distances(row, centres):
    "How far each slot's centre is from a row's, pixels."
    return np.nan_to_num(np.abs(centres - row[:2]).max(1), nan=np.inf)


def _nearest(row, centres):
    "The slot whose centre is at a row's place, or None."
    distance = _distances(row, centres)
    return int(distance.argmin()) if distance.min(initial=np.inf) < 0.3 * row[2] + 2 else None


def score(
    features,  # Dataset
    truth,  # of `read_truth`
    complete=False,  # the truth is a drawing's: a box near none of its rows is no face, and a face that the detector missed is not counted against B-cubed
):  # `Score`
    "Score a result."
    who, label, missed, false = [], [], 0, []
    for frame, boxes, labels in zip(features.frame.values.tolist(), features.face_box.values, features.face_label.values):
        centres, taken = (boxes[:, :2] + boxes[:, 2:]) / 2, set()
        for row in truth.get(frame, []):
            if row[3] == IGNORE:
                taken.update(np.flatnonzero(_distances(row, centres) < row[2]))  # the box of a face that is cut lies beside it
                continue
            slot = _nearest(row, centres)
            taken.add(slot)
            if row[3] == FALSE: false.append(np.nan if slot is None else labels[slot])
            elif slot is None and complete: missed += 1
            else:
                missed += slot is None
                who.append(row[3])
                label.append(np.nan if slot is None else labels[slot])
        if complete: false += [labels[slot] for slot in np.flatnonzero(np.isfinite(centres[:, 0])) if slot not in taken]
    label, false = np.array(label, float), np.array(false, float)
    alone = np.where(np.isfinite(label), label, -1 - np.arange(len(label)))
    everybody, faces = features.face_label.values, max(len(who) + missed * complete, 1)
    unnamed = np.isnan(label).sum() - missed * (not complete)
    return Score(len(set(who)), len(np.unique(everybody[np.isfinite(everybody)])), bcubed(who, alone), missed / faces, unnamed / faces, len(false), int(np.isfinite(false).sum()))
