"""Figures for a trained model's header: how well it gives back melodies of works that were held out."""

from melodylc.data.arrays import Events
from melodylc.evaluation.reconstruction import answers
from melodylc.evaluation.subject import Subject
from melodylc.models.vae import MelodyVAE


def validation_figures(vae: MelodyVAE, events: Events) -> dict[str, float]:
    """How melodies (n, 256) came back, rounded: see `melodylc.evaluation.reconstruction`.

    `steps`, `notes`, `exact` and `touched` are free-running from the posterior's mean; `sampled_steps` and
    `sampled_notes` the same from one sample.
    """
    found = answers(Subject(vae), events, seeds=(0,)).figures()
    (rate,) = found.rates.values()
    figures = {
        "steps": found.mean_free.steps,
        "notes": found.mean_free.notes,
        "sampled_steps": found.sample_free.steps,
        "sampled_notes": found.sample_free.notes,
        "exact": found.mean_free.melodies,
        "touched": found.touched,
        "kl": rate.kl,
        "bits": rate.bits,
    }
    rounded = {name: round(figure.mean, 4) for name, figure in figures.items()}
    return {**rounded, "active": found.active, "melodies": found.melodies}
