"""Lanes: what part of a piece is written, and in which range."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import melodylc
from melodylc.cli.generate import generate
from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.service.order import Order


def test_a_bass_lies_where_a_bass_guitar_does_and_differs_from_a_lead() -> None:
    bass, lead = (melodylc.generate("am", lane=lane, pitch_range="E1..C4", n=1, seed=5) for lane in ("bass", "lead"))
    assert bass[0].passed
    assert bass[0].melody != lead[0].melody
    assert [one.melody for one in melodylc.generate("am", lane="bass", n=1, seed=5)] == [bass[0].melody]


@pytest.mark.parametrize("asked", [None, "any", "alto"])
def test_the_command_of_an_order_asks_for_the_same(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order(Request.read(scale=["am"], pitch_range=asked), count=1, lane="bass")
    seen: list[dict[str, object]] = []

    def claim(path: Path, about: dict[str, object]) -> None:
        seen.append(about)
        raise InputError("enough")

    monkeypatch.setattr("melodylc.service.output_folder.OutputFolder.claim", claim)
    assert order.command is not None
    CliRunner().invoke(generate, shlex.split(order.command)[2:])
    assert seen == [order.to_dict()]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lane": "tenor"}, "a lane is one of lead, inner, bass, not 'tenor'"),
        ({"lane": "bass", "method": "combined"}, "leave out --method combined"),
        ({"lane": "inner", "prior": "normal"}, "leave out --prior normal"),
        ({"lane": "inner", "realism": 1.0}, "leave out --realism"),
        ({"lane": "inner", "actor": Path("a.safetensors")}, "leave out --actor"),
    ],
)
def test_what_writes_leads_alone_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Order(Request.read(scale=["am"]), **given)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_names_say_the_lane() -> None:
    assert Order(lane="bass", seed=7).folder_name == "melodylc-bass-seed7"
    assert Order(seed=7).to_dict().get("lane") is None
