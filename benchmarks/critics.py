"""How soon a critic knows a rule of one's own (docs/examples/own_rules.py): from nothing, and pre-trained.

    python benchmarks/critics.py [NAME ...]

Lessons are the bank's first 7,168 samples, or these and as many distorted ones. What is told is the correlation of
the critic's guess with the rule's score on samples that it never met, and on such as were distorted.
"""

from math import inf

import click
import numpy as np
import torch
from own_rules import OWN, names_in, rule_of
from torch import Tensor

from melodylc.constraints.bank import find_bank
from melodylc.constraints.features import WIDTH, exact
from melodylc.constraints.fitting import SETTINGS
from melodylc.constraints.pretraining.augmentation import augment_melodies, canonical_events
from melodylc.constraints.pretraining.store import load_pretrained_critic, pretrained_critic_path
from melodylc.latent.critic import Critic
from melodylc.latent.fit import WEIGHT_DECAY
from melodylc.latent.precision import autocast
from melodylc.models.checkpoint import shipped_model
from melodylc.models.noise import Noise

POWERS = (1.0, 4.0, 16.0, 64.0, 256.0, inf)
AFTER = (50, 150, 300)  #: steps of 128 melodies
TAUGHT = 7168


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(names_in(OWN)))
def main(names: tuple[str, ...]) -> None:
    """Print a Markdown table."""
    torch.set_num_threads(1)
    model = shipped_model()
    events = canonical_events(find_bank(model, model.prior()).events.long())
    spoilt = augment_melodies(events, Noise(0))
    click.echo(
        f"model {model.fingerprint}\n\n| rule | critic | " + " | ".join(f"after {n} steps" for n in AFTER) + " |"
    )
    click.echo("|---" * (2 + len(AFTER)) + "|")
    for name in names or names_in(OWN):
        plain = events[:TAUGHT], scores(name, events[:TAUGHT])
        both = (
            torch.cat((events[:TAUGHT], spoilt[:TAUGHT])),
            scores(name, torch.cat((events[:TAUGHT], spoilt[:TAUGHT]))),
        )
        tests = [(events[TAUGHT:], scores(name, events[TAUGHT:])), (spoilt[TAUGHT:], scores(name, spoilt[TAUGHT:]))]
        ways = {
            "from nothing, samples": (False, plain),
            "from nothing, both": (False, both),
            "pre-trained, both": (True, both),
        }
        for way, (known, lessons) in ways.items():
            click.echo(f"| {name} | {way} | " + " | ".join(learnt(known, *lessons, tests)) + " |")


def scores(name: str, events: Tensor) -> Tensor:
    """What a rule says of melodies (n, 256): (n, 1)."""
    return torch.from_numpy(rule_of(OWN, name).scores(events.numpy().astype(np.uint8))[:, :1].astype(np.float32))


def learnt(known: bool, events: Tensor, told: Tensor, tests: list[tuple[Tensor, Tensor]]) -> list[str]:
    """The correlations on both tests after some steps."""
    torch.manual_seed(0)
    critic = (
        load_pretrained_critic(pretrained_critic_path()).with_new_readout(1, POWERS)
        if known
        else Critic(16, 16 * WIDTH, 1, POWERS, 256, 4)
    )
    last = {id(it) for it in critic.readout.parameters()}
    rate = SETTINGS.readout_rate if known else SETTINGS.critic_rate
    groups = [
        {"params": list(critic.readout.parameters()), "lr": rate},
        {"params": [it for it in critic.parameters() if id(it) not in last], "lr": SETTINGS.critic_rate},
    ]
    optimiser, found = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY), []
    random = torch.Generator().manual_seed(0)
    for step in range(1, max(AFTER) + 1):
        chosen = torch.randint(len(events), (128,), generator=random)
        with autocast():
            loss = critic.loss(exact(events[chosen]), told[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step in AFTER:
            found.append(", ".join(f"{agreement(critic, *test):.2f}" for test in tests))
    return found


@torch.no_grad()
def agreement(critic: Critic, events: Tensor, told: Tensor) -> float:
    """Correlation of the guessed score with the true one."""
    guessed = torch.cat([critic(exact(some))[:, 0, 0].sigmoid() for some in events.split(256)])
    return float(np.corrcoef(guessed.numpy(), told[:, 0].numpy())[0, 1])


if __name__ == "__main__":
    main()
