"""Writes tests/golden/mask_golden.h: masks made by other people's code, for the tests of the mask room.

    pip install pycocotools==2.0.7
    python3 tests/tools/make_mask_golden.py | clang-format-14 > tests/golden/mask_golden.h

Run lengths: pycocotools encodes numpy masks.  Polygons: skimage.measure.points_in_poly at the
pixels' centres, and numpy's count of crossings of a ray; both must agree.  Nearest neighbour:
numpy indexing with exact integer coordinates.  Every mask in the file is a string of pycocotools.
"""
import numpy as np
from pycocotools import mask as coco
from skimage.measure import points_in_poly

rng = np.random.default_rng(20231002)


def rle(mask):
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def counts(mask):
    """Uncompressed run lengths, straight from their definition."""
    flat = np.concatenate([[0], mask.T.ravel().astype(int)])
    edges = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()


def c_string(text):
    escaped = text.replace("\\", "\\\\").replace("?", "\\?")
    pieces = [escaped[i:i + 80] for i in range(0, len(escaped), 80)] or [""]
    pieces = join_escapes(pieces)
    return "\n        ".join('"%s"' % p for p in pieces)


def join_escapes(pieces):
    """Moves a backslash at the end of a piece to the next one, unless it is itself escaped."""
    for i in range(len(pieces) - 1):
        trailing = len(pieces[i]) - len(pieces[i].rstrip("\\"))
        if trailing % 2:
            pieces[i], pieces[i + 1] = pieces[i][:-1], "\\" + pieces[i + 1]
    return pieces


def hex_rows(mask):
    """Each row's bits, the first pixel in the lowest bit of the first byte."""
    return np.packbits(mask.astype(np.uint8), axis=1, bitorder="little").tobytes().hex()


def rle_cases():
    yield np.array([[0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]])
    for shape in [(1, 1), (1, 5), (5, 1), (64, 64), (63, 65), (130, 1)]:
        for density in (0.0, 0.1, 0.5, 1.0):
            yield rng.random(shape) < density
    blobs = np.zeros((200, 300))
    for _ in range(12):
        y, x, radius = rng.integers(0, 200), rng.integers(0, 300), rng.integers(3, 50)
        rows, columns = np.ogrid[:200, :300]
        blobs[(rows - y) ** 2 + (columns - x) ** 2 < radius ** 2] = 1
    yield blobs
    yield np.indices((20, 70)).sum(axis=0) % 2
    tall = np.zeros((100000, 2))
    tall[70000:99999, 1] = 1
    yield tall


def by_ray(width, height, points):
    """Even-odd: crossings of the edges with the ray to the left of each centre."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.zeros((height, width), bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0)):
        if ay != by:
            between = (ay <= y) != (by <= y)
            inside ^= between & (x >= ax + (y - ay) / (by - ay) * (bx - ax))
    return inside


def polygon_mask(width, height, points):
    y, x = np.mgrid[:height, :width] + 0.5
    inside = by_ray(width, height, points)
    other = points_in_poly(np.stack([x.ravel(), y.ravel()], 1), points).reshape(height, width)
    assert (inside == other).all(), "the two references disagree"
    return inside


def polygon_cases():
    for width, height, n in [(20, 20, 3), (64, 64, 4), (65, 50, 5), (200, 130, 7), (100, 100, 25),
                             (130, 90, 40)]:
        for _ in range(2):
            yield width, height, rng.uniform(-0.2, 1.2, (n, 2)) * [width, height]
    angles = np.sort(rng.uniform(0, 2 * np.pi, 90))
    radii = rng.uniform(20, 60, 90)
    yield 128, 128, 64 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    star = np.pi * np.arange(5) * 4 / 5  # crosses itself: the middle is outside by even-odd
    yield 90, 90, 45 + 40.3 * np.stack([np.sin(star), -np.cos(star)], 1)
    yield 33, 21, np.array([[-5e5, -7e5], [9e5, 3e5], [-2e5, 8e5]])


def stripes(length):
    flips = np.zeros(length, int)
    flips[rng.integers(0, length, 8)] ^= 1
    return np.cumsum(flips) % 2


def nearest_cases():
    # picture, shorter side (0: stretch), input; the geometry as in include/layermask/image.h
    for picture, shorter, size in [((250, 187), 128, 112), ((375, 500), 256, 224),
                                   ((50, 40), 128, 112), ((64, 64), 0, 224), ((320, 240), 0, 112),
                                   ((500, 166), 117, 112), ((112, 112), 112, 112), ((7, 3), 40, 32)]:
        width, height = picture
        if shorter:
            resized = ((shorter, shorter * height // width) if width <= height
                       else (shorter * width // height, shorter))
        else:
            resized = (size, size)
        crop = [round((r - size) / 2) for r in resized]  # Python's round: half to even
        at = [((2 * (np.arange(size) + c) + 1) * side) // (2 * r)
              for c, side, r in zip(crop, picture, resized)]
        mask = stripes(height)[:, None] ^ stripes(width)
        yield picture, resized, crop, size, mask, mask[at[1][:, None], at[0]]


def main():
    print("/* Written by tests/tools/make_mask_golden.py. */")
    print("struct golden_rle {\n    unsigned width, height;\n    const char *rows; /* hexadecimal bits,"
          " each row from a new byte, first pixel lowest */\n    const char *rle;\n"
          "    const char *counts; /* \"\": not given */\n};")
    print("static const struct golden_rle golden_rles[] = {")
    for mask in rle_cases():
        height, width = mask.shape
        big = mask.size > 70000
        runs = counts(mask)
        assert coco.frPyObjects({"size": [height, width], "counts": runs}, height, width)[
            "counts"].decode() == rle(mask)
        print('    {%d, %d,\n        %s,\n        %s,\n        %s},' % (
            width, height, c_string("" if big else hex_rows(mask)), c_string(rle(mask)),
            c_string(",".join(map(str, runs)) if len(runs) < 500 else "")))
    print("};\n\nstruct golden_polygon {\n    unsigned width, height, n;\n    const double *xy;\n"
          "    const char *rle;\n};")
    cases = list(polygon_cases())
    for i, (_, _, points) in enumerate(cases):
        print("static const double golden_points_%d[] = {" % i)
        flat = ["%r," % float(v) for v in points.ravel()]
        for j in range(0, len(flat), 4):
            print("    " + " ".join(flat[j:j + 4]))
        print("};")
    print("static const struct golden_polygon golden_polygons[] = {")
    for i, (width, height, points) in enumerate(cases):
        print("    {%d, %d, %d, golden_points_%d,\n        %s}," % (
            width, height, len(points), i, c_string(rle(polygon_mask(width, height, points)))))
    print("};\n\nstruct golden_nearest {\n    unsigned image_width, image_height, resized_width,"
          " resized_height, crop_x, crop_y, size;\n    const char *image, *input; /* RLE */\n};")
    print("static const struct golden_nearest golden_nearests[] = {")
    for picture, resized, crop, size, mask, sampled in nearest_cases():
        print("    {%d, %d, %d, %d, %d, %d, %d,\n        %s,\n        %s}," % (
            *picture, *resized, *crop, size, c_string(rle(mask)), c_string(rle(sampled))))
    print("};")


main()
