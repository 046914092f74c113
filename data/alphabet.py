"""The alphabet of melodies: 16 bars of 16 sixteenths, one of 130 events at each step.

| event    | meaning                                             |
|----------|-----------------------------------------------------|
| 0 to 127 | a note of this MIDI pitch begins                    |
| 128 HOLD | what sounds goes on                                 |
| 129 REST | silence: begins or goes on, and ends what sounded   |

**Canonical form**: a hold stands only where a note sounds. A hold at step 0, or after a rest, holds
nothing and is a rest; with it, every hold that follows it. So each melody has one spelling, and
notes and canonical events are two views of the same thing. A model that emits bars one by one can
break this only at a bar line after a rest, or inside a bar; `canonical` is what repairs it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError

BARS = 16
STEPS_PER_BAR = 16
STEPS = BARS * STEPS_PER_BAR
PITCHES = 128
HOLD = 128
REST = 129
STATES = 130


def canonical(events: npt.ArrayLike) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Events in canonical form, and where that took a change.

    Args:
        events: shape (..., 256), integers in 0..129.

    Returns:
        A new array, shape (..., 256), uint8, with every hold that holds nothing made a rest; and
        a mask of the same shape, true at each step that changed.

    Raises:
        InputError: another shape, not integers, or an event outside 0..129.

    >>> events = np.full(256, HOLD)
    >>> events[2:6] = [60, HOLD, REST, HOLD]
    >>> fixed, touched = canonical(events)
    >>> fixed[:7].tolist()
    [129, 129, 60, 128, 129, 129, 129]
    >>> int(touched.sum())
    253
    """
    array = check_events(events)
    steps = np.arange(STEPS, dtype=np.intp)
    # At each step, the last step that wasn't a hold (or step 0): what sounds there is its event.
    origin = np.maximum.accumulate(np.where(array != HOLD, steps, 0), axis=-1)
    sounding = np.take_along_axis(array, origin, axis=-1)
    touched = (array == HOLD) & (sounding >= HOLD)
    return np.where(touched, np.uint8(REST), array), touched


def loop_bars(events: npt.ArrayLike, bars: int) -> npt.NDArray[np.uint8]:
    """Melodies (..., 256) of which the first `bars` come over and over, and no note goes on into the next time.

    >>> int((loop_bars(np.full(256, 60), 2) == 60).sum()), int(loop_bars([128, *[60] * 255], 2)[32])
    (256, 129)
    """
    begin = np.asarray(events)[..., : bars * STEPS_PER_BAR]
    held = np.logical_and.accumulate(begin == HOLD, axis=-1)
    whole = np.where(held, REST, begin)
    return canonical(np.tile(whole, BARS // bars))[0]


def check_events(events: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """`events` as uint8, shape (..., 256), values in 0..129, canonical or not.

    Raises:
        InputError: anything else, with the reason.

    >>> check_events([60] * 255)
    Traceback (most recent call last):
    melodylc.data.errors.InputError: a melody is 256 events (16 bars of 16 sixteenths), not 255
    """
    array = _array(events)
    if array.ndim == 0 or array.shape[-1] != STEPS:
        got = "a single value" if array.ndim == 0 else str(array.shape[-1])
        raise InputError(f"a melody is {STEPS} events (16 bars of 16 sixteenths), not {got}")
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"events are integers in 0..{STATES - 1}, not {array.dtype}")
    outside = (array < 0) | (array >= STATES)
    if outside.any():
        where = np.unravel_index(int(outside.argmax()), array.shape)
        raise InputError(
            f"event {int(array[where])} at step {int(where[-1])} is outside 0..{STATES - 1} "
            f"(0..127 begin a note, {HOLD} holds, {REST} rests)"
        )
    return array.astype(np.uint8)


def _array(events: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(events)
    except (ValueError, TypeError) as error:
        raise InputError("events aren't an array: its rows differ in length") from error
