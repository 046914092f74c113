"""The common requests with the actor that ships: how many single draws obey, and what they cost.

    python benchmarks/common_requests.py [--draws 512]

Twelve of the 144, those of C major's notes; the others are these, transposed. Drawn as `generate` draws, from samples
of the bank that taught no actor. "begun" are draws that obeyed before any actor moved them, "moved" after, "drawn" in
the end, mended; "decodes" are melodies decoded a draw, mean and median; one thread.
"""

import time
from dataclasses import replace

import click
import numpy as np
import torch

from melodylc.constraints.actors import find_actor
from melodylc.constraints.bank import find_bank
from melodylc.constraints.common_requests import DENSITIES, ENDS, CommonRequest
from melodylc.constraints.fitting import HELD_BACK
from melodylc.data.alphabet import canonical
from melodylc.latent.distance import z_mse
from melodylc.latent.precision import autocast
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.mixture import Mixture
from melodylc.threads import fixed_threads


@click.command()
@click.option("--draws", default=512, show_default=True, type=click.IntRange(1, HELD_BACK))
def main(draws: int) -> None:
    """Print a Markdown table."""
    model = shipped_model()
    written = find_bank(model, model.prior()).events[:draws]
    click.echo(f"model {model.fingerprint}, {draws} draws each\n")
    click.echo("| ends on | density | begun | moved | drawn | z_MSE | decodes | s of processor |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for end in range(len(ENDS)):
        for density in range(len(DENSITIES)):
            request = CommonRequest(0, end, density)
            actor = find_actor(model, request.rule, elsewhere=True)
            assert actor is not None
            mixture = Mixture(request.rule, model.vae, actor.edits, actor.shift)
            with fixed_threads(1), autocast():
                spent = time.process_time()
                begun = mixture.start_from(written)
                done = mixture.finish(begun, actor.move)
                spent = time.process_time() - spent
                moved = replace(mixture, repairs=()).finish(begun, actor.move)
            rates = [
                np.mean(request.rule.satisfied(canonical(some.events.to(torch.uint8).numpy())[0]))
                for some in (begun, moved, done)
            ]
            far = float(z_mse(done.z, begun.z, model.sigma_bar).mean())
            click.echo(
                f"| {('anything', 'C', 'A')[end]} | {DENSITIES[density] or 'any'} "
                f"| {rates[0]:.3f} | {rates[1]:.3f} | {rates[2]:.3f} | {far:.2f} "
                f"| {done.cost.mean():.1f}, {done.cost.median():.1f} | {spent:.0f} |"
            )


if __name__ == "__main__":
    main()
