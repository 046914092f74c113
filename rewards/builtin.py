"""The rewards that come with the package, by name: a function whose parameters can be typed. A new one is a new row."""

from collections.abc import Callable

from melodylc.rewards.ambitus import ambitus, register
from melodylc.rewards.base import Reward
from melodylc.rewards.contour import contour
from melodylc.rewards.density import density
from melodylc.rewards.ends import first_note, last_length, last_note
from melodylc.rewards.form import form
from melodylc.rewards.intervals import leaps, repeats, stepwise
from melodylc.rewards.pitch import in_scale, pitch_classes, tonic
from melodylc.rewards.rests import breaths, longest_rest, rests
from melodylc.rewards.rhythm import grid, groove, lengths, rhythm
from melodylc.rewards.syncopation import syncopation
from melodylc.rewards.variety import variety

BUILTIN: dict[str, Callable[..., Reward]] = {
    function.__name__: function
    for function in (
        in_scale,
        pitch_classes,
        tonic,
        first_note,
        last_note,
        last_length,
        register,
        ambitus,
        stepwise,
        leaps,
        repeats,
        contour,
        density,
        lengths,
        grid,
        rhythm,
        groove,
        syncopation,
        rests,
        longest_rest,
        breaths,
        form,
        variety,
    )
}
