#!/usr/bin/python3
"""Draws the README's picture, docs/overlay.png: an example of the embedded model, and what
`layermask explain` makes of it with layer masking and with black paint.

    docs/picture.py BUILD [EXAMPLE]

The panels are the product's own drawings, put beside each other.  Needs Pillow.
"""
from pathlib import Path
import subprocess
import sys
import tempfile

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "config" / "models" / "shapes"
SIDE, GAP, COLOURS = 288, 12, 128          # of a panel's picture, pixels


def explained(build, example, masking, folder):
    """The overlay, as wide as a panel."""
    output = Path(folder) / f"{masking}.png"
    subprocess.run([build / "layermask", "explain", "--model", MODEL, example, "--masking", masking,
                    "-o", output], check=True, stdout=subprocess.DEVNULL)
    overlay = Image.open(output).convert("RGB")
    return overlay.resize((SIDE, round(overlay.height * SIDE / overlay.width)), Image.LANCZOS)


def main():
    build = Path(sys.argv[1]).resolve()
    example = MODEL / "examples" / f"{sys.argv[2] if len(sys.argv) > 2 else 'heart'}.png"
    with tempfile.TemporaryDirectory() as folder:
        layer = explained(build, example, "layer", folder)
        black = explained(build, example, "black", folder)
    plain = Image.open(example).convert("RGB").resize((SIDE, SIDE), Image.LANCZOS)
    sheet = Image.new("RGB", (3 * SIDE + 2 * GAP, layer.height), "white")
    sheet.paste(plain, (0, title_height(layer)))
    sheet.paste(layer, (SIDE + GAP, 0))
    sheet.paste(black, (2 * (SIDE + GAP), 0))
    output = ROOT / "docs" / "overlay.png"
    sheet.quantize(COLOURS).save(output, optimize=True)
    print(f"wrote {output}, {output.stat().st_size} bytes")


def title_height(overlay):
    """Rows above the picture itself, which is square: the rest below it is the legend."""
    rows = [y for y in range(overlay.height) if overlay.getpixel((1, y)) != (255, 255, 255)]
    return next(y for y in rows if all(y + k in rows for k in range(SIDE // 2)))


if __name__ == "__main__":
    main()
