"""Melodies as sound: FluidSynth where there is one, else a small synthesiser of our own. The loop fits to the sample.

A note of frequency f is the sum over k = 1..8 of sin(2 pi k f t) / k^1.5, below half the sample rate, times an
envelope: 5 ms up, a decay to 0.4 with a time constant of 0.3 s, and from its end on an exponential release. What still
sounds where the loop ends goes on at its beginning, so that it repeats without a seam.
"""

import io
import wave

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS
from melodylc.data.formats import fluidsynth
from melodylc.data.formats.midi_file import QUARTERS_PER_BAR, Voice
from melodylc.data.formats.performance import Played, perform
from melodylc.data.writing import Writing

RATE = 44_100  #: samples a second
BUILT_IN = "the built-in synthesiser"
_HARMONICS, _FALL = 8, 1.5
_ATTACK, _DECAY, _SUSTAIN, _RELEASE = 0.005, 0.3, 0.4, 0.03  # seconds, but for the sustained level
_TAIL = 0.15  # seconds after a note's end, when it has fallen below 1 %
_LOUDNESS = 0.3

Samples = npt.NDArray[np.float32]


def synthesiser() -> str:
    """What `wav` plays with on this machine."""
    found = fluidsynth.find()
    return found.name if found else BUILT_IN


def wav(voice: Voice, writing: Writing) -> bytes:
    """The sound of a melody as a WAV file, 44,100 samples of 16 bits a second: mono, or what FluidSynth makes.

    Sixteen bars are round(44,100 * 3,840 / tempo) samples, exactly, and `writing.repeat` times as many are written.

    Raises:
        InputError: FluidSynth failed.
    """
    found = fluidsynth.find()
    frames = loop_frames(writing.tempo)
    sound = fluidsynth.play(found, voice, writing, RATE) if found else _built_in(voice, writing, frames)
    looped = np.clip(_wrapped(sound, frames), -1, 1)
    samples = np.tile(np.rint(looped * 32_767).astype("<i2"), (writing.repeat, 1))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def loop_frames(tempo: float) -> int:
    """Samples of sixteen bars, to the nearest.

    >>> loop_frames(120.0)
    1411200
    """
    return round(BARS * QUARTERS_PER_BAR * 60 / tempo * RATE)


def _wrapped(sound: Samples, frames: int) -> Samples:
    """`sound` as a loop: shape (n, channels) to (frames, channels), with what is beyond added from the start."""
    whole = -(-len(sound) // frames) * frames
    padded = np.pad(sound, ((0, max(whole, frames) - len(sound)), (0, 0)))
    looped: Samples = padded.reshape(-1, frames, sound.shape[1]).sum(axis=0)
    return looped


def _built_in(voice: Voice, writing: Writing, frames: int) -> Samples:
    """One channel, as long as the loop and its last tail: shape (n, 1)."""
    samples_per_tick = 60 / writing.tempo * RATE / writing.ppq
    sound = np.zeros((frames + int(_TAIL * RATE) + 1, 1), np.float32)
    for note in perform(voice.melody, writing, voice.seed):
        start = round(note.start * samples_per_tick)
        tone = _tone(note, (note.end - note.start) * samples_per_tick / RATE)
        sound[start : start + len(tone), 0] += tone[: len(sound) - start]
    return sound


def _tone(note: Played, seconds: float) -> Samples:
    time = np.arange(int((seconds + _TAIL) * RATE), dtype=np.float32) / RATE
    frequency = 440 * 2 ** ((note.pitch - 69) / 12)
    waves = np.zeros_like(time)
    for k in range(1, _HARMONICS + 1):
        if k * frequency < RATE / 2:
            waves += np.sin(2 * np.pi * k * frequency * time, dtype=np.float32) / np.float32(k**_FALL)
    rise = np.minimum(time / _ATTACK, 1)
    body = _SUSTAIN + (1 - _SUSTAIN) * np.exp(-time / _DECAY)
    release = np.exp(-np.maximum(time - seconds, 0) / _RELEASE)
    return np.asarray(waves * rise * body * release * (_LOUDNESS * note.velocity / 127), np.float32)
