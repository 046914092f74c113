"""From a request to an actor's file: what `melodylc fit` and `melodylc.fit` do."""

from pathlib import Path

from melodylc.constraints import fitting
from melodylc.constraints.actors import FoundActor
from melodylc.constraints.fitting import RealismTerm
from melodylc.constraints.realism import find_realism
from melodylc.constraints.request import Request
from melodylc.latent.fit import FitSettings
from melodylc.models.checkpoint import open_model
from melodylc.models.config import PriorName
from melodylc.reporting import SILENT, Reporter
from melodylc.sampling.fitting import fit_for
from melodylc.sampling.methods.base import Task


def fit_to_file(
    request: Request,
    path: Path,
    model: Path | None = None,
    prior: PriorName | None = None,
    realism: float = 0.0,
    settings: FitSettings | None = None,
    reporter: Reporter = SILENT,
) -> FoundActor:
    """Fit an actor to a request's rule and write it to a file.

    Raises:
        InputError: the file can't be written, or a realism term is asked of a model that has no realism critic.
    """
    loaded = open_model(model)
    term = RealismTerm(find_realism(loaded), realism) if realism else None
    return fit_for(
        Task(loaded, request, prior, realism=realism, reporter=reporter), path, settings or fitting.SETTINGS, term
    )
