"""Texts from outside, made fit for a line, a label or a file."""

import re

# C0 but for tabs and line feeds, C1, what turns the direction of writing, separators of lines, tags, lone surrogates
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str, most: int = 80) -> str:
    r"""One line of `text`: what can't be printed becomes a space, which XML, ABC and terminals can all take.

    >>> printable("Lead\x00\nVocal ")
    'Lead  Vocal'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:most]


def escape_controls(text: str, *, line: bool = False) -> str:
    r"""A text whose control characters are spelt out, as JSON would: a terminal shows them and does nothing.

    Args:
        text: anything, lone surrogates included.
        line: whether line feeds and tabs are spelt out, too.

    >>> escape_controls("a\x1b[2Jb.mid"), escape_controls("two\nlines", line=True)
    ('a\\u001b[2Jb.mid', 'two\\u000alines')
    """
    text = _CONTROLS.sub(lambda found: escape(found[0]), text)
    return re.sub("[\n\t]", lambda found: escape(found[0]), text) if line else text


def escape_surrogates(text: str) -> str:
    """A text whose lone surrogates, which no encoding has, are spelt out."""
    return re.sub("[\ud800-\udfff]", lambda found: escape(found[0]), text)


def escape(text: str) -> str:
    r"""Every character spelt out, as JSON would.

    >>> escape("é")
    '\\u00e9'
    """
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
