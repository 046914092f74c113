"""Melodies as sound: FluidSynth where there is one, else a small synthesiser of our own. The loop fits to the sample.

Ours is an electric piano by frequency modulation (Chowning, J. Audio Eng. Soc. 21(7), 1973): a note of frequency f is

    sin(2 pi f t + I(t) sin(2 pi f t)) + b(t) sin(2 pi 4 f t),   I(t) = I0 * v * exp(-t / 0.5)

with v its velocity in [0, 1], so that louder notes are brighter, and b a short click of the tine. Its envelope rises in
4 ms and falls to 0.45 with a time constant of 0.4 s; from its end on it is released. Above 1.5 kHz I0 and b become
smaller, so that no partial comes near half the sample rate. What still sounds where the loop ends goes on at its
beginning, so that it repeats without a seam. Whatever plays, the loudest sample is at -1 dBFS.
"""

import io
import wave

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS
from melodylc.data.formats import fluidsynth
from melodylc.data.formats.midi_file import QUARTERS_PER_BAR, Voice
from melodylc.data.formats.performance import perform
from melodylc.data.writing import Writing

RATE = 44_100  #: samples a second
BUILT_IN = "the built-in synthesiser"
PEAK = 10 ** (-1 / 20)  #: of the loudest sample: -1 dBFS
_ATTACK, _DECAY, _SUSTAIN, _RELEASE = 0.004, 0.4, 0.45, 0.03  # seconds, but for the sustained level
_TAIL = 0.15  # seconds after a note's end, when it has fallen below 1 %
_INDEX, _INDEX_DECAY = 1.1, 0.5  # of the modulation, and seconds
_TINE, _TINE_RATIO, _TINE_DECAY = 0.12, 4, 0.08
_BRIGHT = 1_500.0  # Hz up to which all of both are heard

Samples = npt.NDArray[np.float32]


def synthesiser() -> str:
    """What `wav` plays with on this machine."""
    found = fluidsynth.find()
    return found.name if found else BUILT_IN


def wav(voice: Voice, writing: Writing) -> bytes:
    """The sound of a melody as a WAV file, 44,100 samples of 16 bits a second: mono, or what FluidSynth makes.

    Sixteen bars are round(44,100 * 3,840 / tempo) samples, exactly, fewer bars that share of it, and
    `writing.repeat` times as many are written.

    Raises:
        InputError: FluidSynth failed.
    """
    found = fluidsynth.find()
    frames = loop_frames(writing.tempo, writing.bars)
    sound = fluidsynth.play(found, voice, writing, RATE) if found else _built_in(voice, writing, frames)
    looped = _wrap(sound, frames)
    looped *= PEAK / max(float(np.abs(looped).max()), 1e-9)
    samples = np.tile(np.rint(looped * 32_767).astype("<i2"), (writing.repeat, 1))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def loop_frames(tempo: float, bars: int = BARS) -> int:
    """Samples of so many bars, to the nearest.

    >>> loop_frames(120.0)
    1411200
    """
    return round(bars * QUARTERS_PER_BAR * 60 / tempo * RATE)


def _wrap(sound: Samples, frames: int) -> Samples:
    """`sound` as a loop: shape (n, channels) to (frames, channels), with what is beyond added from the start."""
    whole = -(-len(sound) // frames) * frames
    padded = np.pad(sound, ((0, max(whole, frames) - len(sound)), (0, 0)))
    looped: Samples = padded.reshape(-1, frames, sound.shape[1]).sum(axis=0)
    return looped


def _built_in(voice: Voice, writing: Writing, frames: int) -> Samples:
    """One channel, as long as the loop and its last tail: shape (n, 1)."""
    samples_per_tick = 60 / writing.tempo * RATE / writing.ppq
    sound = np.zeros((frames + int(_TAIL * RATE) + 1, 1), np.float32)
    tones: dict[tuple[int, int, int], Samples] = {}  # most notes of a melody are like another one
    for note in perform(voice.melody, writing, voice.seed):
        start, ticks = round(note.start * samples_per_tick), note.end - note.start
        kind = (note.pitch, ticks, note.velocity)
        if kind not in tones:
            tones[kind] = _tone(note.pitch, ticks * samples_per_tick / RATE, note.velocity / 127)
        tone = tones[kind]
        sound[start : start + len(tone), 0] += tone[: len(sound) - start]
    return sound


def _tone(pitch: int, seconds: float, velocity: float) -> Samples:
    time = np.arange(int((seconds + _TAIL) * RATE), dtype=np.float32) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * np.float32(frequency) * time
    bright = velocity * min(1.0, _BRIGHT / frequency) ** 2
    index = np.float32(_INDEX * bright) * np.exp(-time / _INDEX_DECAY)
    waves = np.sin(phase + index * np.sin(phase))
    waves += np.float32(_TINE * bright) * np.exp(-time / _TINE_DECAY) * np.sin(_TINE_RATIO * phase)
    rise = np.minimum(time / _ATTACK, 1)
    body = _SUSTAIN + (1 - _SUSTAIN) * np.exp(-time / _DECAY)
    release = np.exp(-np.maximum(time - seconds, 0) / _RELEASE)
    return np.asarray(waves * rise * body * release * velocity, np.float32)
