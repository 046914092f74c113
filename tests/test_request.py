"""Requests and orders: the rule that follows from the options, and the command that makes the same again."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from melodylc.cli.main import group
from melodylc.constraints.request import NamedReward, Request
from melodylc.data import InputError
from melodylc.data.writing import Writing
from melodylc.rewards import Density
from melodylc.service.order import Order

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


def test_a_variety_of_one_s_own_takes_the_place_of_that_which_goes_with_all() -> None:
    own = Request.read(scale=["cmaj"], reward=["variety,bars=6"]).rule
    assert own is not None
    assert own.names == (C_MAJOR, "variety(7 pitches, 6 bars)")


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
        Order(request=request_for("f#m", "64..96"), count=3, seed=7, writing=Writing(tempo=92.5), draws=5),
        Order(request=request_for("bbmaj", "high", tonic=True), verify=False),
        Order(request=request_for("c minor", tonic=False), allow_copies=True),
        Order(request=request_for("dmaj", varied=False)),
        Order(request=request_for("eb dorian")),
        Order(request=request_for("d dorian #4", tonic=False)),
        Order(request=request_for("g 8-tone spanish")),
        Order(request=request_for("0,2,4,7,9")),
        Order(request=request_for("c,d,e,g,a tonic d")),
        Order(request=Request.read(scale=["cmaj", "gmaj"], density=["16..", "1..64"])),
        Order(request=Request.read(reward=["0.5*density,least=9", "~tonic,pitch_class=0 | variety"], seconds=2.5)),
    ],
)
def test_the_command_of_an_order_asks_for_the_same_order(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the command in a manifest gets an order with the same manifest."""
    seen: list[Order] = []

    class Stopped(Exception):
        pass

    def stop(order: Order, *_: object) -> None:
        seen.append(order)
        raise Stopped

    monkeypatch.setattr("melodylc.service.streaming.write_order", stop)
    words = shlex.split(order.command or "")[1:]
    with pytest.raises(Stopped):
        group.main(words, standalone_mode=False)
    assert seen[0].to_dict() == order.to_dict()
    assert seen[0].command == order.command


@pytest.mark.parametrize("wrong", [{"count": 0}, {"draws": 0}, {"seed": -1}])
def test_orders_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Order(**wrong)  # type: ignore[arg-type]


def test_a_request_is_read_from_its_plain_values() -> None:
    rewards = ["0.5*density,least=9 & variety,bars=3", "~tonic,pitch_class=0"]
    request = Request.read(scale=["am", "cmaj"], density=["low"], reward=rewards, tonic=False, variety=False)
    assert Request.read(**request.to_dict()) == request
    assert request.rule is not None
    assert request.rule.names == (
        C_MAJOR,
        "density(16..64)",
        "0.5*density(9..)",
        "variety(7 pitches, 3 bars)",
        "~tonic(0)",
    )


def test_of_several_scales_notes_lie_in_all_and_the_first_is_the_key() -> None:
    request = Request.read(scale=["cmaj", "gmaj", "em"])
    assert request.scale == request.scales[0]
    assert request.rule is not None
    assert request.rule.names[:3] == (C_MAJOR, "pitch_classes(0,2,4,6,7,9,11)", "tonic(4)")


def test_what_judges_something_else_is_refused() -> None:
    @dataclass(frozen=True)
    class Bright(Density):
        @property
        def domain(self) -> str:
            return "pictures"

    with pytest.raises(InputError, match="judges pictures"):
        Request(rewards=(NamedReward("bright", Bright(1)),), varied=False)


def test_folder_names_say_what_is_inside() -> None:
    assert (
        Order(request=Request.read(reward=["density,least=9 | variety"])).folder_name
        == "melodylc-density-variety-seed0"
    )
    assert Order(actor=Path("kept/smooth.safetensors"), seed=2).folder_name == "melodylc-smooth-seed2"
    assert Order(request=request_for("cmaj", "high"), seed=7).folder_name == "melodylc-cmaj-192+-seed7"
    assert Order(request=request_for("f#m", "64..96"), seed=1).folder_name == "melodylc-f#min-64-96-seed1"
