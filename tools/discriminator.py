"""Train the discriminator that `--best-of` chooses by, and write it beside the model.

python tools/discriminator.py CORPUS [OUTPUT]

Leads of the training works, drawn as training draws them, against as many that the shipped language model writes.
A tenth of both say how well unseen melodies are told apart. Five minutes of one core.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu

from melodylc.cache import pretrained
from melodylc.data.alphabet import canonical
from melodylc.data.corpus import Corpus
from melodylc.data.musical_features import musical_features, names, select_columns
from melodylc.data.roles import LEAD
from melodylc.evaluation.real import Held
from melodylc.evaluation.two_sample import clustered_area
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.discriminator import FILE, REACH, WITHOUT, Discriminator, save_discriminator
from melodylc.sampling.methods.steer import write
from melodylc.sampling.steering.writer import find_writer
from melodylc.training.settings import TrainSettings

COUNT, TOGETHER = 12_000, 100
NETS, UNITS, EPOCHS, BATCH, RATE, DECAY, DROPOUT, SEED = 3, 64, 16, 128, 2e-3, 0.05, 0.4, 0
Values = npt.NDArray[np.float64]


def learn(inputs: Tensor, target: Tensor, seed: int) -> list[Tensor]:
    """Weights and biases of a net: hidden (k, units), (units,), out (units,), ()."""
    torch.manual_seed(seed)
    hidden, out, drop = nn.Linear(inputs.shape[1], UNITS), nn.Linear(UNITS, 1), nn.Dropout(DROPOUT)
    parameters = [*hidden.parameters(), *out.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    weight = torch.where(target > 0, 0.5 / target.mean(), 0.5 / (1 - target.mean()))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs)).split(BATCH):
            said = out(drop(relu(hidden(drop(inputs[rows])))))[:, 0]
            loss = binary_cross_entropy_with_logits(said, target[rows], weight[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return [hidden.weight.detach().T, hidden.bias.detach(), out.weight.detach()[0], out.bias.detach()[0]]


def train(real: Values, works: npt.NDArray[np.int64], written: Values) -> tuple[Discriminator, float]:
    """A discriminator of features (n, k) and (m, k), and the area under its curve on works that it didn't see."""
    unseen = works % 10 == 0, np.arange(len(written)) % 10 == 0
    table = np.concatenate([real[~unseen[0]], written[~unseen[1]]])
    mean, deviation = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-3)
    inputs = torch.from_numpy(np.clip((table - mean) / deviation, -REACH, REACH)).float()
    target = (torch.arange(len(table)) < int((~unseen[0]).sum())).float()
    nets = [learn(inputs, target, SEED + net) for net in range(NETS)]
    weights = [torch.stack(parts).double().numpy() for parts in zip(*nets, strict=True)]
    columns = tuple(np.array(names())[select_columns(*WITHOUT)].tolist())
    found = Discriminator(columns, mean, deviation, *weights)
    scores = found.scores_of(real[unseen[0]]), found.scores_of(written[unseen[1]])
    return found, clustered_area(*scores, works[unseen[0]], np.arange(len(scores[1]))).auc


def main() -> None:
    """Train, say how well it tells, and write it."""
    torch.set_num_threads(1)
    corpus, model = Corpus.open(sys.argv[1]), shipped_model()
    found_writer = find_writer(model)
    if found_writer is None:
        raise SystemExit("no language model ships: make it with tools/writer.py")
    held = Held.training(corpus, TrainSettings.balance, np.flatnonzero(corpus.train_role == LEAD))
    real, works = held.draw_with_works(np.arange(len(held.events)), COUNT, np.random.default_rng(SEED))
    rng = np.random.default_rng(SEED)
    parts = [write(found_writer.writer, TOGETHER, rng) for _ in range(COUNT // TOGETHER)]
    written = canonical(np.concatenate(parts).astype(np.uint8))[0]
    column = select_columns(*WITHOUT)
    found, area = train(musical_features(real)[:, column], works, musical_features(written)[:, column])
    output = Path(sys.argv[2]) if sys.argv[2:] else pretrained() / FILE
    provenance: dict[str, object] = {
        "corpus": corpus.fingerprint,
        "language": found_writer.fingerprint,
        "area": round(area, 4),
    }
    save_discriminator(output, found, provenance | {"real": len(real), "written": len(written)})
    print(f"wrote {output}, {output.stat().st_size:,} bytes; area under the curve of unseen works {area:.3f}")


if __name__ == "__main__":
    main()
