"""Melodies through a MIDI port, over and over, until somebody stops them.

A melody loops. Another one takes its place at the next bar line, at the same bar, so that whoever plays along stays on
the grid. Whatever happens, no note is left sounding.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import mido

from melodylc.data.alphabet import BARS
from melodylc.data.errors import InputError
from melodylc.data.formats.midi_file import QUARTERS_PER_BAR
from melodylc.data.formats.performance import Played, perform
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

Wish = Literal["next", "back", "stop"]
ALL_NOTES_OFF = 123
_NAP = 0.01  # seconds between two looks at the keys
_EXTRA = "python-rtmidi, for MIDI ports, isn't installed: pip install -e '.[live]'"


class Clock(Protocol):
    """What tells the time and lets it pass, in seconds."""

    def now(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The computer's."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def port_names() -> list[str]:
    """The MIDI outputs there are.

    Raises:
        InputError: python-rtmidi isn't installed, or the system's MIDI can't be reached.
    """
    try:
        return list(dict.fromkeys(mido.get_output_names()))
    except ImportError as error:
        raise InputError(_EXTRA) from error
    except Exception as error:  # python-rtmidi's own errors, which differ between systems
        raise InputError(f"the system's MIDI can't be reached: {error}") from error


def open_port(name: str | None, virtual: bool = False) -> Any:
    """A MIDI output that is there, or a virtual one, which other programs then see as an input.

    Args:
        name: of the port, or a part that no other has; None: the only one, or "melodylc" for a virtual one.
        virtual: whether to make the port.

    Raises:
        InputError: there is no such port, it is taken, or none can be made.
    """
    chosen = (name or "melodylc") if virtual else _chosen(name, port_names())
    try:
        return mido.open_output(chosen, virtual=virtual)
    except ImportError as error:
        raise InputError(_EXTRA) from error
    except Exception as error:  # as above
        raise InputError(f"the MIDI port {chosen!r} can't be opened; has another program got it? {error}") from error


def _chosen(name: str | None, names: list[str]) -> str:
    if not names:
        raise InputError("this machine has no MIDI port: start a synthesiser or a DAW, or make one with --virtual")
    found = [it for it in names if name is None or it == name] or [
        it for it in names if name is not None and name.lower() in it.lower()
    ]
    if len(found) != 1:
        count = "several ports are" if found else "no port is"
        problem = "which port?" if name is None else f"{count} called {name!r}."
        raise InputError(f"{problem} There are {', '.join(map(repr, names))}: name one with --port")
    return found[0]


class Player:
    """Melodies at a port.

    Args:
        melodies: one or more; the first begins.
        writing: tempo, program, velocity, swing, human touch and channel.
        send: takes mido messages.
        wish: what the listener wants now, or None; asked a hundred times a second.
        clock: tells the time.
        tell: is given the number of the melody, from 0, whenever another begins.
    """

    def __init__(
        self,
        melodies: Sequence[Melody],
        writing: Writing,
        send: Callable[[Any], object],
        wish: Callable[[], Wish | None],
        clock: Clock,
        tell: Callable[[int], None] = lambda index: None,
    ) -> None:
        if not melodies:
            raise InputError("nothing to play: give one MIDI file or more")
        self._played = [perform(melody, writing, (index,)) for index, melody in enumerate(melodies)]
        self._writing = writing
        self._send, self._wish, self._clock, self._tell = send, wish, clock, tell
        self._index = self._wanted = 0
        self._sounding: set[int] = set()
        self._stopped = False

    def play(self) -> None:
        """Play until the wish is to stop, or something raises; then fall silent."""
        try:
            if self._writing.program is not None:
                self._message("program_change", program=self._writing.program - 1)
            self._tell(self._index)
            begin, bar = self._clock.now(), 0
            while not self._stopped:
                self._bar(bar, begin)
                bar += 1
        finally:
            self._silence()
            self._message("control_change", control=ALL_NOTES_OFF, value=0)

    def _bar(self, bar: int, begin: float) -> None:
        """Play one bar, the `bar`-th since `begin`, and change melodies at its end where that is wished."""
        ticks = QUARTERS_PER_BAR * self._writing.ppq
        per_tick = 60 / (self._writing.tempo * self._writing.ppq)
        start = bar % BARS * ticks
        for tick, pitch, velocity in _within(self._played[self._index], start, start + ticks):
            self._wait(begin + (bar * ticks + tick - start) * per_tick)
            if self._stopped:
                return
            self._note(pitch, velocity)
        self._wait(begin + (bar + 1) * ticks * per_tick)
        if self._wanted != self._index:
            self._silence()
            self._index = self._wanted
            self._tell(self._index)

    def _wait(self, until: float) -> None:
        while True:
            wish = self._wish()
            if wish == "stop":
                self._stopped = True
                return
            if wish:
                self._wanted = (self._wanted + (1 if wish == "next" else -1)) % len(self._played)
            left = until - self._clock.now()
            if left <= 0:
                return
            self._clock.sleep(min(left, _NAP))

    def _note(self, pitch: int, velocity: int) -> None:
        """Begin a note, or end it (velocity 0) if it sounds."""
        if velocity:
            self._sounding.add(pitch)
            self._message("note_on", note=pitch, velocity=velocity)
        elif pitch in self._sounding:
            self._sounding.remove(pitch)
            self._message("note_off", note=pitch, velocity=0)

    def _silence(self) -> None:
        for pitch in sorted(self._sounding):
            self._note(pitch, 0)

    def _message(self, kind: str, **values: int) -> None:
        self._send(mido.Message(kind, channel=self._writing.channel - 1, **values))


def _within(played: list[Played], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """What happens from tick `start` to `end`, in order: (tick, pitch, velocity), 0 where a note ends."""
    begun = [(note.start, 1, note.pitch, note.velocity) for note in played if start <= note.start < end]
    ended = [(note.end, 0, note.pitch, 0) for note in played if start < note.end <= end]
    for tick, _, pitch, velocity in sorted(begun + ended):
        yield tick, pitch, velocity
