"Corrections that fit a result, for tests that try many of them, and what no correction may change."
import numpy as np
from hypothesis import strategies as st

from mexca_video import assign_face, assign_track, merge_faces, rename_faces, swap_faces, unassign_faces
from mexca_video.schema import person_slots

NAMES = st.one_of(st.sampled_from(["Anna", "Zoë", "a b", "Person_2", "Unassigned_1", 'quoted "name"']),
                  st.text(max_size=8).filter(lambda name: name.strip() and len(name.splitlines()) == 1 and "\0" not in name))


def detections(ds):
    "Every detection as what was measured in it, which no correction may change; in the order of frames."
    detected = np.isfinite(ds.face_prob.values)
    rows, slots = np.nonzero(detected)
    values = [ds.face_box.values, ds.face_prob.values[..., None], ds.face_aus.values, ds.face_landmarks.values[..., 30, :], ds.face_first_label.values[..., None]
              if "face_first_label" in ds else ds.face_label.values[..., None]]
    if "face_embedding" in ds: values.append(ds.face_embedding.values[..., :3])
    values += [ds[name].values[..., None] for name in ("face_track", "face_evidence") if name in ds]
    table = np.column_stack([ds.frame.values[rows], *(v[rows, slots] for v in values)])
    return table[np.lexsort(table[:, :3].T)]


@st.composite
def steps(draw, ds):
    "One correction that fits `ds`, by name or by slot."
    slots, names = ds.face.values.tolist(), ds.face_name.values.tolist()
    persons = [slot for slot, yes in zip(slots, person_slots(ds.face_box, ds.face_label)) if yes]
    call = lambda slot: draw(st.sampled_from([slot, names[slots.index(slot)], np.int64(slot)]))
    faces = np.argwhere(np.isfinite(ds.face_prob.values))
    kind = draw(st.sampled_from(["rename", "merge", "swap", "assign", "assign", "track", "unassign"]))
    if kind == "unassign":
        mask = np.random.default_rng(draw(st.integers(0, 99))).random(ds.face_label.shape) < draw(st.sampled_from([0.0, 0.2, 1.0]))
        return unassign_faces, (draw(st.sampled_from([mask, ds.face_label.copy(data=mask)])),)
    if kind == "merge" and len(slots) > 1 and persons:
        keep = draw(st.sampled_from(persons))
        return merge_faces, (call(keep), call(draw(st.sampled_from([s for s in slots if s != keep]))))
    if kind == "swap" and len(slots) > 1:
        a, b = draw(st.permutations(slots))[:2]
        frame = ds.frame.values
        frames = draw(st.one_of(st.none(), st.just(slice(int(frame[len(frame) // 3]), None)), st.just(ds.time > ds.time.mean() - 1e-9),
                                st.lists(st.sampled_from(frame.tolist()), min_size=1, max_size=5)))
        return swap_faces, (call(a), call(b), frames)
    if kind == "track" and "face_track" in ds and len(faces) and persons:
        track = ds.face_track.values[tuple(faces[draw(st.integers(0, len(faces) - 1))])]
        return assign_track, (draw(st.sampled_from([int(track), track])), draw(st.sampled_from([None, *map(call, persons)])))
    if kind == "assign" and len(faces):
        row, k = faces[draw(st.integers(0, len(faces) - 1))]
        return assign_face, (ds.frame.values[row], call(slots[k]), draw(st.sampled_from([None, *map(call, persons)])))
    old, new = draw(st.sampled_from(slots)), draw(NAMES)
    return rename_faces, ({call(old): new if new not in names else f"New {len(ds.history)}"},)
