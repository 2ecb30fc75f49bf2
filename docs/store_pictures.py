"""Store the first picture of each example that `make gallery` has run, where the guide has them."""

from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
COLOURS = 128
"""Of a stored picture, which makes it half as large."""


def main():
    for path in sorted((DOCS / "gallery/images").glob("sphx_glr_*_001.png")):
        name = path.name.removeprefix("sphx_glr_").removesuffix("_001.png")
        picture = Image.open(path).convert("RGB").quantize(COLOURS)
        picture.save(DOCS / f"images/gallery/{name}.png", optimize=True)
        print(f"docs/images/gallery/{name}.png")


if __name__ == "__main__":
    main()
