"""A corpus in shards: whatever the split, merged it is that of one build, byte for byte."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Run
from corpus_midi import midi, small_collection, tune, write_folder
from test_corpus_archives import plain_tar

from melodylc.data import extract
from melodylc.data.archives import Share, read_music_files
from melodylc.data.build import build, build_shard, merge_shards
from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError

RunCli = Callable[..., Run]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder, an archive, and a folder with what both of them have."""
    folder = tmp_path_factory.mktemp("source")
    small_collection(folder / "tunes", 30)
    files = {f"{number}.mid": midi(tune(number + 100, 18)) for number in range(12)}
    (folder / "more.tar").write_bytes(plain_tar(files))
    write_folder(folder / "again", {"copy.mid": midi(tune(103, 18)), "other.mid": midi(tune(200))})
    return [folder / "tunes", folder / "more.tar", folder / "again"]


@pytest.fixture(scope="module")
def whole(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build(sources, tmp_path_factory.mktemp("whole") / "corpus", heldout=0.3, workers=1)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "CHUNK_FILES", 4)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def shards_of(sources: list[Path], folder: Path, of: int) -> list[Path]:
    """All shards, read in this process."""
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(1) as executor:
        return [
            build_shard(sources, folder / str(number), Share(number, of), heldout=0.3, executor=executor).folder
            for number in range(1, of + 1)
        ]


@pytest.mark.parametrize("of", [1, 3, 16])
def test_merged_shards_are_the_corpus_of_one_build(sources: list[Path], whole: Corpus, tmp_path: Path, of: int) -> None:
    shards = shards_of(sources, tmp_path / "shards", of)
    merged = merge_shards(shards[::-1], tmp_path / "corpus")
    assert merged.fingerprint == whole.fingerprint
    assert merged.manifest["counts"]["duplicates"] > 0
    assert contents(merged.folder) == contents(whole.folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "shards"]


def test_shares_have_every_file_once(sources: list[Path]) -> None:
    everything = sorted(file[:2] for file in read_music_files(sources))
    shares = [Share(number, 5) for number in range(1, 6)]
    dealt = [[file[:2] for file in read_music_files(sources, share)] for share in shares]
    assert sorted(file for files in dealt for file in files) == everything
    assert sum(map(bool, dealt)) > 1
    assert len({share.listing for share in shares}) == 1


def test_a_shard_is_built_again_in_its_place_and_takes_up_what_was_read(sources: list[Path], tmp_path: Path) -> None:
    (shard,) = shards_of(sources, tmp_path, 1)
    before = contents(shard)
    assert shards_of(sources, tmp_path, 1) == [shard]
    assert contents(shard) == before


def test_any_executor_builds_the_same(sources: list[Path], whole: Corpus, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert contents(build(sources, tmp_path / "c", heldout=0.3, executor=executor).folder) == contents(whole.folder)


def test_shards_that_do_not_make_a_corpus_are_refused(run_cli: RunCli, sources: list[Path], tmp_path: Path) -> None:
    one, two, three = shards_of(sources, tmp_path / "a", 3)
    other, _ = shards_of(sources, tmp_path / "b", 2)
    (fewer, *_) = shards_of(sources[:1], tmp_path / "c", 3)
    strict, older, gone, torn = (tmp_path / name for name in ("strict", "older", "gone", "torn"))
    for copy, change in ((strict, {"heldout_share": 0.1}), (older, {"version": 0}), (gone, {}), (torn, {})):
        shutil.copytree(one, copy)
        manifest = json.loads((copy / "shard.json").read_text("utf-8"))
        (copy / "shard.json").write_text(json.dumps({**manifest, **change}), "utf-8")
    next(gone.glob("part-*")).unlink()
    next(torn.glob("part-*")).write_bytes(b"PK")
    for folders, expected in (
        ([one, three], "missing: shard 2/3"),
        ([one, two, three, two], "are the same shard, 2/3"),
        ([other, one], "one of 2"),
        ([fewer, two, three], "were built of other files"),
        ([strict, two, three], "another heldout share"),
        ([older, two, three], "have another version"),
        ([gone, two, three], "is missing: build the shard again"),
        ([torn, two, three], "is damaged"),
        ([tmp_path], "no shard in"),
    ):
        refused = run_cli("data", "merge", *folders, "-o", tmp_path / "corpus")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert expected in refused.err
        assert not (tmp_path / "corpus").exists()
    assert run_cli("data", "merge", one, two, three, "-o", tmp_path / "corpus").code == 0


@pytest.mark.parametrize("words", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_share_that_is_none(run_cli: RunCli, sources: list[Path], tmp_path: Path, words: str) -> None:
    refused = run_cli("data", "build", sources[0], f"--shard={words}", "-o", tmp_path / "out")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "is no share" in refused.err
    with pytest.raises(InputError):
        Share(0, 1)


def test_the_command_line_says_which_shard_it_wrote(run_cli: RunCli, sources: list[Path], tmp_path: Path) -> None:
    done = run_cli("data", "build", sources[2], "--shard", "1/1", "--workers", 1, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "wrote shard 1/1 of 2 files" in done.out
