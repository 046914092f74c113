"""FluidSynth, where the machine has it, with a sound font: the program, run on a MIDI file of the melody.

The sound font is that of the environment variable MELODYLC_SOUNDFONT, or the first in the usual folders, or the small
General MIDI one that pretty_midi brings along.
"""

import os
import shutil
import subprocess
import tempfile
import wave
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError
from melodylc.data.formats.midi_file import Voice, midi_file
from melodylc.data.writing import Writing

VARIABLE = "MELODYLC_SOUNDFONT"
FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts", "/usr/local/share/soundfonts")
_SECONDS = 300  # that a minute or two of music may take


class FluidSynth(NamedTuple):
    """The program and its sound font."""

    program: str
    font: Path
    version: str

    @property
    def name(self) -> str:
        """What to tell the user."""
        return f"FluidSynth {self.version} with {self.font.name}"


def find() -> FluidSynth | None:
    """FluidSynth and a sound font; None where either is missing.

    Raises:
        InputError: the environment variable names a file that isn't there.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen and not Path(chosen).is_file():
        raise InputError(f"{VARIABLE} names {chosen!r}, and there is no such file")
    program = shutil.which("fluidsynth")
    font = Path(chosen) if chosen else _font()
    return FluidSynth(program, font, _version(program)) if program and font else None


def play(found: FluidSynth, voice: Voice, writing: Writing, rate: int) -> npt.NDArray[np.float32]:
    """The sound of a melody, once: shape (samples, channels), -1..1.

    Raises:
        InputError: FluidSynth failed, with what it said.
    """
    once = replace(writing, repeat=1, join=None, formats=("midi",), no_tempo=False)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "melody.mid", Path(folder) / "melody.wav"
        score.write_bytes(midi_file([voice], once))
        _run([found.program, "-niq", "-r", str(rate), "-F", str(sound), str(found.font), str(score)])
        return _samples(sound)


def _samples(path: Path) -> npt.NDArray[np.float32]:
    try:
        with wave.open(str(path), "rb") as file:
            shape, content = (file.getnframes(), file.getnchannels()), file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise InputError(f"FluidSynth wrote no sound that can be read: {error}") from error
    return np.frombuffer(content, "<i2").reshape(shape).astype(np.float32) / np.float32(32_768)


def _run(command: list[str]) -> str:
    done: subprocess.CompletedProcess[Any]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"FluidSynth failed: {error}") from error
    said = " ".join((done.stderr + done.stdout).decode("utf-8", "replace").split())
    if done.returncode:
        raise InputError(f"FluidSynth failed: {said[:200] or f'exit code {done.returncode}'}")
    return said


@cache
def _version(program: str) -> str:
    import re

    found = re.search(r"version (\S+)", _run([program, "--version"]))
    return found[1] if found else "(of unknown version)"


def _font() -> Path | None:
    for folder in FOLDERS:
        for path in sorted(Path(folder).glob("*.sf[23]")):
            return path
    spec = find_spec("pretty_midi")
    own = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
    return own if own and own.is_file() else None
