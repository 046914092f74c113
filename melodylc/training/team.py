"""Several processes that train one model: what each sees of a batch, and what they must agree on.

A team is one process, or those that torchrun starts (it sets RANK, WORLD_SIZE and the like). Every process holds the
whole model, sees every `world`-th row of each batch, and averages its gradients with the others'. So a team does
what one process would do, up to rounding.
"""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn

from melodylc.data.errors import InputError, MelodylcError
from melodylc.models.noise import Noise

CPU = torch.device("cpu")


class TeamBroken(MelodylcError):
    """Another process of the team is gone."""


@dataclass(frozen=True)
class Team:
    """One process's place among those that train together."""

    rank: int = 0
    world: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def noise(self, seed: int) -> Noise:
        """Random numbers of this process's rows of a batch."""
        return Noise(seed, self.rank, self.world)

    def share(self, rows: Tensor) -> Tensor:
        """Its rows of a batch, on its device.

        Raises:
            InputError: a batch that can't be dealt out evenly.
        """
        if len(rows) % self.world:
            raise InputError(
                f"a batch of {len(rows)} can't be dealt to {self.world} processes: use a number that divides it"
            )
        return rows[self.rank :: self.world].to(self.device)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over the team, without a gradient."""
        total = value.detach().clone()
        self._sum(total)
        return total / self.world

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the team's mean in the place of each gradient."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.world == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self._sum(flat)
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient) / self.world)

    def agree(self, number: float) -> float:
        """The leader's number: clocks differ, decisions must not."""
        told = torch.tensor([number if self.leads else 0.0], dtype=torch.float64, device=self.device)
        self._sum(told)
        return float(told)

    def _sum(self, tensor: Tensor) -> None:
        if self.world == 1:
            return
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            raise self._broken("lost the others") from error

    def end(self, *_: object) -> NoReturn:
        """Stop, told to by a signal: torchrun ends all where one has died."""
        raise self._broken("was told to end")

    def _broken(self, what: str) -> TeamBroken:
        return TeamBroken(
            f"process {self.rank} of {self.world} {what}; the last checkpoint is kept: run the same command again"
        )


def join_team(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> Team:
    """The team that torchrun has started, or a team of one; on GPUs where there are any."""
    rank, world = int(environment.get("RANK", 0)), int(environment.get("WORLD_SIZE", 1))
    local = int(environment.get("LOCAL_RANK", rank))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    team = Team(rank, world, device)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        signal.signal(signal.SIGTERM, team.end)
    return team
