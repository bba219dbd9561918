"""Which histograms of oriented gradients a picture may have.

Two things are decided in a histogram: which of three colours is steepest, and in which of eight directions a gradient
points. Where two colours are equally steep, or a gradient points along the border of two directions, the last bit of a
square root or an arc tangent decides, and on another processor it is another one. In such a tie every decision is
allowed, elsewhere one is; all the rest of a histogram follows from the decisions, up to rounding.
"""
import numpy as np

from mexca_video.models.imports import import_feat

SIDE, DIRECTIONS, CELL = 112, 8, 8  # pixels of a picture, directions, pixels of a cell
ROUNDING = 1e-6  # relative for a steepness, radians for a direction: some ten units in the last place of float32


def gradients(pictures):
    "Gradients (N, 3, 112, 112) across and down of pictures of that shape; none across the edge of a picture."
    pictures = pictures.astype(float)
    across, down = np.zeros_like(pictures), np.zeros_like(pictures)
    across[..., 1:-1] = pictures[..., 2:] - pictures[..., :-2]
    down[..., 1:-1, :] = pictures[..., 2:, :] - pictures[..., :-2, :]
    return across, down


def allowed_directions(pictures):
    "How steep each pixel is, (N, 112, 112), and which directions it may have, (N, 8, 112, 112)."
    across, down = gradients(pictures)
    steep, angle = np.hypot(across, down), np.arctan2(down, across) % np.pi
    steepest = steep.max(1)
    may_be_chosen = steep >= steepest[:, None] * (1 - ROUNDING)
    allowed = np.zeros((len(pictures), DIRECTIONS, SIDE, SIDE), bool)
    for turned in (angle - ROUNDING, angle + ROUNDING):
        direction = np.floor(turned / (np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
        for k in range(DIRECTIONS):
            allowed[:, k] |= (may_be_chosen & (direction == k)).any(1)
    return steepest, allowed


def histograms(pixels):
    "Histograms (N, 5408) of what each pixel adds, (N, 8, 112, 112): blocks of 2 x 2 cells, scaled, cut, scaled again."
    count = SIDE // CELL
    cells = pixels.astype(float).reshape(-1, DIRECTIONS, count, CELL, count, CELL).mean((3, 5))
    last = count - 1
    block = np.stack([cells[:, :, i:i + last, j:j + last] for i in (0, 1) for j in (0, 1)], 1)
    block = np.moveaxis(block, (1, 2), (3, 4)).reshape(len(pixels), last, last, -1)
    for most in (0.2, 1):
        block = np.minimum(block / np.sqrt((block ** 2).sum(-1, keepdims=True) + 1e-10), most)
    return block.reshape(len(pixels), -1)


def assert_allowed(pictures, pixels, hog):
    "Are these decisions about pictures (N, 3, 112, 112) allowed, and does `hog` (N, 5408) follow from them?"
    steepest, allowed = allowed_directions(pictures)
    assert ((pixels > 0).sum(1) <= 1).all(), "a pixel adds to two directions"
    np.testing.assert_allclose(pixels.sum(1), steepest, rtol=ROUNDING, atol=1e-12, err_msg="not the steepest colour")
    wrong = (pixels > 0) & ~allowed
    assert not wrong.any(), f"{wrong.sum()} of {(steepest > 0).sum()} pixels have a direction that they do not have"
    np.testing.assert_allclose(hog, histograms(pixels), rtol=0, atol=1e-6, err_msg="not the histogram of these pixels")


def assert_same_pictures(found, expected, edge):
    "Are pictures (N, 3, 112, 112) the same up to rounding? Where `edge`, see `turned_by`, anything may be."
    apart = np.abs(found - expected).max(1)
    assert edge.mean() < 1e-3
    far = apart[~edge] > 1e-4
    assert not far.any(), f"{far.sum()} pixels differ, by up to {apart[~edge].max():.2g}"


# --- how a picture was described ------------------------------------------------------------------------------------

def hog_layer(side):
    "py-feat's layer with cells of `side` pixels: with one, its `orientation_histogram` says what each pixel adds."
    layer = import_feat("utils.image_operations").HOGLayer
    return layer(DIRECTIONS, side, 1 if side == 1 else 2, block_normalization="L2-Hys")


def described_by_py_feat(pictures):
    "What each pixel adds, and the histograms, by py-feat."
    import torch

    layer, tensor = hog_layer(1), torch.from_numpy(np.ascontiguousarray(pictures))
    with torch.inference_mode():
        layer(tensor)
        return layer.orientation_histogram.numpy(), hog_layer(CELL)(tensor).numpy()


def point(direction, across, down, steep, out):
    for i in range(len(steep)):
        if steep[i] > 0: out[i] = direction(across[i], down[i], steep[i])


def described_by(code, framed):
    "What each pixel of pictures (N, 3, 114, 114), borders included, adds, by the kernels of a copy of `pyfeat_aus`."
    steepest = np.zeros((len(framed), SIDE, SIDE), np.float32)
    direction, across, down = np.zeros(steepest.shape, int), np.empty(SIDE, np.float32), np.empty(SIDE, np.float32)
    each = point
    if hasattr(code._direction, "signatures"):
        from numba import njit

        each = njit(point)
    for n, face in enumerate(framed.copy()):
        code._mirror(face)
        for i in range(SIDE):
            code._slope(face, i, steepest[n, i], across, down)
            each(code._direction, across, down, steepest[n, i], direction[n, i])
    pixels = np.zeros((len(framed), DIRECTIONS, SIDE, SIDE), np.float32)
    np.put_along_axis(pixels, direction[:, None], steepest[:, None], 1)
    return pixels


def turned_by(code, monkeypatch, patches, points):
    """The pictures (N, 3, 114, 114) that `code` describes, and where, (N, 112, 112), they show the very edge of the
    photograph, so that rounding decides whether a pixel is outside of it.
    """
    given, size = [], SIDE + 2
    code.compile_kernels(code.__name__)
    with monkeypatch.context() as patch:
        patch.setattr(code, "_describe_all", lambda *arguments: given.append(arguments))
        code.describe_faces(patches, points)
    images, sources, line, marks, _ = given[0]
    framed, mask = np.empty((len(images), 3, size, size), np.float32), np.empty((SIDE, SIDE), bool)
    for n, face in enumerate(framed):
        assert code._upright(images[n], sources[n], line, marks[n], mask, face)
    grid = np.stack([*np.meshgrid(line, line), np.ones((SIDE, SIDE))]).astype(float)
    place = np.einsum("nak,kij->naij", sources.astype(float), grid)
    return framed, (np.abs(np.abs(place) - 1) < 1e-5).any(1)
