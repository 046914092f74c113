"""Mixture for a rule: where draws begin, what an actor may move, and what is mended in the end."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from sampler_of import sampler_of

from melodylc.data.melody import Melody
from melodylc.edits.transposition import best_transposition
from melodylc.models.checkpoint import LoadedModel, shipped_model
from melodylc.models.local_search import LocalSearch
from melodylc.models.prior import stream_numbers
from melodylc.rewards import Rule, density, pitch_classes, tonic
from melodylc.rewards.panel import real_melodies
from melodylc.sampling.mixture import Decoding, Mixture

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
    prior, mixture = model.prior(), Mixture(RULE, model.vae)
    numbers = stream_numbers(prior, 3, range(1, 5))
    written = prior.melodies(numbers)
    assert written is not None
    chosen = torch.from_numpy(best_transposition(RULE, written.numpy().astype(np.uint8))).long()
    begun = mixture.start(prior, numbers)
    torch.testing.assert_close(begun.z, model.vae.teacher_forced(chosen, None)[0].mean)
    assert torch.equal(begun.events, model.vae.decode_moved(begun.z)[1])
    assert begun.cost.tolist() == [1] * 4
    assert not torch.allclose(begun.z, prior.latents(numbers))


def test_n_0_1_writes_nothing_that_could_be_transposed(model: LoadedModel) -> None:
    prior = model.prior("normal")
    numbers = stream_numbers(prior, 3, range(1, 5))
    assert prior.melodies(numbers) is None
    assert torch.equal(Mixture(RULE, model.vae, SNAPPED).start(prior, numbers).z, prior.latents(numbers))


def test_draws_for_a_rule_begin_there(model: LoadedModel) -> None:
    begun = sampler_of(model, None, RULE).sample(4, 16, budget=1)
    plain = RULE.scores(Melody.stack(draw.melody for draw in sampler_of(model, None, None).sample(4, 16, budget=1)))
    assert cast(float, np.mean([draw.rewards for draw in begun])) > plain.mean() + 0.1
    moved = sampler_of(model, None, RULE, shift=2).sample(4, 16, budget=1)  # chosen for where they will be
    assert cast(float, np.mean([draw.rewards for draw in moved])) > plain.mean() + 0.1


def test_what_is_arranged_is_mended_at_once(model: LoadedModel) -> None:
    written = torch.from_numpy(REAL).long()
    plain = Mixture(RULE, model.vae, SNAPPED, first_repair=None).start_from(written)
    mended = Mixture(RULE, model.vae, SNAPPED).start_from(written)
    obeyed = [(Mixture(RULE, model.vae).satisfaction(draft.events) == 1) for draft in (plain, mended)]
    assert 0 < obeyed[0].sum() < obeyed[1].sum()
    assert torch.equal(mended.z[obeyed[0]], plain.z[obeyed[0]])  # it came out as it was meant, or as well
    assert (mended.cost[obeyed[0]] == 1).all()
    assert (mended.cost[obeyed[1] & ~obeyed[0]] > 1).all()


def test_arranged_draws_obey_more_often(model: LoadedModel) -> None:
    rates = [
        np.mean([draw.passed for draw in sampler_of(model, None, RULE, edits=it).sample(4, 16, budget=1)])
        for it in ((), SNAPPED)
    ]
    assert rates[1] > rates[0] + 0.3


# -- what becomes of them ----------------------------------------------------------------------


def half(model: LoadedModel) -> tuple[Rule, Decoding]:
    """A rule that half of some draws obey, and these draws."""
    draft = Decoding.of(model.vae, model.prior().latents(stream_numbers(model.prior(), 3, range(1, 9))))
    counts = (draft.events < 128).sum(dim=1).numpy()
    return Rule((density(int(np.median(counts)) + 1),)), draft


def test_an_actor_leaves_draws_that_obey(model: LoadedModel) -> None:
    rule, draft = half(model)
    mixture = Mixture(rule, model.vae, repairs=())
    obeys = mixture.satisfaction(draft.events) == 1
    worse = mixture.satisfaction(model.vae.decode_moved(draft.z, far)[1]) < mixture.satisfaction(draft.events)
    done = mixture.finish(draft, far)
    assert 0 < obeys.sum() < len(obeys)
    stays = obeys | worse
    assert torch.equal(done.z[stays], draft.z[stays])
    assert torch.equal(done.events[stays], draft.events[stays])
    assert (done.z[~stays] != draft.z[~stays]).all()
    assert torch.equal(done.cost, torch.where(obeys, 1.0, 2.0).double())


def test_what_an_actor_leaves_undone_is_mended(model: LoadedModel) -> None:
    rule = Rule((pitch_classes(MAJOR), tonic(0)))
    mixture, prior = Mixture(rule, model.vae), model.prior()
    begun = mixture.start(prior, stream_numbers(prior, 5, range(1, 9)))
    left = replace(mixture, repairs=()).finish(begun, nowhere)
    done = mixture.finish(begun, nowhere)
    before, after = mixture.satisfaction(left.events), mixture.satisfaction(done.events)
    assert (before == 1).sum() < 4
    assert (after == 1).sum() > 5
    assert (after >= before).all()
    assert torch.equal(done.z[before == 1], begun.z[before == 1])
    assert (done.cost[before < 1] > 2).all()


def test_it_is_mended_where_melodies_will_be(model: LoadedModel) -> None:
    rule = Rule((pitch_classes([(it + 2) % 12 for it in MAJOR]),))
    drawn = sampler_of(model, nowhere, rule, shift=2).sample(2, 8, budget=1)
    assert sum(draw.passed for draw in drawn) > 5


# -- mending -----------------------------------------------------------------------------------


def test_the_judge_is_asked_of_whole_melodies_and_only_where_something_changed(model: LoadedModel) -> None:
    asked: list[torch.Tensor] = []

    def satisfaction(events: torch.Tensor) -> torch.Tensor:
        asked.append(events)
        return torch.ones(len(events), dtype=torch.float64)

    meant = torch.from_numpy(REAL[:4]).long()
    found = model.vae.local_search(meant, satisfaction, LocalSearch())
    through = model.vae.reconstruct(meant, None)[0]
    assert torch.equal(found.z, through.z)  # everybody is content with what comes out by itself
    assert found.cost.tolist() == [1] * 4
    assert all(some.shape[1:] == (256,) for some in asked)
    changed = (model.vae.decode_moved(through.z)[1].view(4, 16, 16) != meant.view(4, 16, 16)).any(dim=2)
    assert sum(map(len, asked)) == 4 + int(changed.sum())


def test_nothing_gets_worse_and_rows_don_t_depend_on_one_another(model: LoadedModel) -> None:
    mixture, meant = Mixture(RULE, model.vae), torch.from_numpy(REAL[:6]).long()
    first_repair, repairs = LocalSearch(scales=(1.0,), candidates=4), LocalSearch(scales=(1.0, 2.0), candidates=16)
    plain = mixture.satisfaction(model.vae.decode_moved(model.vae.reconstruct(meant, None)[0].z)[1])
    merits = [
        mixture.satisfaction(model.vae.local_search(meant, mixture.satisfaction, how).events)
        for how in (first_repair, repairs)
    ]
    assert plain.mean() < merits[0].mean() < merits[1].mean()
    alone = [model.vae.local_search(meant[row : row + 1], mixture.satisfaction, repairs) for row in range(6)]
    together = model.vae.local_search(meant, mixture.satisfaction, repairs)
    same = [torch.equal(one.events[0], events) for one, events in zip(alone, together.events, strict=True)]
    assert np.mean(same) > 0.8  # sums are rounded otherwise in other shapes, and a rounding may change a note
