"""Pictures of one shape on a textured background, with the shape's pixel mask.

    image, mask, label = draw(seed, size)

image: size x size x 3 uint8; mask: size x size uint8, 255 where the shape covers at least half of
the pixel, else 0; label: index into LABELS.  The same seed is the same scene at every size.

Backgrounds, distractors, colours and fillings are drawn from the same distributions for all
classes, so that only the shape itself tells them apart.  Every shape has a rim inside its outline,
of any colour but its filling's: its form can be read from its own pixels, without the background
beside them, which is what an explanation is later held against.  Nothing here hides or erases
parts of a picture.

Run as a program it writes the example pictures: draw.py [FOLDER]
"""
import colorsys
import math
from pathlib import Path
import sys

import numpy as np
from PIL import Image, ImageDraw

LABELS = ("arrow", "crescent", "cross", "disc", "flower", "heart", "ring", "square", "star",
          "triangle")
OVERSAMPLE = 2                     # outlines are drawn this much larger, then reduced
AREA = (0.16, 0.30)                # of the shape, share of the picture
MARGIN = 0.02                      # kept free at the border, share of the side
CONTRAST = 90                      # least distance of filling from background and from rim, of 442
EXAMPLES = {"arrow": 40_000_066, "flower": 40_000_059, "heart": 40_000_069, "star": 40_000_101}
EXAMPLE_SIDE = 240


# ---------------------------------------------------------------- outlines, about unit size

def circle(radius=1.0, centre=0.0, start=0.0, end=2 * math.pi):
    angle = np.linspace(start, end, 72)
    return np.stack([centre + radius * np.cos(angle), radius * np.sin(angle)], 1)


def regular(corners, inner=None):
    """A regular polygon, or with `inner` radius a star."""
    n = corners if inner is None else 2 * corners
    angle = 2 * math.pi * np.arange(n) / n
    radius = np.ones(n)
    if inner is not None:
        radius[1::2] = inner
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def cross(arm):
    corners = [(1, arm), (arm, arm), (arm, 1)]
    turned = [(np.array(p) @ [[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))
              for p in corners]
    return np.array(turned)


def crescent(bite, shift):
    """The unit disc without a disc of radius `bite` around (shift, 0)."""
    x = (1 - bite ** 2 + shift ** 2) / (2 * shift)
    outer, inner = math.acos(x), math.acos((x - shift) / bite)
    return np.concatenate([circle(1, 0, outer, 2 * math.pi - outer),
                           circle(bite, shift, 2 * math.pi - inner, inner)])


def heart():
    t = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y - 2.5], 1) / 16


def arrow(head, shaft, barb):
    half = [(1, 0), (1 - head, barb), (1 - head, shaft), (-1, shaft)]
    return np.array(half + [(x, -y) for x, y in half[:0:-1]])


def flower(petals, depth):
    t = np.linspace(0, 2 * math.pi, 120, endpoint=False)
    radius = 1 - depth + depth * np.abs(np.cos(petals * t / 2))
    return np.stack([radius * np.cos(t), radius * np.sin(t)], 1)


def outlines(label, rng):
    """The rings of a shape: the outer one, then holes."""
    u = rng.uniform
    if label == "ring":
        return [circle(), circle(u(0.48, 0.58))]
    return [{
        "arrow": lambda: arrow(u(0.75, 0.95), u(0.2, 0.28), u(0.68, 0.85)),
        "crescent": lambda: crescent(u(0.72, 0.85), u(0.5, 0.6)),
        "cross": lambda: cross(u(0.27, 0.36)),
        "disc": circle,
        "flower": lambda: flower(5, u(0.4, 0.5)),
        "heart": heart,
        "square": lambda: regular(4),
        "star": lambda: regular(5, u(0.42, 0.5)),
        "triangle": lambda: regular(3),
    }[label]()]


def area(ring):
    x, y = ring.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def place(rings, rng):
    """Scaled to a share of the picture, slightly stretched, turned and moved inside it: 0..1."""
    stretch = rng.uniform(0.93, 1.07)
    angle = rng.uniform(0, 2 * math.pi)
    c, s = math.cos(angle), math.sin(angle)
    scale = math.sqrt(rng.uniform(*AREA) / (area(rings[0]) - sum(area(r) for r in rings[1:])))
    matrix = np.diag([stretch, 1 / stretch]) @ [[c, s], [-s, c]]
    turned = [r @ matrix for r in rings]
    low, high = turned[0].min(0), turned[0].max(0)
    scale = min(scale, (1 - 2 * MARGIN) / (high - low).max())
    room = 1 - 2 * MARGIN - scale * (high - low)
    offset = MARGIN - scale * low + room * rng.uniform(0, 1, 2)
    return [scale * r + offset for r in turned]


# ---------------------------------------------------------------- textures: size x size, 0..1

def field(rng, cells, size):
    """Smooth noise, about `cells` bumps across."""
    noise = Image.fromarray(rng.uniform(-0.2, 1.2, (cells + 2, cells + 2)).astype(np.float32))
    box = (0.5, 0.5, cells + 1.5, cells + 1.5)
    return np.clip(np.asarray(noise.resize((size, size), Image.BICUBIC, box)), 0, 1)


def ramp(rng, size):
    """From 0 to 1 across the picture, in a random direction."""
    angle = rng.uniform(0, 2 * math.pi)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    reach = abs(math.cos(angle)) + abs(math.sin(angle))
    return (math.cos(angle) * at + math.sin(angle) * at[:, None]) / reach + 0.5


def wave(phase, edge):
    """A periodic pattern: soft for edge 1, hard for a large one."""
    return np.clip(0.5 + 0.5 * edge * np.sin(2 * math.pi * phase), 0, 1)


def stripes(rng, size):
    return wave(ramp(rng, size) * rng.uniform(5, 16) + rng.uniform(), rng.choice([1, 4]))


def checkers(rng, size):
    angle, count = rng.uniform(0, math.pi), rng.uniform(4, 11)
    at = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * count
    c, s = math.cos(angle), math.sin(angle)
    u, v = c * at + s * at[:, None], c * at[:, None] - s * at
    return np.clip(0.5 + 3 * np.sin(math.pi * (u + rng.uniform())) * np.sin(math.pi * v), 0, 1)


def clouds(rng, size):
    octaves = [field(rng, cells, size) for cells in (3, 7, 15)]
    return 0.5 * octaves[0] + 0.3 * octaves[1] + 0.2 * octaves[2]


def grain(rng, size):
    return field(rng, int(rng.integers(14, 40)), size)


TEXTURES = (ramp, stripes, checkers, clouds, grain)


def colour(rng):
    hue, saturation, value = rng.uniform(), rng.uniform(0.1, 0.95), rng.uniform(0.2, 1)
    return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)


def near(rng, base, reach):
    return np.clip(base + rng.uniform(-reach, reach, 3), 0, 255).astype(np.float32)


def blend(below, above, share):
    """share: of `above`; a scalar or size x size."""
    share = np.asarray(share, np.float32)
    share = share[..., None] if share.ndim else share
    return below + (above - below) * share


def background(rng, size):
    """A texture of two related colours, softly lit; and those colours."""
    first = colour(rng)
    second = near(rng, first, 70)
    texture = TEXTURES[rng.integers(len(TEXTURES))](rng, size)
    image = blend(first, second, texture)
    light = 0.85 + 0.3 * field(rng, 2, size)
    return image * light[..., None], (first, second)


# ---------------------------------------------------------------- distractors

def blob(rng, radius):
    """A closed wobbly outline around a random point: 0..1."""
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    r = radius * (1 + sum(rng.uniform(-0.3, 0.3) * np.cos(k * t + rng.uniform(0, 6.3))
                          for k in (1, 2, 3)))
    return rng.uniform(0, 1, 2) + np.stack([r * np.cos(t), r * np.sin(t)], 1)


def stroke(rng):
    """A curved open line: 0..1."""
    t = np.linspace(0, 1, 16)[:, None]
    start, bend, end = (rng.uniform(-0.1, 1.1, 2) for _ in range(3))
    end = start + (end - start) * rng.uniform(0.2, 0.8)
    return start * (1 - t) ** 2 + 2 * bend * t * (1 - t) + end * t ** 2


def clutter(rng, size, base):
    """Strokes, dots and blobs, none of which is a shape of LABELS: an RGBA picture."""
    large = size * OVERSAMPLE
    layer = Image.new("RGBA", (large, large))
    pen = ImageDraw.Draw(layer)

    def ink():
        tone = colour(rng) if rng.uniform() < 0.5 else near(rng, base, 90)
        return tuple(int(v) for v in tone) + (255,)

    def pixels(points):
        return [tuple(p) for p in (points * large).tolist()]

    for _ in range(rng.integers(0, 4)):
        pen.polygon(pixels(blob(rng, rng.uniform(0.02, 0.06))), fill=ink())
    for _ in range(rng.integers(0, 5)):
        width = max(1, round(rng.uniform(0.006, 0.02) * large))
        pen.line(pixels(stroke(rng)), fill=ink(), width=width, joint="curve")
    for _ in range(rng.integers(0, 12)):
        (x, y), r = rng.uniform(0, 1, 2) * large, rng.uniform(0.006, 0.018) * large
        pen.ellipse([x - r, y - r, x + r, y + r], fill=ink())
    return layer.reduce(OVERSAMPLE)


# ---------------------------------------------------------------- the shape

def coverage(rings, size):
    """How much of each pixel the shape covers, and how much of it is rim: size x size, 0..1."""
    large = size * OVERSAMPLE
    body, rim = Image.new("L", (large, large)), Image.new("L", (large, large))
    pens = ImageDraw.Draw(body), ImageDraw.Draw(rim)
    width = round(0.06 * large)                     # the inner half of it is kept
    for i, ring in enumerate(rings):
        points = [tuple(p) for p in (ring * large).tolist()]
        pens[0].polygon(points, fill=0 if i else 255)
        pens[1].line(points + points[:2], fill=255, width=width, joint="curve")
    return [np.asarray(i.reduce(OVERSAMPLE), np.float32) / 255 for i in (body, rim)]


def distant_colour(rng, others):
    """A colour that differs clearly from all of `others`."""
    while True:
        candidate = colour(rng)
        if min(np.linalg.norm(candidate - o) for o in others) >= CONTRAST:
            return candidate


def filling(rng, size, behind):
    """The inside and the rim's colour."""
    base = distant_colour(rng, behind)
    texture = TEXTURES[rng.integers(len(TEXTURES))](rng, size)
    inside = blend(base, near(rng, base, 45), texture)
    inside = inside * (0.8 + 0.4 * ramp(rng, size))[..., None]
    return inside, distant_colour(rng, [base])


def draw(seed, size, label=None):
    """One picture; `label` (an index) fixes the class instead of drawing it."""
    rng = np.random.default_rng(seed)
    drawn = int(rng.integers(len(LABELS)))
    label = drawn if label is None else label
    image, behind = background(rng, size)
    layer = np.asarray(clutter(rng, size, behind[0]), np.float32)
    image = blend(image, layer[..., :3], layer[..., 3] / 255)
    rings = place(outlines(LABELS[label], rng), rng)
    body, rim = coverage(rings, size)
    inside, rim_colour = filling(rng, size, behind)
    image = blend(image, blend(inside, rim_colour, rim), body)
    image = image + (field(rng, 60, size)[..., None] - 0.5) * rng.uniform(0, 16)
    mask = np.where(body >= 0.5, 255, 0).astype(np.uint8)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), mask, label


def write_examples(folder):
    """EXAMPLES as NAME.png with NAME.mask.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in EXAMPLES.items():
        image, mask, _ = draw(seed, EXAMPLE_SIDE)
        Image.fromarray(image).save(folder / f"{name}.png", optimize=True)
        Image.fromarray(mask).save(folder / f"{name}.mask.png", optimize=True)


if __name__ == "__main__":
    write_examples(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "examples")
