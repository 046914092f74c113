"""How an actor is fitted."""

from dataclasses import dataclass
from math import inf

from melodylc.data.errors import InputError


@dataclass(frozen=True)
class FitSettings:
    """How an actor is fitted.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    bank: int = 4096  #: prior samples scored first, where no bank is given
    rounds: int = 17  #: rounds of actor and critic
    fresh: int = 512  #: vectors scored in each round
    actor_steps: int = 24  #: in each round
    critic_steps: int = 40  #: in each round
    warmup: int = 300  #: critic steps on the bank before the first round
    batch: int = 32  #: vectors in a step of the actor
    hard: float = 0.5  #: share of a step's vectors that are taken from those that didn't obey
    lesson: int = 128  #: vectors in a step of the critic
    distorted: int = 4096  #: of what vectors of the bank become, how many are distorted and scored, where that can be
    invented: float = 0.25  #: share of a critic's step that is distorted, where there is such
    rate: float = 5e-4  #: Adam's learning rate for the actor, falling in the last rounds
    critic_rate: float = 1e-3  #: the same for the critic
    readout_rate: float = 1e-3  #: the same for its last layer
    full: float = 2 / 3  #: share of the rounds in which rates are what they are, before they fall
    clip: float = 1.0  #: largest norm of the actor's gradient
    weight_decay: float = 0.01  #: of the critic, which would otherwise memorise the bank
    exponents: tuple[float, ...] = (1.0, 4.0, 16.0, 64.0, 256.0, inf)  #: powers of the score that the critic regresses
    reach: float = 0.01  #: mean that a power of a part's score must have in the latest scores to count for the actor
    distance: float = 0.05  #: lambda at first, the weight of L_dist, and the most it can be
    faithful: float = 0.0  #: w, the weight of L_change beside L_dist; 0 where vectors alone should stay near
    cheapest: float = 0.005  #: the least that lambda can fall to
    fall: float = 0.3  #: of lambda that is left after all rounds at a pace of 1, at which it rises above `target`
    hurry: float = 8.0  #: the pace at which lambda falls while nothing obeys
    patience: float = 4.0  #: the power of the share that is missing from `target` which that pace is multiplied by
    also: float = 0.0  #: weight of a further cost of what the critic sees, where one is given
    target: float = 0.97  #: share of vectors that should satisfy all parts; more isn't worth more distance
    noise: float = 0.15  #: standard deviation of what is added to half of the scored vectors
    recent: int = 2048  #: latest scored vectors, which make half of each critic batch
    average: float = 0.98  #: decay of the running mean of the actor's weights, a step
    check_every: int = 10  #: rounds between checks
    check: int = 256  #: vectors measured in a check
    measure: int = 1000  #: vectors measured at the end, actor and prior
    hidden: int = 384  #: width of the actor's layers
    layers: int = 2  #: hidden layers of the actor
    critic_hidden: int = 256  #: width of the critic's layers
    critic_layers: int = 4  #: hidden layers of the critic
    bound: float = 2.0  #: the actor's bound

    def __post_init__(self) -> None:
        for name in ("bank", "rounds", "fresh", "batch", "lesson", "check_every", "check", "measure", "critic_hidden"):
            if getattr(self, name) < 1:
                raise InputError(f"fitting needs {name} of at least 1, not {getattr(self, name)}")
        for name in (
            "rate",
            "critic_rate",
            "readout_rate",
            "distorted",
            "hurry",
            "patience",
            "faithful",
            "clip",
            "weight_decay",
            "distance",
            "also",
            "cheapest",
            "reach",
            "noise",
            "recent",
            "actor_steps",
            "critic_steps",
            "warmup",
        ):
            if not 0 <= getattr(self, name) < inf:
                raise InputError(f"fitting needs {name} of at least 0, not {getattr(self, name)}")
        for name in ("hard", "invented", "full"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"fitting needs {name} in [0, 1), not {getattr(self, name)}")
        for name in ("fall", "target"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"fitting needs {name} in (0, 1], not {getattr(self, name)}")
        if not 0 <= self.average < 1:
            raise InputError(f"fitting needs average in [0, 1), not {self.average}")
        if not self.exponents or min(self.exponents) <= 0:
            raise InputError(f"fitting needs positive exponents, not {self.exponents}")
