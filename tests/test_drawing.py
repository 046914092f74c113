"""Drawing for a rule: where draws begin, what an actor may move, and what is mended in the end."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from melodylc.constraints.actors import shipped_model
from melodylc.data.melody import Melody
from melodylc.edits.transposition import nearest
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.mending import Mending
from melodylc.rewards import Rule, density, pitch_classes, tonic
from melodylc.rewards.panel import real_melodies
from melodylc.sampling.mixture import Draft, Drawing
from melodylc.sampling.sampler import Sampler, randomness

MAJOR = (0, 2, 4, 5, 7, 9, 11)
SNAPPED = (("snap", *MAJOR),)
REAL = real_melodies()[:12]
RULE = Rule((pitch_classes(MAJOR),))


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return shipped_model()


def far(parts: torch.Tensor, context: torch.Tensor, first: int) -> torch.Tensor:
    """An actor that moves everything."""
    return parts + 1.0


def nowhere(parts: torch.Tensor, context: torch.Tensor, first: int) -> torch.Tensor:
    """An actor that moves nothing."""
    return parts


# -- where draws begin -------------------------------------------------------------------------


def test_latents_are_those_of_what_was_chosen(model: LoadedModel) -> None:
    prior, drawing = model.prior(), Drawing(RULE, model.vae)
    numbers = randomness(prior, 3, range(1, 5))
    written = prior.written(numbers)
    assert written is not None
    chosen = torch.from_numpy(nearest(RULE, written.numpy().astype(np.uint8))).long()
    begun = drawing.begin(prior, numbers)
    torch.testing.assert_close(begun.z, model.vae.forced(chosen, None)[0].mean)
    assert torch.equal(begun.events, model.vae.write(begun.z)[1])
    assert begun.cost.tolist() == [1] * 4
    assert not torch.allclose(begun.z, prior.latents(numbers))


def test_n_0_1_writes_nothing_that_could_be_transposed(model: LoadedModel) -> None:
    prior = model.prior("normal")
    numbers = randomness(prior, 3, range(1, 5))
    assert prior.written(numbers) is None
    assert torch.equal(Drawing(RULE, model.vae, SNAPPED).begin(prior, numbers).z, prior.latents(numbers))


def test_draws_for_a_rule_begin_there(model: LoadedModel) -> None:
    begun = Sampler(model, None, RULE).draw(4, 16, budget=1)
    plain = RULE.scores(Melody.stack(draw.melody for draw in Sampler(model, None, None).draw(4, 16, budget=1)))
    assert cast(float, np.mean([draw.rewards for draw in begun])) > plain.mean() + 0.1
    moved = Sampler(model, None, RULE, shift=2).draw(4, 16, budget=1)  # chosen for where they will be
    assert cast(float, np.mean([draw.rewards for draw in moved])) > plain.mean() + 0.1


def test_what_is_arranged_is_mended_at_once(model: LoadedModel) -> None:
    written = torch.from_numpy(REAL).long()
    plain = Drawing(RULE, model.vae, SNAPPED, gentle=None).begin_at(written)
    mended = Drawing(RULE, model.vae, SNAPPED).begin_at(written)
    obeyed = [(Drawing(RULE, model.vae).content(draft.events) == 1) for draft in (plain, mended)]
    assert 0 < obeyed[0].sum() < obeyed[1].sum()
    assert torch.equal(mended.z[obeyed[0]], plain.z[obeyed[0]])  # it came out as it was meant, or as well
    assert (mended.cost[obeyed[0]] == 1).all()
    assert (mended.cost[obeyed[1] & ~obeyed[0]] > 1).all()


def test_arranged_draws_obey_more_often(model: LoadedModel) -> None:
    rates = [
        np.mean([draw.passed for draw in Sampler(model, None, RULE, arrangement=it).draw(4, 16, budget=1)])
        for it in ((), SNAPPED)
    ]
    assert rates[1] > rates[0] + 0.3


# -- what becomes of them ----------------------------------------------------------------------


def half(model: LoadedModel) -> tuple[Rule, Draft]:
    """A rule that half of some draws obey, and these draws."""
    draft = Draft.of(model.vae, model.prior().latents(randomness(model.prior(), 3, range(1, 9))))
    counts = (draft.events < 128).sum(dim=1).numpy()
    return Rule((density(int(np.median(counts)) + 1),)), draft


def test_an_actor_leaves_draws_that_obey(model: LoadedModel) -> None:
    rule, draft = half(model)
    drawing = Drawing(rule, model.vae, firm=())
    obeys = drawing.content(draft.events) == 1
    worse = drawing.content(model.vae.write(draft.z, far)[1]) < drawing.content(draft.events)
    done = drawing.finish(draft, far)
    assert 0 < obeys.sum() < len(obeys)
    stays = obeys | worse
    assert torch.equal(done.z[stays], draft.z[stays])
    assert torch.equal(done.events[stays], draft.events[stays])
    assert (done.z[~stays] != draft.z[~stays]).all()
    assert torch.equal(done.cost, torch.where(obeys, 1.0, 2.0).double())


def test_what_an_actor_leaves_undone_is_mended(model: LoadedModel) -> None:
    rule = Rule((pitch_classes(MAJOR), tonic(0)))
    drawing, prior = Drawing(rule, model.vae), model.prior()
    begun = drawing.begin(prior, randomness(prior, 5, range(1, 9)))
    left = replace(drawing, firm=()).finish(begun, nowhere)
    done = drawing.finish(begun, nowhere)
    before, after = drawing.content(left.events), drawing.content(done.events)
    assert (before == 1).sum() < 4
    assert (after == 1).sum() > 5
    assert (after >= before).all()
    assert torch.equal(done.z[before == 1], begun.z[before == 1])
    assert (done.cost[before < 1] > 2).all()


def test_it_is_mended_where_melodies_will_be(model: LoadedModel) -> None:
    rule = Rule((pitch_classes([(it + 2) % 12 for it in MAJOR]),))
    drawn = Sampler(model, nowhere, rule, shift=2).draw(2, 8, budget=1)
    assert sum(draw.passed for draw in drawn) > 5


# -- mending -----------------------------------------------------------------------------------


def test_the_judge_is_asked_of_whole_melodies_and_only_where_something_changed(model: LoadedModel) -> None:
    asked: list[torch.Tensor] = []

    def content(events: torch.Tensor) -> torch.Tensor:
        asked.append(events)
        return torch.ones(len(events), dtype=torch.float64)

    meant = torch.from_numpy(REAL[:4]).long()
    found = model.vae.mended(meant, content, Mending())
    through = model.vae.through(meant, None)[0]
    assert torch.equal(found.z, through.z)  # everybody is content with what comes out by itself
    assert found.cost.tolist() == [1] * 4
    assert all(some.shape[1:] == (256,) for some in asked)
    changed = (model.vae.write(through.z)[1].view(4, 16, 16) != meant.view(4, 16, 16)).any(dim=2)
    assert sum(map(len, asked)) == 4 + int(changed.sum())


def test_nothing_gets_worse_and_rows_don_t_depend_on_one_another(model: LoadedModel) -> None:
    drawing, meant = Drawing(RULE, model.vae), torch.from_numpy(REAL[:6]).long()
    gentle, firm = Mending(scales=(1.0,), candidates=4), Mending(scales=(1.0, 2.0), candidates=16)
    plain = drawing.content(model.vae.write(model.vae.through(meant, None)[0].z)[1])
    merits = [drawing.content(model.vae.mended(meant, drawing.content, how).events) for how in (gentle, firm)]
    assert plain.mean() < merits[0].mean() < merits[1].mean()
    alone = [model.vae.mended(meant[row : row + 1], drawing.content, firm) for row in range(6)]
    together = model.vae.mended(meant, drawing.content, firm)
    same = [torch.equal(one.events[0], events) for one, events in zip(alone, together.events, strict=True)]
    assert np.mean(same) > 0.8  # sums are rounded otherwise in other shapes, and a rounding may change a note
