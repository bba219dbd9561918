"""Results with tracks, a doubtful track and proposals, made by hand from any result; and results as the first version made them."""

import json

import numpy as np

from mexca_video import STATUS, assign_face, check_features
from mexca_video.review.corrections import list_tracks
from mexca_video.schema import describe_variable

NEW_VARIABLES = ["face_track", "face_evidence", "shot"]


def first_version(ds):
    "The same without anything that the first version did not know."
    attrs = {name: value for name, value in ds.attrs.items() if name != "identity_proposals"}
    new = ds.drop_vars(NEW_VARIABLES, errors="ignore")
    new.attrs = attrs
    label = new.face_label.notnull()
    unknown = new.status.isin([STATUS["doubtful"], STATUS["no_presence"]])
    new["status"] = new.status.where(~unknown, label.astype("int8") * STATUS["landmarks_failed"] + (~label).astype("int8") * STATUS["unassigned"]).astype("int8")
    return new


def overlap(box, others):
    "IoU of a box (4,) with others (N, 4)."
    both = (np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])).clip(0).prod(1)
    size = lambda b: (b[..., 2:] - b[..., :2]).prod(-1)
    return both / (size(box) + size(others) - both)


def link(ds):
    "Tracks: boxes that overlap by half from one frame to the next."
    boxes, track, n = ds.face_box.values, np.full(ds.face_prob.shape, np.nan, "float32"), 0
    for row, k in np.argwhere(np.isfinite(ds.face_prob.values)):
        same = np.flatnonzero(overlap(boxes[row, k], boxes[row - 1]) > 0.5) if row else []
        track[row, k], n = (track[row - 1, same[0]], n) if len(same) else (n, n + 1)
    return ds.assign(face_track=(("frame", "face"), track, describe_variable("face_track")))


def with_tracks(ds):
    "Linked tracks; the longest is cut in two, and its last fifth is a doubtful track of its own, the one with the highest number."
    ds, history = link(first_version(ds)), ds.attrs["history"]
    longest = list_tracks(ds).nlargest(1, "n").iloc[0]
    new, k = int(ds.face_track.max()) + 1, int(np.flatnonzero(ds.face.values == longest.face)[0])
    rows = np.flatnonzero(ds.face_track.values[:, k] == longest.track)
    ds.face_track.values[rows[len(rows) // 2:], k] = new
    evidence = np.where(ds.face_prob.notnull(), 0.9, np.nan).astype("float32")
    ds["face_evidence"] = ("frame", "face"), evidence, describe_variable("face_evidence")
    ds = assign_face(ds, ds.frame.values[rows[-(len(rows) // 5):]].tolist(), int(longest.face), None)
    there = (ds.face == ds.face[-1]) & ds.face_prob.notnull()
    for name, value in (("face_track", new + 1), ("face_evidence", 0.2), ("status", STATUS["doubtful"])):
        ds[name] = ds[name].where(~there, value).astype(ds[name].dtype)
    ds = ds.drop_vars("face_first_label").assign_attrs(history=history)
    assert check_features(ds) == []
    return ds


def with_proposals(ds):
    "A result of `with_tracks` in which the first two people may be one, and the one whose track was cut may be two."
    tracks, cut = list_tracks(ds), ds.face_track.max().item() - 1
    face = int(tracks.face[tracks.track == cut].iloc[0])
    parts = [[int(track) for track in tracks.track[tracks.face == face] if track != cut], [int(cut)]]
    return ds.assign_attrs(identity_proposals=json.dumps([
        {"kind": "merge", "faces": ds.face.values[:2].tolist(), "distance": 0.5}, {"kind": "split", "face": face, "tracks": parts, "distance": 0.6}]))
