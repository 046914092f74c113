"""The ten face attributes of the paper, and attributes and classes as people type them.

`smiling`, `no-eyeglasses`, `blond-hair`; in CelebA's own words `No_Beard` is an attribute, so `no-beard` asks for it
and `beard` against it.
"""

import difflib
from collections.abc import Sequence

from melodylc.data.errors import InputError

ATTRIBUTES = (
    "Bald",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Eyeglasses",
    "Male",
    "No_Beard",
    "Smiling",
    "Wearing_Hat",
    "Young",
)


def parse_label(text: str, names: Sequence[str]) -> tuple[int, bool]:
    """Which label somebody means, and whether it is wanted.

    Raises:
        InputError: it is none; the nearest names are shown.

    >>> [parse_label(text, ATTRIBUTES) for text in ("smiling", "no-eyeglasses", "no-beard", "beard", "Blond Hair")]
    [(7, True), (4, False), (6, True), (6, False), (2, True)]
    """
    known = {_plain(name): at for at, name in enumerate(names)}
    word = _plain(text)
    if word in known:
        return known[word], True
    if word.startswith("no-") and word[3:] in known:
        return known[word[3:]], False
    if f"no-{word}" in known:
        return known[f"no-{word}"], False
    close = difflib.get_close_matches(word.removeprefix("no-"), known, n=3, cutoff=0.5)
    shown = f"nearest: {', '.join(close)}" if close else f"choose from {', '.join(known)}"
    raise InputError(f"unknown attribute {text!r}; {shown} (no-... for its absence)")


def parse_wanted(texts: Sequence[str], names: Sequence[str]) -> dict[int, bool]:
    """What several such texts ask for together.

    Raises:
        InputError: one that is unknown, or two that contradict each other.
    """
    wanted: dict[int, bool] = {}
    for text in texts:
        label, value = parse_label(text, names)
        if wanted.get(label, value) != value:
            raise InputError(f"{names[label]} can't be both there and absent: leave out one of {', '.join(texts)}")
        wanted[label] = value
    return wanted


def _plain(text: str) -> str:
    return "-".join(text.strip().lower().replace("_", " ").replace("-", " ").split())
