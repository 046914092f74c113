"""Texts from outside, made fit for a line, a label or a file."""


def printable(text: str, most: int = 80) -> str:
    r"""One line of `text`: what can't be printed becomes a space, which XML, ABC and terminals can all take.

    >>> printable("Lead\x00\nVocal ")
    'Lead  Vocal'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:most]
