"""An actor's file gives back what was put in, or says in one line why not."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from melodylc.cache import pretrained
from melodylc.data import InputError
from melodylc.data.errors import CheckpointError
from melodylc.latent.fit import DistanceWeight, FitResult, FitSettings, fit
from melodylc.latent.objective import VectorObjective
from melodylc.latent.store import ACTOR_FILE_FORMAT, StoredActor, load_actor, read_header, save_actor

SETTINGS = FitSettings(
    bank=50, rounds=1, fresh=10, check=10, measure=20, warmup=1, actor_steps=1, critic_steps=1, hidden=16
)
PARTS = ("above", "below")


def score(z: torch.Tensor) -> np.ndarray:
    return np.asarray(torch.stack([z[:, 0] > 0, z[:, 1] < 1], dim=1).double())


@pytest.fixture(scope="module")
def result() -> FitResult:
    return fit(VectorObjective(6, score), torch.ones(6), settings=SETTINGS, seed=5)


@pytest.fixture
def path(tmp_path: Path, result: FitResult) -> Path:
    path = tmp_path / "actor.safetensors"
    save_actor(path, result, model="0123456789abcdef", prior="N(0, I)", rule="above & below", parts=PARTS)
    return path


def test_what_was_stored_moves_as_before(path: Path, result: FitResult) -> None:
    z, nothing = torch.randn(10, 1, 6), torch.zeros(10, 1, 0)
    stored = load_actor(path, model="0123456789abcdef", prior="N(0, I)", rule="above & below")
    assert torch.equal(stored.actor(z, nothing), result.actor(z, nothing).detach())
    assert stored.actor.config == result.actor.config
    assert not stored.actor.training
    assert not any(weight.requires_grad for weight in stored.actor.parameters())


def test_the_header_says_what_it_is_for_and_what_was_measured(path: Path, result: FitResult) -> None:
    header = read_header(path)
    assert header is not None
    assert header == load_actor(path).header
    assert (header.model, header.rule, header.parts) == ("0123456789abcdef", "above & below", PARTS)
    assert header.settings["seed"] == 5
    assert header.settings["exponents"][-1] == "inf"
    rates = load_actor(path).rates
    assert (rates.prior, rates.prior_samples) == (result.prior.rate, 50)
    assert (rates.actor, rates.samples) == (result.measurement.rate, 20)
    assert rates.actor_parts == result.measurement.rates
    assert json.loads(json.dumps(rates.to_dict()))["z_mse"] == result.measurement.z_mse


def test_how_vectors_begin_is_kept_and_nothing_is_assumed_without(path: Path, result: FitResult) -> None:
    assert load_actor(path).header.preparation == []
    begins = (("snap", 0, 4, 7), ("isorhythm",))
    save_actor(path, result, model="", prior="", rule="", parts=PARTS, preparation=begins)
    assert load_actor(path).header.preparation == [["snap", 0, 4, 7], ["isorhythm"]]


def test_the_same_actor_makes_the_same_file(path: Path, result: FitResult) -> None:
    again = path.with_name("again.safetensors")
    save_actor(again, result, model="0123456789abcdef", prior="N(0, I)", rule="above & below", parts=PARTS)
    assert again.read_bytes() == path.read_bytes()
    assert load_actor(again).fingerprint == load_actor(path).fingerprint


def test_an_actor_for_something_else_is_refused_with_the_reason(path: Path) -> None:
    with pytest.raises(CheckpointError, match="for the model 0123456789abcdef, not fedc"):
        load_actor(path, model="fedc")
    with pytest.raises(CheckpointError, match=r"for the prior N\(0, I\), not learnt"):
        load_actor(path, prior="learnt at 0.95")
    with pytest.raises(CheckpointError, match="for the rule above & below, not above"):
        load_actor(path, rule="above")


def test_parts_without_a_rate_are_refused(tmp_path: Path, result: FitResult) -> None:
    with pytest.raises(InputError, match="1 name for 2 columns"):
        save_actor(tmp_path / "a", result, model="", prior="", rule="", parts=("above",))
    assert not list(tmp_path.iterdir())


def edited(content: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """The file with another header of ours, and without a checksum, as files of before."""
    size = struct.unpack("<Q", content[:8])[0]
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    header = json.loads(metadata["header"])
    change(header)
    return save(load(content), metadata={"format": metadata["format"], "header": json.dumps(header)})


def shaped(**fields: object) -> Callable[[dict[str, object]], object]:
    return lambda header: header.update(config={"parts": 1, "size": 6, **fields})


def with_nan(content: bytes) -> bytes:
    return content[:-2] + b"\x00\x7e"  # half precision for "not a number"


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "short": lambda content: content[:5],
    "truncated header": lambda content: content[:100],
    "truncated weights": lambda content: content[:-10],
    "too long": lambda content: content + b"more",
    "text": lambda content: b"MThd, but not really a file of numbers",
    "a header of exabytes": lambda content: b"\xff" * 8 + content[8:],
    "nested brackets": lambda content: struct.pack("<Q", 10**5) + b"[" * 10**5,
    "not a number": with_nan,
    "no header": lambda content: save(load(content)),
    "another format": lambda content: save(load(content), metadata={"format": "melodylc-vae/1"}),
    "header isn't JSON": lambda content: save(load(content), metadata={"header": "{"}),
    "header is a list": lambda content: save(load(content), metadata={"header": "[]"}),
    "no rule": lambda content: edited(content, lambda header: header.pop("rule")),
    "another width": lambda content: edited(content, shaped(hidden=32)),
    "width below 1": lambda content: edited(content, shaped(hidden=0)),
    "layers by the billion": lambda content: edited(content, shaped(hidden=16, layers=10**9)),
    "a width of billions": lambda content: edited(content, shaped(hidden=10**9)),
    "width of text": lambda content: edited(content, shaped(hidden="x")),
    "unknown field": lambda content: edited(content, lambda header: header.update(config={"sizes": 6})),
}


@pytest.mark.parametrize("kind", list(DAMAGE))
def test_a_damaged_or_foreign_file_costs_one_line(kind: str, path: Path) -> None:
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(CheckpointError) as caught:
        load_actor(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_byte_changes_unnoticed(path: Path) -> None:
    content = path.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    header = content.index(b"above & below")
    for at in (header, *range(begin, len(content), (len(content) - begin) // 40)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CheckpointError, match="its checksum is another"):
            load_actor(path)
    path.write_bytes(content)
    load_actor(path)


@pytest.mark.parametrize("kind", ["empty", "text", "no header", "another format", "a header of exabytes"])
def test_a_file_of_another_kind_has_no_header_of_ours(kind: str, path: Path) -> None:
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    assert read_header(path) is None


def test_a_header_of_ours_that_is_damaged_is_an_error(path: Path) -> None:
    path.write_bytes(DAMAGE["no rule"](path.read_bytes()))
    with pytest.raises(CheckpointError, match="rule"):
        read_header(path)


@pytest.mark.parametrize("read", [load_actor, read_header])
def test_what_can_t_be_read_is_named(read: Callable[[Path], StoredActor | None], tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CheckpointError, match="can't read"):
            read(path)


def test_a_place_that_can_t_be_written_is_named(tmp_path: Path, result: FitResult) -> None:
    with pytest.raises(InputError, match="missing"):
        save_actor(tmp_path / "missing" / "a", result, model="", prior="", rule="", parts=PARTS)


def test_shipped_actors_of_an_earlier_version_are_read() -> None:
    header = load_actor(pretrained() / "common.safetensors").header
    settings = FitSettings.from_dict(header.settings)
    assert (settings.critic_batch, settings.change_weight) == (128, 120.0)
    assert settings.distance == DistanceWeight(initial=0.03, least=0.004, decay=0.3, pace=1.0, patience=1.0)
    assert header.rates.actor == 1.0


def test_an_actor_s_header_may_name_its_format_inside(path: Path, result: FitResult) -> None:
    """As actors of earlier versions do."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["header"])
    for inside, reads in ((ACTOR_FILE_FORMAT, True), ("melodylc-actor/1", False)):
        former = {"header": json.dumps({**header, "format": inside})}
        path.write_bytes(save(load(content), metadata=former))
        assert (read_header(path) is not None) == reads
    path.write_bytes(save(load(content), metadata={"header": json.dumps({**header, "format": ACTOR_FILE_FORMAT})}))
    assert torch.equal(load_actor(path).actor.enter.weight, result.actor.enter.weight)


def test_an_interrupted_fit_says_so(path: Path, result: FitResult) -> None:
    save_actor(path, replace(result, interrupted=True), model="", prior="", rule="", parts=PARTS)
    assert load_actor(path).header.settings["interrupted"] is True
