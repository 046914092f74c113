"""The pictures that `melodylc rewards test` tries a rule on: odd ones that rules stumble over, and drawn faces."""

import numpy as np

from melodylc.data.pictures.base import Bytes
from melodylc.data.pictures.faces import draw_faces
from melodylc.data.pictures.picture import SHAPE, SIDE, Picture, as_rgb

FACES = 64


def odd_pictures() -> dict[str, Picture]:
    """Pictures at the edge of what is possible, by name.

    >>> float(odd_pictures()["white"].grey.min())
    1.0
    """
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    planes = {
        "black": np.zeros((SIDE, SIDE)),
        "white": np.full((SIDE, SIDE), 255),
        "grey": np.full((SIDE, SIDE), 128),
        "one white pixel, top left": 255 * ((rows == 0) & (columns == 0)),
        "left half white": 255 * (columns < SIDE // 2),
        "top half white": 255 * (rows < SIDE // 2),
        "a gradient to the right": columns * 255 // (SIDE - 1),
        "a chessboard of pixels": 255 * ((rows + columns) % 2),
        "noise": np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)),
    }
    pictures = {name: np.repeat(plane.astype(np.uint8)[..., None], 3, axis=2) for name, plane in planes.items()}
    red = np.zeros(SHAPE, np.uint8)
    red[..., 0] = 255
    return {name: Picture(pixels) for name, pixels in {**pictures, "red": red}.items()}


def real_pictures() -> Bytes:
    """64 drawn faces as rules are given them, (64, 64, 64, 3)."""
    return as_rgb(draw_faces(FACES, "test").pixels)
