"""The errors a user can cause.

Each carries one line that says what came, what is allowed and what to do. The command line prints
``str(error)`` and exits with code 2; nothing else of this package is meant to reach a user's screen.

>>> try:
...     raise MidiError("song.mid: this isn't a MIDI file")
... except ValueError as error:
...     print(error)
song.mid: this isn't a MIDI file
"""


class MelodylcError(Exception):
    """Anything that this package refuses on purpose. ``str(error)`` is one line for the user."""


class InputError(MelodylcError, ValueError):
    """Something given from outside (an argument, a file, a folder) can't be used."""


class MidiError(InputError):
    """A MIDI file is broken, or isn't what was asked for."""


class CorpusError(InputError):
    """A corpus folder is missing, damaged or doesn't fit the request."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, foreign or doesn't fit the request."""
