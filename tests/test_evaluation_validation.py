"""What training measures on the way."""

import numpy as np
import pytest
import torch
from parrot import Parrot, melodies

from melodylc.data.alphabet import STEPS
from melodylc.evaluation.reconstruction import answers
from melodylc.evaluation.subject import CHUNK, Subject
from melodylc.evaluation.validation import validation_figures
from melodylc.models.config import named_config
from melodylc.models.posterior import Encoding
from melodylc.models.vae import MelodyVAE
from melodylc.training.run import mean_sigma


def test_figures_of_a_header_are_those_of_an_evaluation() -> None:
    vae, events = Parrot(sigma=0.1), melodies(30)
    told, found = validation_figures(vae, events), answers(Subject(vae), events, (0,)).figures()
    assert (told["steps"], told["notes"], told["exact"], told["touched"]) == (1.0, 1.0, 1.0, 0.0)
    assert told["sampled_steps"] == round(found.sample_free.steps.mean, 4) < 0.6
    assert told["sampled_notes"] == round(found.sample_free.notes.mean, 4) < told["notes"]
    assert told["kl"] == round(found.rates["N(0, I)"].kl.mean, 4)
    assert told["bits"] == round(found.rates["N(0, I)"].bits.mean, 4)
    assert (told["active"], told["melodies"]) == (STEPS, 30)


def test_sigma_bar_is_the_mean_over_all_melodies_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = MelodyVAE(named_config("tiny"))
    monkeypatch.setattr(vae, "encode", lambda x, *_: Encoding(x[:, :3] * 0.0, x[:, :3] * 0.0, x[:, :3].float() + 1))
    events = np.zeros((CHUNK + 1, STEPS), np.uint8)
    events[:, 1] = 4
    events[-1, 2] = CHUNK + 1 - 2  # in the second, short chunk
    expected = torch.tensor([1.0, 5.0, 1 + (CHUNK - 1) / (CHUNK + 1)])
    torch.testing.assert_close(mean_sigma(vae, events), expected)


def test_sigma_bar_of_a_real_model_is_its_posteriors_mean() -> None:
    vae, events = MelodyVAE(named_config("tiny")), melodies(7)
    whole = vae.encode(torch.from_numpy(events.astype(np.int64))).sigma.mean(0)
    torch.testing.assert_close(mean_sigma(vae, events), whole.detach())
    assert not mean_sigma(vae, events).requires_grad
