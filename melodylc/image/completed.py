"""What a VAE of pictures is given once it is trained: components of what it leaves of them, and of their variance."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from melodylc.image.classifier import flips
from melodylc.image.config import PictureConfig
from melodylc.image.principal import PASSES, components
from melodylc.image.table import CHUNK, Table
from melodylc.image.vae import PictureVAE
from melodylc.models.noise import Noise
from melodylc.training.loop import Report

Batches = Callable[[], Iterable[Tensor]]
PICTURES = 16_384  #: training pictures that are looked at, the first: time and memory end there, however many there are


@torch.no_grad()
def completed(
    learnt: PictureVAE, config: PictureConfig, table: Table, report: Callable[[Report], None] = lambda _: None
) -> PictureVAE:
    """A trained VAE with all that its configuration asks for, from training pictures and their mirror images.

    Args:
        learnt: the VAE, without what isn't trained.
        config: what it should be.
        table: the pictures.
        report: hears of every batch.
    """
    whole = PictureVAE(config).eval()
    whole.load_state_dict({**whole.state_dict(), **learnt.state_dict()})
    sides = 1 + flips(config.dataset)
    told = _Told(sides * -(-min(PICTURES, table.count) // CHUNK), report)
    if whole.rest is not None:
        # Kept in half precision: a pass through the VAE takes longer than all else here.
        left = [learnt.left(pictures).half() for pictures in told("what it leaves", lambda: _looked_at(table, sides))()]
        found = components(told("its components", lambda: (it.float() for it in left), PASSES), config.rest, table.seed)
        whole.rest.begin(found, config.deviation)
    if whole.restored is not None:
        whole.restored.begin(
            told("variance of pictures", lambda: _looked_at(table, sides), PASSES),
            told("variance of what it makes", lambda: _drawn(whole, table, sides)),
            table.seed,
        )
    return whole


def _drawn(vae: PictureVAE, table: Table, sides: int) -> Iterator[Tensor]:
    """What a VAE makes of draws of q(z|x), before it is restored."""
    noise = Noise(table.seed)
    return (vae.blurred(vae.encode(pictures, noise).z) for pictures in _looked_at(table, sides))


def _looked_at(table: Table, sides: int) -> Iterator[Tensor]:
    """Training pictures, (n, channels, side, side) at a time, and their mirror images where there are two sides."""
    yield from table.batches(PICTURES)
    if sides == 2:
        yield from (pictures.flip(-1) for pictures in table.batches(PICTURES))


class _Told:
    """Batches that report how many there were, of so many a pass."""

    def __init__(self, count: int, report: Callable[[Report], None]) -> None:
        self.count, self.report = count, report

    def __call__(self, name: str, batches: Batches, passes: int = 1) -> Batches:
        done = 0

        def told() -> Iterator[Tensor]:
            nonlocal done
            for batch in batches():
                yield batch
                done += 1
                self.report(Report(name, done, min(1.0, done / (passes * self.count)), {}))

        return told
