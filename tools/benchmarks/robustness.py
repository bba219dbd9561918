"""Same face, other picture: how do the numbers change? `make robustness` writes robustness.csv to OUT.

Photographs are changed in known ways, measured again by the embedded set, and compared with the unchanged ones: every number that a result holds
of a face, action unit by action unit. All photographs of one change are the frames of one lossless clip, so that they go through the whole pipeline.
"""
import argparse
import io
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FACES = ROOT.parent / "shared" / "faces" / "london"  # Face Research Lab London Set, with an index.csv of file and person
SIZES = (512, 256, 192, 128, 96, 64)  # of the picture, pixels
FACE_WIDTHS = (64, 46, 30, 22)  # of the box, pixels
GAMMAS = (0.5, 0.7, 1.5, 2.0)
QUALITIES = (75, 40, 20, 10)  # of JPEG
SIDES = ("right", "left")
MIRRORED_68 = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]  # point of the mirrored face for each of the 68
warnings.simplefilter("ignore")


def read_pictures(folder, people):
    "Neutral and smiling photographs of the first `people`, and the package's own photographs of one person; all are square."
    from mexca_video.samples import SAMPLES, sample_image

    index = pd.read_csv(folder / "index.csv") if (folder / "index.csv").is_file() else pd.DataFrame(dict(file=[], person=[]))
    chosen = index[index.person.isin(index.person.unique()[:people])]
    pictures = {str(file): np.array(Image.open(folder / file).convert("RGB")) for file in chosen.file}
    own = {name: sample_image(name) for name, sample in SAMPLES.items() if sample.size == (512, 512) and sample.fps is None}
    return pictures | {name: resize(image, 400) for name, image in own.items()}


def resize(image, side): return np.array(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


def compress(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def letterbox(image, width, height):
    "The picture within black bars."
    canvas = np.zeros((height, width, 3), np.uint8)
    y, x = (height - len(image)) // 2, (width - image.shape[1]) // 2
    canvas[y:y + len(image), x:x + image.shape[1]] = image
    return canvas


def list_changes(side, face):
    "(name, picture -> picture, scale, shift) of each change; `side` of the pictures and median width of a face, pixels."
    yield "mirrored", lambda image: image[:, ::-1], 1, (0, 0)
    for size in SIZES: yield f"{size} px", lambda image, size=size: resize(image, size), size / side, (0, 0)
    for width in FACE_WIDTHS:
        size = round(side * width / face)
        yield f"face {width} px", lambda image, size=size: resize(image, size), size / side, (0, 0)
    for gamma in GAMMAS: yield f"gamma {gamma}", lambda image, gamma=gamma: (255 * (image / 255) ** gamma).round().astype(np.uint8), 1, (0, 0)
    for quality in QUALITIES: yield f"JPEG {quality}", lambda image, quality=quality: compress(image, quality), 1, (0, 0)
    wide = 2 * (side * 8 // 9)
    yield "pillars, 16:9", lambda image: letterbox(image, wide, side), 1, ((wide - side) // 2, 0)
    yield "letterbox, 4:5", lambda image: letterbox(image, side, side * 5 // 4), 1, (0, (side * 5 // 4 - side) // 2)


def write_clip(path, pictures):
    "A lossless clip of one picture a frame, black where there is nothing: sides must be even."
    import av

    height, width = (n + n % 2 for n in np.max([p.shape[:2] for p in pictures], 0))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = int(width), int(height), "rgb24"
        for picture in pictures:
            canvas = np.zeros((height, width, 3), np.uint8)
            canvas[:picture.shape[0], :picture.shape[1]] = picture
            file.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        file.mux(stream.encode())
    return path


def measure(extractor, pictures):
    "Name -> (picture, …) what the result holds of the largest face of each picture; NaN where there is none."
    with tempfile.TemporaryDirectory() as folder:
        ds = extractor.apply(str(write_clip(Path(folder) / "pictures.mov", pictures)), show_progress=False)
    assert ds.sizes["frame"] == len(pictures)
    box = ds.face_box.values
    largest = np.nan_to_num((box[..., 2] - box[..., 0]), nan=-1).argmax(1)
    names = [name for name, variable in ds.data_vars.items() if variable.dims[:2] == ("frame", "face") and variable.dtype.kind == "f"]
    return ds, {name: ds[name].values[np.arange(len(pictures)), largest] for name in names}


LEFT_OUT = ("face_box", "face_prob", "face_label", "face_confidence", "face_track", "face_evidence", "face_embedding", "face_mesh", "face_blendshapes")


def undo(name, values, dims, change, scale, shift, width):
    "What a measurement of the changed picture says of the unchanged one. `width` of the pictures, pixels."
    values = np.array(values, float)
    if name == "face_landmarks":
        values = (values - shift + 0.5) / scale - 0.5
        if change == "mirrored": values = np.stack([width - 1 - values[..., 0], values[..., 1]], -1)[:, MIRRORED_68]
    elif change == "mirrored":
        if "side" in dims: values = np.flip(values, dims.index("side") - 1)
        if "angle" in dims: values = values * np.array([1, -1, -1])
    return values


def columns(ds, name):
    "Label of each number of a variable, in its order."
    dims = ds[name].dims[2:]
    grids = np.meshgrid(*[ds[dim].values if dim in ds.coords else np.arange(ds.sizes[dim]) for dim in dims], indexing="ij")
    return [" ".join(map(str, parts)) for parts in zip(*(grid.ravel() for grid in grids))] if dims else [""]


def compare(a, b):
    "Correlation, mean shift, mean and 95th percentile of the absolute difference of two lists of numbers, and how many."
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 3: return None
    spread = min(a.std(), b.std()) > 1e-4
    return dict(r=np.corrcoef(a, b)[0, 1] if spread else np.nan, shift=(b - a).mean(), mean=abs(b - a).mean(), p95=np.percentile(abs(b - a), 95), n=len(a))


def rows_of(ds, change, face, before, after, scale, shift, width):
    "The rows of the table for one change."
    for name in before:
        if name in LEFT_OUT: continue
        dims = ds[name].dims
        a, b = np.array(before[name], float), undo(name, after[name], dims, change, scale, shift, width)
        if name == "face_landmarks":
            eyes = np.linalg.norm(a[:, 36:42].mean(1) - a[:, 42:48].mean(1), axis=-1)
            far = np.linalg.norm(a - b, axis=-1).mean(1) / eyes
            known = far[np.isfinite(far)]
            yield dict(change=change, face=face, what=name, unit="of the distance of the eyes", mean=known.mean(), p95=np.percentile(known, 95), n=len(known))
            continue
        for label, x, y in zip(columns(ds, name), a.reshape(len(a), -1).T, b.reshape(len(b), -1).T):
            if (found := compare(x, y)) is not None: yield dict(change=change, face=face, what=name, unit=label) | found


def run(folder, people):
    "The whole table."
    from mexca_video import FaceExtractor

    extractor = FaceExtractor.embedded()
    pictures = list(read_pictures(folder, people).values())
    side = len(pictures[0])
    ds, before = measure(extractor, pictures)
    face = float(np.nanmedian(before["face_box"][:, 2] - before["face_box"][:, 0]))
    rows = []
    for change, do, scale, shift in list_changes(side, face):
        began = time.time()
        _, after = measure(extractor, [do(picture) for picture in pictures])
        width = float(np.nanmedian(after["face_box"][:, 2] - after["face_box"][:, 0]))
        rows += rows_of(ds, change, round(width), before, after, scale, shift, side)
        print(f"{change}: faces {width:.0f} px wide, {np.isfinite(after['face_prob']).sum()} of {len(pictures)} found, {time.time() - began:.0f} s", flush=True)
    return pd.DataFrame(rows)[["change", "face", "what", "unit", "r", "shift", "mean", "p95", "n"]], len(pictures), face


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, default=FACES, help="folder of photographs with an index.csv (default: ../shared/faces/london)")
    parser.add_argument("--people", type=int, default=40, help="how many of its people (default: 40)")
    parser.add_argument("--outdir", type=Path, default=Path("out"), help="folder to write robustness.csv to (default: out)")
    args = parser.parse_args()
    table, n, face = run(args.faces, args.people)
    if n < 10: print("robustness: these are only the package's own photographs; --faces names a folder of more", file=sys.stderr)
    args.outdir.mkdir(parents=True, exist_ok=True)
    with open(args.outdir / "robustness.csv", "w", encoding="utf-8", newline="\n") as file:
        file.write(f"# {n} photographs, faces {face:.0f} pixels wide (median) in the unchanged ones\n")
        table.round(4).to_csv(file, index=False, lineterminator="\n")
    print(args.outdir / "robustness.csv")


if __name__ == "__main__": main()
