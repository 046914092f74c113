"""The process in which the studio fits an actor, so that cancelling it is certain: it can always be killed.

An order comes as one line of JSON, progress goes out as lines of JSON. "stop" ends the rounds as Ctrl-C does: the best
state so far is kept. Where the studio itself goes away, this ends too.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from melodylc.data.errors import MelodylcError
from melodylc.latent.fit import FitSettings


def main() -> None:
    """Fit what the first line of standard input orders."""
    # A shell starts background jobs deaf to it, and "stop" is this signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = json.loads(sys.stdin.readline())
    last = threading.Event()
    threading.Thread(target=_listen, args=(last,), daemon=True).start()
    try:
        rate = _fit(order, last)
        _tell(done=rate)
    except KeyboardInterrupt:
        _tell(stopped=True)
    except MelodylcError as error:
        _tell(refused=str(error))


def settings_to_dict(settings: FitSettings) -> dict[str, Any]:
    """Settings as JSON has them; the inverse of `settings_of`."""
    return settings.to_dict()


def settings_of(values: Mapping[str, Any]) -> FitSettings:
    """The settings of a dictionary.

    >>> settings_of(json.loads(json.dumps(settings_to_dict(FitSettings(rounds=3))))) == FitSettings(rounds=3)
    True
    """
    return FitSettings.from_dict(values)


def _fit(order: dict[str, Any], last: threading.Event) -> float:
    from melodylc.actors import fit_actor, shipped_model
    from melodylc.latent.fit import Round
    from melodylc.models.checkpoint import load_model
    from melodylc.request import Request

    request = Request.read(**order["request"], seconds=order["seconds"])
    model = load_model(Path(order["model"])) if order["model"] else shipped_model()
    rule = request.rule
    if rule is None:
        raise MelodylcError("nothing to learn")

    def report(done: Round) -> None:
        if done.number == done.rounds:
            last.set()
        _tell(round=done.number, rounds=done.rounds, rate=done.measurement.rate, best=done.best)

    def decoding(done: int, of: int) -> None:
        _tell(bank=done, of=of)

    settings, path = settings_of(order["settings"]), Path(order["path"])
    _tell(ready=True)
    found = fit_actor(model, rule, path, report, settings, request.to_dict(), decoding=decoding)
    return found.stored.rates.actor


def _listen(last: threading.Event) -> None:
    import _thread

    for line in sys.stdin:
        # After the last round nothing is left to stop, and what is being written shall be.
        if line.strip() == "stop" and not last.is_set():
            _thread.interrupt_main()
    os._exit(1)


def _tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)
