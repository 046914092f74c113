"""The melody VAE: q(z|x), p(x|z), and the one exit through which decoded melodies leave.

ELBO(x) = E_{z ~ q(z|x)} log p(x|z) - KL(q(z|x) || N(0, I))
"""

import torch
from torch import Tensor, nn

from melodylc.data.alphabet import STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.latent.actor import Move
from melodylc.models.autoregressive import AutoregressiveSong
from melodylc.models.bars import DenseBarDecoder, LstmBarDecoder
from melodylc.models.config import ModelConfig
from melodylc.models.local_search import Judge, LocalSearch, SearchResult
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding
from melodylc.models.refinement import Refinement
from melodylc.models.song import FlatSong


class MelodyVAE(nn.Module):
    """A hierarchical VAE on 16-bar melodies (Roberts et al. 2018; Engel et al. 2018).

    >>> from melodylc.models.config import named_config
    >>> model = MelodyVAE(named_config("tiny"))
    >>> model.decode(torch.zeros(3, 32)).shape
    (3, 256)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.song: FlatSong | AutoregressiveSong = (FlatSong if config.encoder == "flat" else AutoregressiveSong)(
            config
        )

    @property
    def decoder(self) -> LstmBarDecoder | DenseBarDecoder:
        """What writes a bar from its embedding."""
        return self.song.decoder

    def encode(self, events: Tensor, noise: Noise | None = None, refine: Refinement | None = None) -> Encoding:
        """A latent of q(z|x) for events (n, 256), int64: the mean without noise, a draw with it.

        With `refine`, q is fitted to each melody from the encoder's answer on.
        """
        return self.reconstruct(events, noise, refine)[0]

    def reconstruct(
        self, events: Tensor, noise: Noise | None, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        """As `encode`, and the bar embeddings (n, 16, embedding) that the latent leads to."""
        return self.song.reconstruct(events, noise, refine)

    def teacher_forced(self, events: Tensor, noise: Noise | None, blur: float = 0.0) -> tuple[Encoding, Tensor]:
        """As `reconstruct`, each bar following true bars (with noise of deviation `blur`): what training needs."""
        return self.song.teacher_forced(events, noise, blur)

    def embeddings(self, z: Tensor) -> Tensor:
        """The sixteen bar embeddings (n, 16, embedding) of latents (n, z): all that the bar decoder is told."""
        return self.song.embeddings(z)

    @property
    def chain(self) -> tuple[int, int, int]:
        """Parts of z, dimensions of each, and how many numbers say what precedes a part."""
        return self.config.z // self.song.part, self.song.part, self.song.context_size

    def contexts(self, events: Tensor, z: Tensor) -> Tensor:
        """What is known of each part of latents (n, z) after the bars of events (n, 256): (n, parts, context)."""
        return self.song.contexts(events, z)

    def move_parts(self, z: Tensor, contexts: Tensor, move: Move) -> Tensor:
        """Latents (n, z) with every part moved as `decode_moved` does, all at once, in contexts (n, parts, context)."""
        return self.song.move_parts(z, contexts, move)

    def embed(self, z: Tensor, contexts: Tensor) -> Tensor:
        """As `embeddings`, each bar following what its context (n, parts, context) says, and all of them at once."""
        return self.song.embed(z, contexts)

    def logits(self, z: Tensor, events: Tensor) -> Tensor:
        """log p(x_t | x_<t, z) up to a constant: (n, 256, 130), for latents (n, z) and events (n, 256)."""
        return self._logits(self.embeddings(z), events)

    def teacher_forced_logits(
        self, events: Tensor, noise: Noise | None, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        """As `teacher_forced`, and what the bar decoder then expects of every event: logits (n, 256, 130)."""
        encoding, embeddings = self.song.teacher_forced(events, noise, refine=refine)
        return encoding, self._logits(embeddings, events)

    def _logits(self, embeddings: Tensor, events: Tensor) -> Tensor:
        logits: Tensor = self.decoder(embeddings.flatten(0, 1), events.reshape(-1, STEPS_PER_BAR))
        return logits.reshape(len(events), STEPS, -1)

    @torch.no_grad()
    def decode_moved(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Latents (n, z) with every part moved in its turn, and the events (n, 256), int64, that the decoder writes."""
        return self.song.decode_moved(z, move)

    def local_search(self, events: Tensor, judge: Judge, how: LocalSearch, z: Tensor | None = None) -> SearchResult:
        """Latents that lead to events (n, 256), int64, or near them, where a judge is satisfied.

        They begin as `z` (n, z), or else as the posterior's means.
        """
        return self.song.local_search(events, judge, how, z)

    def raw_events(self, z: Tensor) -> Tensor:
        """What the bar decoder writes, (n, 256) int64, before it is made canonical."""
        return self.decode_moved(z)[1]

    def decode(self, z: Tensor) -> Events:
        """Canonical melodies (n, 256), uint8: the most probable events, each given those before it.

        Bars are written independently, so a bar may hold a note that the bar before has ended; such
        steps become rests here and nowhere else.
        """
        return canonical(self.raw_events(z).to(torch.uint8).cpu().numpy())[0]
