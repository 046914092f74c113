"""The common requests with the actors that ship: how many single draws obey, and what they cost.

    python benchmarks/common_requests.py [--draws 512]

Twelve of the 144, those of C major's notes; the others are these, transposed. Drawn as `generate` draws, from samples
of the bank that taught no actor. "begun" are draws that obeyed before any actor moved them; "decodes" are melodies
decoded a draw, mean and median; one thread.
"""

import time

import click
import numpy as np
import torch

from melodylc.actors import JUDGES, find_actor, shipped_model
from melodylc.bank import find_bank
from melodylc.common import DENSITIES, ENDS, CommonRequest
from melodylc.data.alphabet import canonical
from melodylc.drawing import Drawing
from melodylc.latent.distance import z_mse
from melodylc.latent.precision import brief
from melodylc.threads import fixed_threads


@click.command()
@click.option("--draws", default=512, show_default=True, type=click.IntRange(1, JUDGES))
def main(draws: int) -> None:
    """Print a Markdown table."""
    model = shipped_model()
    written = find_bank(model, model.prior()).events[:draws]
    click.echo(f"model {model.fingerprint}, {draws} draws each\n")
    click.echo("| ends on | density | actor for | begun | drawn | z_MSE | decodes | s of processor |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for end in range(len(ENDS)):
        for density in range(len(DENSITIES)):
            request = CommonRequest(0, end, density)
            actor = find_actor(model, request.rule, elsewhere=True)
            assert actor is not None
            drawing, spent = Drawing(request.rule, model.vae, actor.arrangement, actor.shift), time.process_time()
            with fixed_threads(1), brief():
                begun = drawing.begin_at(written)
                done = drawing.finish(begun, actor.move)
            spent = time.process_time() - spent
            rates = [
                np.mean(request.rule.satisfied(canonical(some.events.to(torch.uint8).numpy())[0]))
                for some in (begun, done)
            ]
            far = float(z_mse(done.z, begun.z, model.sigma_bar).mean())
            click.echo(
                f"| {('anything', 'C', 'A')[end]} | {DENSITIES[density] or 'any'} | {actor.stored.header.rule} "
                f"| {rates[0]:.3f} | {rates[1]:.3f} | {far:.2f} | {done.cost.mean():.1f}, {done.cost.median():.1f} "
                f"| {spent:.0f} |"
            )


if __name__ == "__main__":
    main()
