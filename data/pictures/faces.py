"""Drawn toy faces with the ten attributes: for tests and demonstrations, where CelebA can't be had or passed on.

A face is a pure function of its attributes and a random stream, so whoever looks at the picture can say them all:

| attribute | what is drawn |
|---|---|
| `Black_Hair`, `Blond_Hair`, `Brown_Hair` | a cap of hair in that colour; grey where none of them is set |
| `Bald` | no hair |
| `Wearing_Hat` | a blue band with a brim over the forehead |
| `Eyeglasses` | dark rings around the eyes |
| `Male` | a squarer jaw and thicker brows |
| `No_Beard` | without it, the lower face is dark |
| `Smiling` | the mouth bends up; flat otherwise |
| `Young` | without it, lines on the forehead and paler hair |
"""

import numpy as np
import numpy.typing as npt

from melodylc.data.pictures.attributes import ATTRIBUTES
from melodylc.data.pictures.base import Bytes, Pictures, PictureSplit

SIDE = 64
_SEEDS = {"train": 0, "valid": 1, "test": 2}
_HAIR = {"Black_Hair": (0.08, 0.07, 0.07), "Blond_Hair": (0.9, 0.78, 0.35), "Brown_Hair": (0.42, 0.25, 0.12)}
_GREY = (0.6, 0.6, 0.62)
_Plane = npt.NDArray[np.float64]


def draw_faces(count: int, split: PictureSplit = "train", seed: int = 0) -> Pictures:
    """`count` faces with random attributes, (count, 3, 64, 64); face k is the same however many there are.

    >>> draw_faces(2).pixels.shape, bool((draw_faces(5).pixels[:2] == draw_faces(2).pixels).all())
    ((2, 3, 64, 64), True)
    """
    streams = [np.random.default_rng((seed, _SEEDS[split], at)) for at in range(count)]
    labels = np.array([random_attributes(rng) for rng in streams], np.uint8).reshape(count, len(ATTRIBUTES))
    faces = [draw_face(label, rng) for label, rng in zip(labels, streams, strict=True)]
    pixels = np.array(faces, np.uint8).reshape(count, 3, SIDE, SIDE)
    return Pictures("faces", split, pixels, labels, ATTRIBUTES, exclusive=False)


def random_attributes(rng: np.random.Generator) -> Bytes:
    """Attributes (10,) as people might have them: at most one hair colour, none where bald."""
    values = dict.fromkeys(ATTRIBUTES, 0)
    hair = rng.choice(["Bald", "Black_Hair", "Blond_Hair", "Brown_Hair", "grey"], p=[0.1, 0.28, 0.22, 0.28, 0.12])
    if hair in values:
        values[hair] = 1
    rates = {"Eyeglasses": 0.3, "Male": 0.45, "Smiling": 0.5, "Wearing_Hat": 0.15, "Young": 0.7}
    values |= {name: int(rng.random() < rate) for name, rate in rates.items()}
    values["No_Beard"] = int(not values["Male"] or rng.random() < 0.6)
    return np.array([values[name] for name in ATTRIBUTES], np.uint8)


def draw_face(attributes: Bytes, rng: np.random.Generator) -> Bytes:
    """One face, (3, 64, 64), of attributes (10,)."""
    has = dict(zip(ATTRIBUTES, attributes.astype(bool).tolist(), strict=True))
    return _Face(rng).draw(has)


class _Face:
    """A canvas in units of half its side, with the origin between the eyes and the mouth."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        ground = rng.uniform(0.2, 0.9, 3)
        self.canvas = np.ones((SIDE, SIDE, 3)) * ground
        rows, columns = np.mgrid[0:SIDE, 0:SIDE] / (SIDE / 2) - 1 + 0.5 / (SIDE / 2)
        self.x, self.y = columns - rng.uniform(-0.06, 0.06), rows - rng.uniform(-0.03, 0.09)
        self.wide, self.tall = rng.uniform(0.52, 0.6), rng.uniform(0.7, 0.78)

    def draw(self, has: dict[str, bool]) -> Bytes:
        self._hair(has)
        skin = self.rng.choice([0.95, 0.8, 0.62, 0.48]) * np.array([1.0, 0.82, 0.7])
        power = 3.2 if has["Male"] else 2.0
        head = np.abs(self.x / self.wide) ** power + np.abs(self.y / self.tall) ** power
        self._paint(1 - head, skin)
        if not has["No_Beard"]:
            self._paint(np.minimum(1 - head, self.y - 0.22), skin * 0.3)
        self._features(has)
        if has["Wearing_Hat"]:
            self._paint(np.minimum(-self.y - 0.42, 0.68 - np.abs(self.x)), (0.1, 0.2, 0.75))
            self._bar(0.0, -0.42, 0.8, 0.06, (0.05, 0.1, 0.5))
        noisy = self.canvas + self.rng.normal(0, 0.01, self.canvas.shape)
        return (noisy.clip(0, 1) * 255).round().astype(np.uint8).transpose(2, 0, 1)

    def _hair(self, has: dict[str, bool]) -> None:
        if has["Bald"]:
            return
        colour = next((np.array(_HAIR[name]) for name in _HAIR if has[name]), np.array(_GREY))
        colour = colour if has["Young"] else 0.75 * colour + 0.2
        length = 0.1 if has["Male"] else 0.75
        cap = 1 - (self.x / (self.wide + 0.14)) ** 2 - ((self.y + 0.06) / (self.tall + 0.12)) ** 2
        self._paint(np.minimum(cap, length - self.y), colour)

    def _features(self, has: dict[str, bool]) -> None:
        for side in (-1, 1):
            self._disc(side * 0.22, -0.12, 0.075, (0.97, 0.97, 0.97))
            self._disc(side * 0.22, -0.12, 0.04, (0.1, 0.1, 0.12))
            self._bar(side * 0.22, -0.27, 0.11, 0.035 if has["Male"] else 0.018, (0.2, 0.13, 0.1))
            if has["Eyeglasses"]:
                around = np.hypot(self.x - side * 0.22, self.y + 0.12)
                self._paint(0.03 - np.abs(around - 0.16), (0.05, 0.05, 0.05))
        if has["Eyeglasses"]:
            self._bar(0.0, -0.12, 0.07, 0.02, (0.05, 0.05, 0.05))
        self._bar(0.0, 0.08, 0.02, 0.09, (0.55, 0.38, 0.3))
        bend = -1.6 if has["Smiling"] else 0.0
        mouth = 0.36 + bend * (self.x**2 - 0.03)
        self._paint(np.minimum(0.035 - np.abs(self.y - mouth), 0.24 - np.abs(self.x)), (0.75, 0.15, 0.18))
        if not has["Young"]:
            for height in (-0.36, -0.44):
                self._bar(0.0, height, 0.28, 0.012, (0.4, 0.28, 0.22))

    def _disc(self, x: float, y: float, radius: float, colour: tuple[float, float, float]) -> None:
        self._paint(radius - np.hypot(self.x - x, self.y - y), colour)

    def _bar(self, x: float, y: float, wide: float, tall: float, colour: tuple[float, float, float]) -> None:
        self._paint(np.minimum(wide - np.abs(self.x - x), tall - np.abs(self.y - y)), colour)

    def _paint(self, inside: _Plane, colour: "npt.ArrayLike") -> None:
        """Lay a colour where `inside` is positive, with edges softened over a pixel."""
        share = np.clip(inside * SIDE / 2 + 0.5, 0, 1)[..., None]
        self.canvas = (1 - share) * self.canvas + share * np.asarray(colour)
