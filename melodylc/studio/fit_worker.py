"""The process in which the studio fits an actor, so that cancelling it is certain: it can always be killed.

An order comes as one line of JSON, progress goes out as lines of JSON. "stop" ends the rounds as Ctrl-C does: the best
state so far is kept. Where the studio itself goes away, this ends too.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from melodylc.data.errors import MelodylcError
from melodylc.latent.fit import FitSettings


def main() -> None:
    """Fit what the first line of standard input orders."""
    # A shell starts background jobs deaf to it, and "stop" is this signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = json.loads(sys.stdin.readline())
    last_round = threading.Event()
    threading.Thread(target=_listen, args=(last_round,), daemon=True).start()
    try:
        rate = _fit(order, last_round)
        _send(done=rate)
    except KeyboardInterrupt:
        _send(stopped=True)
    except MelodylcError as error:
        _send(refused=str(error))


def _fit(order: dict[str, Any], last_round: threading.Event) -> float:
    from melodylc.constraints.request import Request
    from melodylc.latent.fit import Round
    from melodylc.models.checkpoint import load_model, shipped_model
    from melodylc.sampling.fitting import fit_actor

    request = Request.read(**order["request"], seconds=order["seconds"])
    model = load_model(Path(order["model"])) if order["model"] else shipped_model()
    rule = request.rule
    if rule is None:
        raise MelodylcError("nothing to learn")

    def report(round: Round) -> None:
        if round.number == round.rounds:
            last_round.set()
        _send(round=round.number, rounds=round.rounds, rate=round.measurement.rate, best=round.best)

    def decoding(done: int, of: int) -> None:
        _send(bank=done, of=of)

    settings, path = FitSettings.from_dict(order["settings"]), Path(order["path"])
    _send(ready=True)
    actor = fit_actor(model, rule, path, report, settings, request.to_dict(), decoding=decoding)
    return actor.stored.rates.actor


def _listen(last_round: threading.Event) -> None:
    import _thread

    for line in sys.stdin:
        # After the last round nothing is left to stop, and what is being written shall be.
        if line.strip() == "stop" and not last_round.is_set():
            _thread.interrupt_main()
    os._exit(1)


def _send(**message: Any) -> None:
    print(json.dumps(message), flush=True)
