"""Texts from outside: read in the encoding that they are in, compared, and made fit for a line, a label or a file."""

import re
import unicodedata

# A run of Japanese letters: kana, ideographs, or half-width katakana.
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uff66-\uff9f\u3005\u30fc]{2,}")
_SHIFTED = re.compile(rb"[\x81-\x9f][\x40-\x7e\x80-\xfc]")  # a pair whose first byte stands for nothing in Latin-1
_HALF_WIDTH = re.compile(rb"(?<![A-Za-z\x80-\xff])[\xa6-\xdf]{2,}(?![A-Za-z\x80-\xff])")
_CYRILLIC = re.compile(rb"(?<![A-Za-z])[\xc0-\xff]{4,}(?![A-Za-z])")

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


def file_stem(text: str, most: int = 40) -> str:
    """`text` as a part of a file's name: letters and digits of any script, `#`, `+`, `.` and dashes.

    >>> file_stem("My song (2): Eb/major"), file_stem("???")
    ('My-song-2-Eb-major', '')
    """
    return re.sub(r"[^\w#+.]+", "-", text)[:most].strip("-.")


def decode_name(content: bytes) -> str:
    r"""A name of unknown encoding, composed (NFC): UTF-8 where it is, else Shift-JIS, Windows-1251 or Windows-1252.

    MIDI names no encoding. What isn't UTF-8 is Japanese where two Japanese letters in a row come of it and
    one of its bytes means nothing in Latin-1 (or half-width katakana stand by themselves), Cyrillic where four of its
    letters stand in a row without any of ASCII, and Western else, where accented letters stand among plain ones.

    >>> [decode_name(text.encode(code)) for text, code in (("Me\u0301lodie", "utf-8"), ("Flöte", "latin-1"))]
    ['Mélodie', 'Flöte']
    >>> [decode_name(text.encode(code)) for text, code in (("メロディ", "shift-jis"), ("Мелодия", "cp1251"))]
    ['メロディ', 'Мелодия']
    """
    return unicodedata.normalize("NFC", _decode(content))


def _decode(content: bytes) -> str:
    for encoding in ("utf-8", "cp932"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or (
            _JAPANESE.search(text) and (_SHIFTED.search(content) or _HALF_WIDTH.search(content))
        ):
            return text
    encoding = "cp1251" if _CYRILLIC.search(content) else "cp1252"
    return "".join(_letter(byte, encoding) for byte in content)


def _letter(byte: int, encoding: str) -> str:
    """One byte of a Windows code page, and of Latin-1 where that has nothing there."""
    try:
        return bytes((byte,)).decode(encoding)
    except UnicodeDecodeError:
        return chr(byte)


def fold_text(text: str, accents: bool = True) -> str:
    """`text` as it is compared: without case, width and composition, and without accents unless wanted.

    >>> fold_text("MÉLODIE") == fold_text("me\u0301lodie"), fold_text("Mélodie", accents=False)
    (True, 'melodie')
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    if accents:
        return unicodedata.normalize("NFC", plain)
    return "".join(letter for letter in unicodedata.normalize("NFD", plain) if not unicodedata.combining(letter))


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
