"""What a critic sees of melodies: features of every event, and of what it follows, a bar a row."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STATES, STEPS, STEPS_PER_BAR

STEP = 3  #: semitones in which a melody's change in height is reckoned: a leap costs more than another pitch class
HEIGHT = 23  #: which of an event's features that is
LEFT = 0.3  #: weight of the note before at steps where it is only left over: it lasts
RHYTHM = 5  #: weight of holds and rests beside notes: other pitches are cheaper than another rhythm
WIDTH = 41  #: features of a step
VERSION = f"{WIDTH}:{STEP}:{LEFT}:{RHYTHM}"  #: which view it is: a critic that knows another is of no use


def _event_features() -> Tensor:
    """Of each of the 130 events (130, 26): its pitch class and octave, one-hot, its height; or hold, or rest."""
    pitches = torch.arange(PITCHES)
    notes = torch.cat((one_hot(pitches % 12, 12), one_hot(pitches // 12, 11), (pitches[:, None] - 60) / STEP), 1)
    events = torch.zeros(STATES, notes.shape[1] + 2)
    events[:PITCHES, :-2] = notes
    events[HOLD, -2] = events[REST, -1] = RHYTHM
    return events


EVENTS = _event_features()


def expected(probable: Tensor) -> Tensor:
    """The features of melodies whose events are only probable, (n, 256, 130): (n, 16, 16 * 41), with a gradient.

    Beside an event's own (`EVENTS`, (130, 26)): what is left at its step of the notes
    so far, by pitch class and height; how far it leaps from the note before; and how far that one had leapt. That
    makes an ending, a leap or a turn a matter of one step; without it, of all steps since.
    """
    features = probable @ EVENTS
    sounding = features[..., :12].sum(-1)
    left = latest(_pitch(features), sounding)
    leap = features[..., HEIGHT] - sounding * pad(left[:, :-1, -1], (1, 0))
    leapt = latest(leap[..., None], sounding)[..., 0]
    return _rows(features, left, leap, leapt)


def exact(events: Tensor) -> Tensor:
    """What `expected` makes of events (n, 256), int64, that are certain, and quicker.

    >>> exact(torch.full((2, 256), REST)).shape
    torch.Size([2, 16, 656])
    """
    places = torch.where(events < HOLD, torch.arange(STEPS), -1).cummax(1).values
    none, places = places < 0, places.clamp(min=0)
    notes = torch.where(none, REST, events.gather(1, places))
    before = EVENTS[:, HEIGHT][pad(notes[:, :-1], (1, 0), value=REST)]
    here = EVENTS[events]
    leap = torch.where(events < HOLD, here[..., HEIGHT] - before, 0.0)
    return _rows(here, _pitch(EVENTS[notes]), leap, torch.where(none, 0.0, leap.gather(1, places)))


def latest(notes: Tensor, sounding: Tensor) -> Tensor:
    """The latest of notes (n, 256, width) at every step; each is there as probably as `sounding`, (n, 256), says.

    m_t = notes_t + (1 - sounding_t) m_(t-1), for all bars at once and then from bar to bar.
    """
    count, width = len(notes), notes.shape[-1]
    notes, silent = notes.view(count, BARS, -1, width), (1 - sounding).view(count, BARS, -1, 1)
    inside, kept = [notes[:, :, 0]], [silent[:, :, 0]]
    for step in range(1, STEPS_PER_BAR):
        inside.append(notes[:, :, step] + silent[:, :, step] * inside[-1])
        kept.append(silent[:, :, step] * kept[-1])
    last = [torch.zeros_like(notes[:, 0, 0])]
    for bar in range(BARS - 1):
        last.append(inside[-1][:, bar] + kept[-1][:, bar] * last[-1])
    return (torch.stack(inside, 2) + torch.stack(kept, 2) * torch.stack(last, 1)[:, :, None]).flatten(1, 2)


def _pitch(features: Tensor) -> Tensor:
    """Pitch classes and height of events, (..., 13)."""
    return torch.cat((features[..., :12], features[..., HEIGHT : HEIGHT + 1]), -1)


def _rows(features: Tensor, left: Tensor, leap: Tensor, leapt: Tensor) -> Tensor:
    before = pad(leapt[:, :-1], (1, 0))  # the leap that led to the note before
    return torch.cat((features, LEFT * left, leap[..., None], before[..., None]), -1).view(len(features), BARS, -1)
