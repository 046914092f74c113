"""Requests and orders: the rule that follows from the options, and the command that makes the same again."""

import shlex

import pytest

from melodylc.cli.main import group
from melodylc.data import InputError
from melodylc.request import Order, Request

C_MAJOR = "pitch_classes(0,2,4,5,7,9,11)"
VARIED = "variety(7 pitches, 9 bars)"


def request_for(
    scale: str | None = None, density: str | None = None, tonic: bool | None = None, varied: bool = True
) -> Request:
    return Request.read(
        scale=[scale] if scale else [], density=[density] if density else [], tonic=tonic, variety=varied
    )


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (request_for("cmaj"), (C_MAJOR, VARIED)),
        (request_for("cmaj", varied=False), (C_MAJOR,)),
        (request_for("cmaj", tonic=True), (C_MAJOR, "tonic(0)", VARIED)),
        (request_for("am"), (C_MAJOR, "tonic(9)", VARIED)),
        (request_for("am", tonic=False), (C_MAJOR, VARIED)),
        (request_for(density="high"), ("density(192..)", VARIED)),
        (request_for("cmaj", "64..96", varied=False), (C_MAJOR, "density(64..96)")),
    ],
)
def test_rule_of_a_request(request_: Request, names: tuple[str, ...]) -> None:
    assert request_.rule is not None
    assert request_.rule.names == names


def test_relative_keys_share_a_rule_unless_they_end_on_their_tonic() -> None:
    major, minor = request_for("ebmaj"), request_for("cm", tonic=False)
    assert major.rule == minor.rule
    assert request_for("ebmaj", tonic=True).rule != request_for("cm").rule


def test_nothing_asked_is_no_rule() -> None:
    assert Request().rule is None
    assert Request(varied=True).rule is None


@pytest.mark.parametrize(
    "order",
    [
        Order(),
        Order(request=request_for("f#m", "64..96"), count=3, seed=7, tempo=92.5, draws=5),
        Order(request=request_for("bbmaj", "high", tonic=True), verify=False),
        Order(request=request_for("c minor", tonic=False)),
        Order(request=request_for("dmaj", varied=False)),
    ],
)
def test_the_command_of_an_order_asks_for_the_same_order(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the command in a manifest gets an order with the same manifest."""
    seen: list[Order] = []

    class Stopped(Exception):
        pass

    def stop(order: Order) -> None:
        seen.append(order)
        raise Stopped

    monkeypatch.setattr("melodylc.cli.generate._produce", stop)
    words = shlex.split(order.command)[1:]
    with pytest.raises(Stopped):
        group.main(words, standalone_mode=False)
    assert seen[0].to_dict() == order.to_dict()
    assert seen[0].command == order.command


@pytest.mark.parametrize("wrong", [{"count": 0}, {"draws": 0}, {"seed": -1}, {"tempo": 0.0}, {"tempo": float("nan")}])
def test_orders_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Order(**wrong)  # type: ignore[arg-type]


def test_folder_names_say_what_is_inside() -> None:
    assert Order(request=request_for("cmaj", "high"), seed=7).folder_name == "melodylc-cmaj-192+-seed7"
    assert Order(request=request_for("f#m", "64..96"), seed=1).folder_name == "melodylc-f#min-64-96-seed1"
