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


class ScoreError(InputError):
    """A file of music is broken, or isn't what was asked for."""


class MidiError(ScoreError):
    """A MIDI file is broken, or isn't what was asked for."""


class CorpusError(InputError):
    """A corpus folder is missing, damaged or doesn't fit the request."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, foreign or doesn't fit the request."""


class RewardError(InputError):
    """A reward that a user wrote did what no reward may.

    Attributes:
        problem: what it did, such as "returned 1.3".
        row: on which row of what it was given, where that is known.

    >>> print(RewardError("leaps.py:stepwise", "returned 1.3: not in [0, 1]", "<Melody: no notes>"))
    leaps.py:stepwise returned 1.3: not in [0, 1], on <Melody: no notes>
    """

    def __init__(self, reward: str, problem: str, item: str = "", row: int | None = None) -> None:
        super().__init__(f"{reward} {problem}{item and f', on {item}'}")
        self.problem = problem
        self.row = row
