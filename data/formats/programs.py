"""General MIDI's 128 programs, by the numbers and names of the General MIDI Level 1 sound set: 1 to 128.

Files count them from 0, and so do most programs that read files; DAWs and synthesisers show 1 to 128.
"""

import re

from melodylc.data.errors import InputError

_TABLE = """
Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano,
Electric Piano 1, Electric Piano 2, Harpsichord, Clavinet,
Celesta, Glockenspiel, Music Box, Vibraphone, Marimba, Xylophone, Tubular Bells, Dulcimer,
Drawbar Organ, Percussive Organ, Rock Organ, Church Organ, Reed Organ, Accordion, Harmonica, Tango Accordion,
Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz), Electric Guitar (clean),
Electric Guitar (muted), Overdriven Guitar, Distortion Guitar, Guitar Harmonics,
Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass,
Slap Bass 1, Slap Bass 2, Synth Bass 1, Synth Bass 2,
Violin, Viola, Cello, Contrabass, Tremolo Strings, Pizzicato Strings, Orchestral Harp, Timpani,
String Ensemble 1, String Ensemble 2, Synth Strings 1, Synth Strings 2,
Choir Aahs, Voice Oohs, Synth Choir, Orchestra Hit,
Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section, Synth Brass 1, Synth Brass 2,
Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe, English Horn, Bassoon, Clarinet,
Piccolo, Flute, Recorder, Pan Flute, Blown Bottle, Shakuhachi, Whistle, Ocarina,
Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), Lead 4 (chiff),
Lead 5 (charang), Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead),
Pad 1 (new age), Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir),
Pad 5 (bowed), Pad 6 (metallic), Pad 7 (halo), Pad 8 (sweep),
FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere),
FX 5 (brightness), FX 6 (goblins), FX 7 (echoes), FX 8 (sci-fi),
Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai,
Tinkle Bell, Agogo, Steel Drums, Woodblock, Taiko Drum, Melodic Tom, Synth Drum, Reverse Cymbal,
Guitar Fret Noise, Breath Noise, Seashore, Bird Tweet, Telephone Ring, Helicopter, Applause, Gunshot
"""

NAMES: tuple[str, ...] = tuple(name.strip() for name in _TABLE.split(","))
"""The names: that of program n at n - 1."""

ALIASES: dict[str, str] = {
    "piano": "Acoustic Grand Piano",
    "grand piano": "Acoustic Grand Piano",
    "keys": "Electric Piano 1",
    "electric piano": "Electric Piano 1",
    "e piano": "Electric Piano 1",
    "rhodes": "Electric Piano 1",
    "wurlitzer": "Electric Piano 1",
    "bells": "Tubular Bells",
    "vibes": "Vibraphone",
    "organ": "Drawbar Organ",
    "hammond": "Drawbar Organ",
    "guitar": "Acoustic Guitar (nylon)",
    "acoustic guitar": "Acoustic Guitar (steel)",
    "electric guitar": "Electric Guitar (clean)",
    "bass": "Electric Bass (finger)",
    "bass guitar": "Electric Bass (finger)",
    "electric bass": "Electric Bass (finger)",
    "double bass": "Contrabass",
    "upright bass": "Acoustic Bass",
    "slap bass": "Slap Bass 1",
    "synth bass": "Synth Bass 1",
    "strings": "String Ensemble 1",
    "string ensemble": "String Ensemble 1",
    "synth strings": "Synth Strings 1",
    "pizzicato": "Pizzicato Strings",
    "harp": "Orchestral Harp",
    "choir": "Choir Aahs",
    "voice": "Voice Oohs",
    "vocals": "Voice Oohs",
    "brass": "Brass Section",
    "horn": "French Horn",
    "sax": "Alto Sax",
    "saxophone": "Alto Sax",
    "lead": "Lead 2 (sawtooth)",
    "synth": "Lead 2 (sawtooth)",
    "synthesizer": "Lead 2 (sawtooth)",
    "synthesiser": "Lead 2 (sawtooth)",
    "saw": "Lead 2 (sawtooth)",
    "pad": "Pad 2 (warm)",
}
"""What people call some of them, as `parse_program` compares names: lower case, single spaces."""

_MOST_SHOWN = 8


def program_name(number: int) -> str:
    """The name of a program, 1 to 128.

    Raises:
        InputError: another number.

    >>> program_name(74)
    'Flute'
    """
    if not 1 <= number <= len(NAMES):
        raise InputError(f"a program is 1 to {len(NAMES)}, as General MIDI counts them, not {number}")
    return NAMES[number - 1]


def parse_program(text: str) -> int:
    """The program, 1 to 128, that someone typed: its number, its name, a common word, or a part that no other name has.

    Raises:
        InputError: anything else, with the names that come near.

    >>> [parse_program(text) for text in ("74", "flute", "alto sax", "square", "Acoustic Guitar (nylon)")]
    [74, 74, 66, 81, 25]
    >>> [program_name(parse_program(text)) for text in ("piano", "Bass guitar", "strings")]
    ['Acoustic Grand Piano', 'Electric Bass (finger)', 'String Ensemble 1']
    >>> parse_program("drum")
    Traceback (most recent call last):
    melodylc.data.errors.InputError: several programs are called 'drum': Steel Drums, Taiko Drum, Synth Drum
    """
    if re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text):
        program_name(int(text))
        return int(text)
    typed = _plain(text)
    typed = _plain(ALIASES.get(typed, typed))
    exact = [number for number, name in enumerate(NAMES, 1) if _plain(name) == typed]
    found = exact or [number for number, name in enumerate(NAMES, 1) if typed and typed in _plain(name)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(NAMES[number - 1] for number in found[:_MOST_SHOWN])
        raise InputError(f"several programs are called {text[:40]!r}: {names}{', ...' * (len(found) > _MOST_SHOWN)}")
    raise InputError(f"no program is called {text[:40]!r}; nearest: {', '.join(_nearest(typed))}; or give 1 to 128")


def _plain(text: str) -> str:
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


def _nearest(typed: str) -> list[str]:
    import difflib

    by_name = {_plain(name): name for name in NAMES} | {name: name for name in ALIASES}
    near = difflib.get_close_matches(typed[:40], by_name, 3, 0.3)
    return [by_name[name] for name in near] or list(NAMES[:3])
