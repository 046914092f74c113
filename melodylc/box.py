"""Melodies as a black box: latents to melodies to what a rule says of them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from melodylc import common
from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.latent.actor import Chain
from melodylc.latent.box import Move, Scores
from melodylc.latent.precision import brief
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule

STEP = 3  #: semitones in which a melody's change in height is reckoned: a leap costs more than another pitch class
HEIGHT = 23  #: which of an event's features that is
LEFT = 0.3  #: weight of the note before at steps where it is only left over: it lasts
RHYTHM = 5  #: weight of holds and rests beside notes: other pitches are cheaper than another rhythm


def _event_features() -> Tensor:
    """Of each of the 130 events (130, 26): its pitch class and octave, one-hot, its height; or hold, or rest."""
    pitches = torch.arange(PITCHES)
    notes = torch.cat((one_hot(pitches % 12, 12), one_hot(pitches // 12, 11), (pitches[:, None] - 60) / STEP), 1)
    events = torch.zeros(STATES, notes.shape[1] + 2)
    events[:PITCHES, :-2] = notes
    events[HOLD, -2] = events[REST, -1] = RHYTHM
    return events


def _rows(features: Tensor) -> Tensor:
    """Features of events (n, 256, 26), and what is left of the notes before, bar by bar: (n, 16, 16 * 40).

    Left is, at every step, the pitch class and the height of the latest note, and the interval to it from the one
    before. That makes an ending or a leap a matter of one step; without it, of all steps since that note.
    """
    notes, sounding = (
        torch.cat((features[..., :12], features[..., HEIGHT : HEIGHT + 1]), -1),
        features[..., :12].sum(-1),
    )
    latest = _latest(notes, sounding)
    before = pad(latest[:, :-1, -1], (1, 0))
    interval = features[..., HEIGHT] - sounding * before
    return torch.cat((features, LEFT * latest, interval[..., None]), -1).view(len(features), BARS, -1)


def _exact(of: Callable[[Tensor], Tensor], events: Tensor) -> Tensor:
    """What `_rows` makes of events (n, 256), int64, that are certain, and quicker; `of` gives an event's features."""
    places = torch.where(events < HOLD, torch.arange(STEPS), -1).cummax(1).values
    latest = torch.where(places < 0, REST, events.gather(1, places.clamp(min=0)))
    before = EVENTS[:, HEIGHT][pad(latest[:, :-1], (1, 0), value=REST)]
    here, left = of(events), of(latest)
    left = torch.cat((left[..., :12], left[..., HEIGHT : HEIGHT + 1]), -1)
    interval = torch.where(events < HOLD, here[..., HEIGHT] - before, 0.0)
    return torch.cat((here, LEFT * left, interval[..., None]), -1).view(len(events), BARS, -1)


def _latest(notes: Tensor, sounding: Tensor) -> Tensor:
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


EVENTS = _event_features()
TURNED = torch.stack([torch.cat((EVENTS[:, :12].roll(-root, 1), EVENTS[:, 12:]), 1) for root in range(12)])


@dataclass(frozen=True)
class _Melodies:
    """A model's decoder. What was decoded are raw events (n, 256), uint8, and critics see these events.

    Arithmetic is bfloat16 where the processor has it, which changes one event in a thousand and halves the time.
    """

    vae: MelodyVAE

    @property
    def chain(self) -> Chain:
        """The model's parts of z."""
        return Chain(*self.vae.chain)

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Latents (n, z) as they were moved, and raw events (n, 256), uint8."""
        with torch.no_grad(), brief():
            moved, events = self.vae.write(z, move)
        return moved.float(), events.to(torch.uint8)

    @torch.no_grad()
    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """What precedes each part of latents (n, z), and the bar that it would be: (n, parts of z, context)."""
        with brief():
            return self.vae.contexts(decoded.long(), z)

    def moved(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Latents (n, z) with every bar's part moved."""
        with brief():
            return self.vae.moved(z, context, move)

    def seen(self, decoded: Tensor, told: Tensor) -> Tensor:
        """The features of every bar's sixteen events, (n, 16, 16 * 40)."""
        return _exact(lambda events: EVENTS[events], decoded.long())

    def view(self, z: Tensor, context: Tensor, decoded: Tensor, told: Tensor) -> Tensor:
        """The same of the events that latents lead to, each feature as probable as the decoder has it."""
        return _rows(self._expected(z, context, decoded) @ EVENTS)

    def _expected(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """Probabilities (n, 256, 130) of the events that latents (n, z) lead to."""
        with brief():
            embeddings = self.vae.after(z, context)
            logits = self.vae.decoder(embeddings.flatten(0, 1), decoded.long().view(-1, STEPS_PER_BAR))
        return torch.softmax(logits.float().view(len(z), STEPS, STATES), -1)


@dataclass(frozen=True)
class MelodyBox(_Melodies):
    """Melodies, and one rule for all of them."""

    rule: Rule

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing, (n, 0): the rule says it all."""
        return torch.zeros(count, 0)

    def score(self, decoded: Tensor, told: Tensor) -> Scores:
        """What the rule, with its weights, says of canonical melodies: (n, parts)."""
        return self.rule.graded(canonical(decoded.numpy())[0])


@dataclass(frozen=True)
class CommonBox(_Melodies):
    """Melodies, and a common request for each."""

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels (n, 19)."""
        return common.draw(count, generator)

    def score(self, decoded: Tensor, told: Tensor) -> Scores:
        """What each one's request says of it: (n, 4)."""
        return common.scores(decoded.numpy(), told)

    def seen(self, decoded: Tensor, told: Tensor) -> Tensor:
        """As any melody's, but with pitch classes above the root that is asked, so that all keys are one."""
        roots = common.roots(told)[:, None]
        return _exact(lambda events: TURNED[roots, events], decoded.long())

    def view(self, z: Tensor, context: Tensor, decoded: Tensor, told: Tensor) -> Tensor:
        """The same of the events that latents lead to."""
        return _rows(self._expected(z, context, decoded) @ TURNED[common.roots(told)])
