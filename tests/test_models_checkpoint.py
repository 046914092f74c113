"""Model files: what is saved comes back, and every kind of damage is told in one line."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import fingerprint_file
from melodylc.latent.tensor_files import read_tensors, write_tensors
from melodylc.models.checkpoint import FORMAT, load_model, save_model
from melodylc.models.config import named_config
from melodylc.models.vae import MelodyVAE

TINY = named_config("tiny")
PROVENANCE: dict[str, Any] = {"corpus": "0123456789abcdef", "commit": "abc", "minutes": [1.5, 2.0], "name": "é"}


def model(seed: int = 0) -> MelodyVAE:
    torch.manual_seed(seed)
    return MelodyVAE(TINY)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, model(), torch.linspace(0.2, 0.9, TINY.z), PROVENANCE)
    return path


def parts(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    return read_tensors(path, FORMAT)


# -- there and back ----------------------------------------------------------------------------


def test_a_model_comes_back_in_half_precision(saved: Path) -> None:
    loaded, original = load_model(saved), model()
    assert loaded.vae.config == TINY
    for name, tensor in original.state_dict().items():
        assert loaded.vae.state_dict()[name].equal(tensor.half().float())
    assert loaded.sigma_bar.equal(torch.linspace(0.2, 0.9, TINY.z))
    assert loaded.provenance == PROVENANCE
    assert loaded.fingerprint == fingerprint_file(saved)
    assert saved.stat().st_size < 2.2 * sum(p.numel() for p in original.parameters()) + 10_000


def test_a_loaded_model_is_ready_to_decode(saved: Path) -> None:
    loaded, original = load_model(saved).vae, model().half().float()
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    z, events = torch.randn(3, TINY.z), torch.randint(0, 130, (3, 256))
    assert (loaded.decode(z) == original.decode(z)).all()
    torch.testing.assert_close(loaded.encode(events).mean, original.encode(events).mean)
    torch.testing.assert_close(loaded.logits(z, events), original.logits(z, events))


def test_the_same_model_makes_the_same_file(saved: Path, tmp_path: Path) -> None:
    loaded = load_model(saved)
    save_model(tmp_path / "again", loaded.vae, loaded.sigma_bar, loaded.provenance)
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()
    assert load_model(tmp_path / "again").fingerprint == loaded.fingerprint


def test_a_file_may_be_replaced_while_its_tensors_are_in_use(saved: Path) -> None:
    tensors, _ = parts(saved)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    saved.write_bytes(b"\xff" * saved.stat().st_size)
    assert all(tensor.equal(before[name]) for name, tensor in tensors.items())


# -- damage ------------------------------------------------------------------------------------


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip_the_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    path.write_bytes(content)


def rewrite(change: Callable[[dict[str, torch.Tensor], dict[str, Any]], object]) -> Callable[[Path], None]:
    """A file of ours, written whole, that says something wrong."""

    def damage(path: Path) -> None:
        tensors, header = parts(path)
        change(tensors, header)
        write_tensors(path, tensors, FORMAT, header)

    return damage


def of_format(format: str) -> Callable[[Path], None]:
    return lambda path: write_tensors(path, *parts(path)[:1], format, parts(path)[1])


def with_header(text: str | None) -> Callable[[Path], None]:
    metadata = {"format": FORMAT} | ({} if text is None else {"header": text})
    return lambda path: save_file(load_file(path), path, metadata=metadata)


def not_numbers(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["song.decoder.head.bias"][3] = torch.nan


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "damaged or not a safetensors file"),
    "a folder": (make_a_folder, "damaged or not a safetensors file"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged or not a safetensors file"),
    "half": (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged or not a safetensors file"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "damaged or not a safetensors file"),
    "a flipped bit": (flip_the_header, "damaged or not a safetensors file"),
    "text": (lambda path: path.write_text("MThd, not weights " * 50), "damaged or not a safetensors file"),
    "a pickle": (lambda path: torch.save({"a": torch.zeros(3)}, path), "damaged or not a safetensors file"),
    "billions": (lambda path: path.write_bytes(b"\xff" * 7 + b"\x0f{}"), "damaged or not a safetensors file"),
    "somebody else's": (lambda path: save_file({"a": torch.zeros(3)}, path), "no melodylc header"),
    "of another kind": (of_format("melodylc-actor/1"), r"not a melodylc-vae/1 file \(melodylc-actor/1\)"),
    "of a later version": (of_format("melodylc-vae/2"), r"not a melodylc-vae/1 file \(melodylc-vae/2\)"),
    "no header": (with_header(None), "damaged or not a safetensors file"),
    "a header that isn't JSON": (with_header("{"), "damaged or not a safetensors file"),
    "a header that isn't a table": (with_header("[1]"), "damaged or not a safetensors file"),
    "no configuration": (rewrite(lambda _, header: header.pop("config")), "don't fit each other"),
    "no provenance": (rewrite(lambda _, header: header.pop("provenance")), "don't fit each other"),
    "an unknown field": (rewrite(lambda _, header: header["config"].update(depth=3)), "missing fields: depth"),
    "another z": (rewrite(lambda _, header: header["config"].update(z=17)), "don't fit each other"),
    "a z in words": (rewrite(lambda _, header: header["config"].update(z="many")), "don't fit each other"),
    "a z below 0": (rewrite(lambda _, header: header["config"].update(z=-1)), "don't fit each other"),
    "a list": (rewrite(lambda _, header: header.update(config=[1, 2])), "don't fit each other"),
    "another encoder": (rewrite(lambda _, header: header["config"].update(encoder="flat")), "don't fit each other"),
    "a weight too few": (rewrite(lambda tensors, _: tensors.pop("song.decoder.head.bias")), "don't fit each other"),
    "a weight too many": (rewrite(lambda t, _: t.update(extra=torch.zeros(1))), "don't fit each other"),
    "no sigma_bar": (rewrite(lambda tensors, _: tensors.pop("statistics.sigma_bar")), "lacks the encoder's mean"),
    "a short sigma_bar": (rewrite(lambda t, _: t.update({"statistics.sigma_bar": torch.ones(3)})), "lacks the enc"),
    "not a number": (rewrite(not_numbers), "some of its weights aren't numbers"),
}


@pytest.mark.parametrize(("damage", "line"), DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_is_no_model_is_refused_in_one_line(
    saved: Path, damage: Callable[[Path], object], line: str
) -> None:
    damage(saved)
    with pytest.raises(CheckpointError, match=line) as caught:
        load_model(saved)
    assert str(caught.value).startswith(str(saved))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_header_of_ours_is_read_for_the_format_that_is_asked(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"x": torch.arange(3)}, "melodylc-thing/1", {"size": 3})
    tensors, header = read_tensors(tmp_path / "a", "melodylc-thing/1")
    assert (tensors["x"].tolist(), header) == ([0, 1, 2], {"size": 3})
    with pytest.raises(CheckpointError, match="not a melodylc-vae/1 file"):
        load_model(tmp_path / "a")


def test_a_full_disk_leaves_the_former_model(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        save_model(saved, model(seed=1), torch.ones(TINY.z), {})
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_configurations_that_nobody_named_can_be_saved(tmp_path: Path) -> None:
    config = replace(TINY, name="mine", z=5, encoder="flat")
    save_model(tmp_path / "a", MelodyVAE(config), torch.ones(5), {})
    assert load_model(tmp_path / "a").vae.config == config
    assert json.dumps(config.to_dict())
