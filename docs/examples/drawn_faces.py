"""A folder of drawn faces with three labels, to try `--dataset folder` on where no pictures are at hand.

python docs/examples/drawn_faces.py faces 500
"""

import sys
from pathlib import Path

from PIL import Image

from melodylc.data.pictures.attributes import ATTRIBUTES
from melodylc.data.pictures.faces import draw_faces

LABELS = ("Smiling", "Eyeglasses", "Male")


def main(folder: Path, count: int) -> None:
    """Write the pictures and labels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    faces, columns = draw_faces(count, seed=9), [ATTRIBUTES.index(name) for name in LABELS]
    rows = ["file," + ",".join(name.lower() for name in LABELS)]
    for number, (pixels, labels) in enumerate(zip(faces.pixels, faces.labels, strict=True)):
        name = f"face-{number:03}.png"
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / name)
        rows.append(f"{name}," + ",".join(str(labels[column]) for column in columns))
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
