"""Sound files: as long as the loop to the sample, without a seam, at the right pitch; and FluidSynth where it is."""

import io
import sys
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from test_midi import SILENCE, TUNE

from melodylc.data.errors import InputError
from melodylc.data.formats import fluidsynth
from melodylc.data.formats.midi_file import Voice
from melodylc.data.formats.sound import BUILT_IN, RATE, _tone, loop_frames, synthesiser, wav
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

FAST = Writing(tempo=960.0)


@pytest.fixture(autouse=True)
def _no_fluidsynth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv(fluidsynth.VARIABLE, raising=False)


def sound(melody: Melody, writing: Writing = FAST) -> npt.NDArray[np.float64]:
    with wave.open(io.BytesIO(wav(Voice("x", melody), writing)), "rb") as file:
        assert (file.getframerate(), file.getsampwidth()) == (RATE, 2)
        content = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        samples: npt.NDArray[np.float64] = content.reshape(-1, file.getnchannels()).mean(axis=1) / 32768
        return samples


@pytest.mark.parametrize("tempo", [137.0, 333.3, 1000.0])
@pytest.mark.parametrize("repeat", [1, 2])
def test_sixteen_bars_to_the_sample(tempo: float, repeat: int) -> None:
    samples = sound(TUNE, Writing(tempo=tempo, repeat=repeat))
    assert len(samples) == repeat * round(3840 / tempo * RATE) == repeat * loop_frames(tempo)
    assert np.array_equal(samples[: len(samples) // repeat], samples[-len(samples) // repeat :])


@pytest.mark.parametrize("pitch", [45, 69, 93])
def test_the_pitch_is_right(pitch: int) -> None:
    samples = sound(Melody.from_notes([(pitch, 0, 256)]))
    spectrum = np.abs(np.fft.rfft(samples))
    found = spectrum.argmax() * RATE / len(samples)
    assert found == pytest.approx(440 * 2 ** ((pitch - 69) / 12), abs=RATE / len(samples))


def test_notes_begin_when_they_should_and_rests_are_silent() -> None:
    samples = sound(Melody.from_notes([(69, 128, 132)]))
    middle = len(samples) // 2
    assert np.abs(samples[:middle]).max() == 0
    assert np.abs(samples[middle : middle + RATE // 20]).max() > 0.05
    assert np.abs(samples[-1000:]).max() == 0
    assert np.abs(sound(SILENCE)).max() == 0


def test_what_sounds_at_the_end_goes_on_at_the_start() -> None:
    samples = sound(Melody.from_notes([(69, 200, 256)]))
    assert np.abs(samples[:500]).max() > 0.01
    around = np.concatenate((samples[-200:], samples[:200]))
    assert np.abs(np.diff(around)).max() < 0.1


@pytest.mark.parametrize("velocity", [1, 30, 127])
@pytest.mark.parametrize(
    "melody",
    [
        TUNE,
        Melody.from_notes([(60 + step % 3, step, step + 1) for step in range(256)]),
        Melody.from_notes([(24, 0, 256)]),
        Melody.from_notes([(120, 0, 2), (60, 128, 256)]),
    ],
    ids=["tune", "busy", "held", "two"],
)
@pytest.mark.parametrize("tempo", [60.0, 960.0])
def test_it_is_as_loud_as_records_are(melody: Melody, velocity: int, tempo: float) -> None:
    writing = Writing(tempo=tempo, velocity=velocity)
    samples = sound(melody, writing)
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)
    step = loop_frames(tempo) / 256
    heard = np.concatenate([samples[round(start * step) : round(end * step)] for _, start, end in melody.notes])
    assert 10 * np.log10((heard**2).mean()) > -20


def test_velocity_is_heard_within_a_melody_and_in_its_colour() -> None:
    loud, soft = (_tone(60, 0.5, velocity / 127) for velocity in (127, 30))
    assert np.abs(loud).max() > 2 * np.abs(soft).max() > 0

    def overtones(tone: npt.NDArray[np.float32]) -> float:
        spectrum = np.abs(np.fft.rfft(tone))
        return float(spectrum[round(1.5 * 262 * len(tone) / RATE) :].max() / spectrum.max())

    assert overtones(loud) > 2 * overtones(soft)


@pytest.mark.parametrize("pitch", [0, 60, 100, 115, 127])
def test_no_partial_folds_back(pitch: int) -> None:
    tone = _tone(pitch, 0.5, 1.0)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
    spectrum /= spectrum.max()
    lowest = 440 * 2 ** ((pitch - 69) / 12)
    below = spectrum[: round(0.9 * lowest * len(tone) / RATE)]
    assert pitch < 24 or below[20:].max() < 0.02


def test_the_same_bytes_again() -> None:
    assert wav(Voice("x", TUNE), FAST) == wav(Voice("x", TUNE), FAST)
    assert synthesiser() == BUILT_IN


# -- FluidSynth: a program that does what it is told, in its place -------------------------------

FAKE = """#!{python}
import sys, wave
if "--version" in sys.argv:
    print("FluidSynth runtime version 9.9")
    raise SystemExit
font, score = sys.argv[-2:]
if open(font, "rb").read() != b"font" or open(score, "rb").read(4) != b"MThd":
    raise SystemExit("no good font or score")
with wave.open(sys.argv[sys.argv.index("-F") + 1], "wb") as out:
    out.setnchannels(2)
    out.setsampwidth(2)
    out.setframerate(int(sys.argv[sys.argv.index("-r") + 1]))
    out.writeframes(b"\\x00\\x10\\x00\\x20" * {frames})
"""


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, frames: int, font: bytes = b"font") -> None:
    program = folder / f"fluidsynth-{frames}"
    program.write_text(FAKE.format(python=sys.executable, frames=frames))
    program.chmod(0o755)
    (folder / "own.sf2").write_bytes(font)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    monkeypatch.setenv(fluidsynth.VARIABLE, str(folder / "own.sf2"))


@pytest.mark.parametrize("extra", [-1000, 0, 5000])
def test_fluidsynth_fits_the_loop_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: int) -> None:
    frames = loop_frames(FAST.tempo)
    pretend(monkeypatch, tmp_path, frames + extra)
    assert synthesiser() == "FluidSynth 9.9 with own.sf2"
    samples = sound(TUNE)
    assert len(samples) == frames
    assert (samples[0] > 1.5 * samples[6000]) == (extra > 0)  # the tail, added to the beginning
    assert (samples[-1] == 0) == (extra < 0)


def test_fluidsynth_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, 10, font=b"noise")
    with pytest.raises(InputError, match="FluidSynth failed: no good font or score"):
        wav(Voice("x", TUNE), FAST)
    monkeypatch.setenv(fluidsynth.VARIABLE, str(tmp_path / "none.sf2"))
    with pytest.raises(InputError, match="there is no such file"):
        fluidsynth.find()


def test_without_the_program_or_a_font_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fluidsynth.find() is None
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    monkeypatch.setattr(fluidsynth, "_font", lambda: None)
    assert fluidsynth.find() is None


def test_the_font_that_pretty_midi_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fluidsynth, "FOLDERS", ())
    found = fluidsynth._font()
    assert found is not None
    assert found.read_bytes()[:4] == b"RIFF"


def test_the_real_fluidsynth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if fluidsynth.find() is None:
        pytest.skip("FluidSynth isn't installed")
    samples = sound(Melody.from_notes([(69, 0, 256)]))
    assert len(samples) == loop_frames(FAST.tempo)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * RATE / len(samples) == pytest.approx(440, rel=0.02)
