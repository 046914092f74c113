"""Loaders of pictures: what official files hold comes out, and every broken one is one clear line."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from melodylc.data.errors import InputError
from melodylc.data.pictures.attributes import ATTRIBUTES, parse_label, parse_wanted
from melodylc.data.pictures.base import SPLITS, Bytes, Pictures, PicturesError
from melodylc.data.pictures.celeba import crop, load_celeba
from melodylc.data.pictures.cifar10 import RECORD, load_cifar10
from melodylc.data.pictures.faces import draw_face, draw_faces
from melodylc.data.pictures.loading import DATASETS, dataset
from melodylc.data.pictures.mnist import load_fashion_mnist, load_mnist, parse_idx

REAL = os.environ.get("MELODYLC_PICTURES")  # a folder with mnist/, cifar-10-batches-bin/ and celeba/


def idx(array: Bytes) -> bytes:
    """An idx file of bytes."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.tobytes()


def write_mnist(folder: Path, digits: int = 20, zipped: bool = True) -> Bytes:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (digits, 28, 28), np.uint8)
    for stem in ("train", "t10k"):
        for name, array in (("images-idx3", pixels), ("labels-idx1", (np.arange(digits) % 10).astype(np.uint8))):
            content = idx(array)
            path = folder / f"{stem}-{name}-ubyte{'.gz' * zipped}"
            path.write_bytes(gzip.compress(content) if zipped else content)
    return pixels


def write_cifar10(folder: Path, batches: tuple[int, ...] = (1, 3), records: int = 20) -> None:
    rng = np.random.default_rng(0)
    names = [f"data_batch_{number}.bin" for number in batches] + ["test_batch.bin"]
    for name in names:
        rows = rng.integers(0, 256, (records, RECORD), np.uint8)
        rows[:, 0] = np.arange(records) % 10
        (folder / name).write_bytes(rows.tobytes())


def write_celeba(folder: Path, faces: int = 6, size: tuple[int, int] = (64, 64)) -> None:
    drawn = draw_faces(faces)
    (folder / "img_align_celeba").mkdir()
    head = ["5_o_Clock_Shadow", *ATTRIBUTES]
    rows, parts = [], []
    for at in range(faces):
        name = f"{at + 1:06d}.png"
        picture = Image.fromarray(drawn.pixels[at].transpose(1, 2, 0))
        picture.resize(size).save(folder / "img_align_celeba" / name)
        rows.append(f"{name} -1 " + "  ".join("1" if value else "-1" for value in drawn.labels[at]))
        parts.append(f"{name} {at % 3}")
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(faces), " ".join(head), *rows]) + "\n")
    (folder / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")


# -- what is there comes out -------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_comes_out_as_it_went_in(tmp_path: Path, zipped: bool) -> None:
    pixels = write_mnist(tmp_path, zipped=zipped)
    train, valid, test = (load_mnist(tmp_path, split) for split in SPLITS)
    assert np.array_equal(np.concatenate([train.pixels, valid.pixels])[:, 0], pixels)
    assert len(valid) == 2
    assert test.labels.argmax(1).tolist() == [at % 10 for at in range(20)]
    assert test.shape == (1, 28, 28)


def test_fashion_mnist_is_the_same_files_with_clothes(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    clothes, digits = load_fashion_mnist(tmp_path, "test"), load_mnist(tmp_path, "test")
    assert np.array_equal(clothes.pixels, digits.pixels)
    assert (clothes.dataset, clothes.names[9], clothes.exclusive) == ("fashion_mnist", "Ankle_boot", True)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(PicturesError, match="missing; put Fashion-MNIST's four idx files"):
        load_fashion_mnist(tmp_path, "test")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 2**32))
def test_idx_is_the_inverse_of_its_writer(shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    assert np.array_equal(parse_idx(idx(array), array.ndim, Path("x")), array)


def test_cifar10_reads_the_batches_that_are_there_and_names_them(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    train, valid = load_cifar10(tmp_path, "train"), load_cifar10(tmp_path, "valid")
    assert train.parts == ("data_batch_1.bin", "data_batch_3.bin")
    assert (len(train), len(valid)) == (36, 4)
    raw = np.fromfile(tmp_path / "test_batch.bin", np.uint8).reshape(-1, RECORD)
    test = load_cifar10(tmp_path, "test")
    assert test.names[int(test.labels[3].argmax())] == "cat"
    # Record 2, green, row 5, column 7: after the class byte and the red plane.
    assert test.pixels[2, 1, 5, 7] == raw[2, 1 + 1024 + 5 * 32 + 7]


def test_celeba_small_faces_are_taken_as_they_are(tmp_path: Path) -> None:
    write_celeba(tmp_path)
    drawn, heard = draw_faces(6), []
    test = load_celeba(tmp_path, "test", report=lambda done, total: heard.append((done, total)))
    assert np.array_equal(test.pixels, drawn.pixels[[2, 5]])
    assert np.array_equal(test.labels, drawn.labels[[2, 5]])
    assert heard[-1] == (2, 2)
    assert len(load_celeba(tmp_path, "train", most=1)) == 1


def test_aligned_faces_are_cropped_and_reduced_as_pillow_would() -> None:
    face = np.random.default_rng(0).integers(0, 256, (218, 178, 3), np.uint8)
    expected = Image.fromarray(face).crop((25, 45, 153, 173)).reduce(2)
    found = crop(face, Path("x"))
    assert found.shape == (64, 64, 3)
    assert np.abs(found.astype(int) - np.asarray(expected).astype(int)).max() <= 1  # halves are rounded otherwise


def test_an_aligned_celeba_is_loaded(tmp_path: Path) -> None:
    write_celeba(tmp_path, size=(178, 218))
    assert load_celeba(tmp_path, "valid").pixels.shape == (2, 3, 64, 64)


def write_kaggle(folder: Path) -> None:
    """CelebA as Kaggle packs it: lists with commas and a head, faces one folder deeper."""
    write_celeba(folder)
    attributes, partition = folder / "list_attr_celeba.txt", folder / "list_eval_partition.txt"
    _, head, *rows = attributes.read_text().splitlines()
    csv = [",".join(["image_id", *head.split()]), *(",".join(row.split()) for row in rows)]
    attributes.with_suffix(".csv").write_text("\n".join(csv) + "\n")
    parts = ["image_id,partition", *(",".join(row.split()) for row in partition.read_text().splitlines())]
    partition.with_suffix(".csv").write_text("\n".join(parts) + "\n")
    attributes.unlink()
    partition.unlink()
    (folder / "img_align_celeba").rename(folder / "faces")
    (folder / "img_align_celeba").mkdir()
    (folder / "faces").rename(folder / "img_align_celeba" / "img_align_celeba")


def test_kaggles_celeba_is_the_same(tmp_path: Path) -> None:
    for name, write in (("official", write_celeba), ("kaggle", write_kaggle)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    for split in SPLITS:
        assert (
            load_celeba(tmp_path / "kaggle", split).fingerprint == load_celeba(tmp_path / "official", split).fingerprint
        )


def test_a_damaged_row_of_kaggles_list_is_refused(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    path = tmp_path / "list_attr_celeba.csv"
    path.write_text(path.read_text().replace("000002.png,-1", "000002.png,2"))
    with pytest.raises(PicturesError, match=r"the row of 000002\.png isn't 11 values of 1 or -1"):
        load_celeba(tmp_path, "train")


@pytest.mark.skipif(REAL is None, reason="MELODYLC_PICTURES names no folder with the real data sets")
@pytest.mark.parametrize(
    ("name", "where", "count"),
    [
        ("mnist", "mnist", 10_000),
        ("fashion_mnist", "fashion_mnist", 10_000),
        ("cifar10", "", 10_000),
        ("celeba", "celeba", 1977),
    ],
)
def test_real_data_sets_are_read(name: str, where: str, count: int) -> None:
    found = dataset(name).load(Path(str(REAL)) / where, "test", lambda *_: None)
    assert len(found) == count
    assert (found.labels.sum(1) == 1).all() or not found.exclusive


# -- drawn faces -------------------------------------------------------------------------------


def test_splits_of_drawn_faces_differ_and_the_same_seed_draws_the_same() -> None:
    one, other = draw_faces(3, "train", seed=1), draw_faces(3, "test", seed=1)
    assert one.fingerprint == draw_faces(3, "train", seed=1).fingerprint
    assert one.fingerprint != other.fingerprint
    assert one.names == ATTRIBUTES


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_can_be_seen(name: str) -> None:
    # On a face where nothing hides it; the same random stream, so that nothing else differs.
    base = dict.fromkeys(ATTRIBUTES, 0) | {"No_Beard": 1, "Young": 1}
    faces = [
        draw_face(np.array([(base | {name: value})[at] for at in ATTRIBUTES], np.uint8), np.random.default_rng(4))
        for value in (0, 1)
    ]
    changed = np.abs(faces[0].astype(int) - faces[1]).max(axis=0) > 30
    assert 20 < changed.sum() < 2500


# -- what somebody types -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_can_be_typed_both_ways(name: str) -> None:
    assert ATTRIBUTES[parse_label(name, ATTRIBUTES)[0]] == name
    assert parse_label(f"no-{name.lower().replace('_', '-')}", ATTRIBUTES) == (ATTRIBUTES.index(name), False)


def test_an_unknown_attribute_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown attribute 'smilling'; nearest: smiling"):
        parse_label("smilling", ATTRIBUTES)


def test_contradicting_attributes_are_refused() -> None:
    with pytest.raises(InputError, match="No_Beard can't be both there and absent"):
        parse_wanted(["beard", "no-beard"], ATTRIBUTES)


# -- what is broken ----------------------------------------------------------------------------


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


MNIST_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda f: (f / "train-labels-idx1-ubyte.gz").unlink(), "is missing; put MNIST's four idx files"),
    "truncated gz": (lambda f: cut(f / "train-images-idx3-ubyte.gz", 100), "truncated or not a gzip file"),
    "no gz": (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(b"<html>"), "truncated or not a gzip file"),
    "foreign": (
        lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"hello, world, hello")),
        "not an idx file of bytes in 3 dimensions",
    ),
    "too few values": (
        lambda f: (f / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(9, np.uint8))[:-1])),
        "8 values where its header says",
    ),
    "labels that don't match": (
        lambda f: (f / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(9, np.uint8)))),
        "20 pictures of train, but 9 labels",
    ),
    "a digit beyond nine": (
        lambda f: (f / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.full(20, 11, np.uint8)))),
        "label 11 isn't in 0..9",
    ),
}
CIFAR10_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda f: cut(f / "data_batch_3.bin", 7), "aren't whole records of 3073"),
    "empty": (lambda f: (f / "data_batch_1.bin").write_bytes(b""), "aren't whole records of 3073"),
    "none": (
        lambda f: [path.rename(f / f"not-{path.name}") for path in f.glob("data*")],
        r"has no data_batch_1.bin ... data_batch_5.bin",
    ),
    "another class": (lambda f: (f / "data_batch_1.bin").write_bytes(bytes([200]) * RECORD), "label 200 isn't in 0..9"),
}
CELEBA_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no pictures": (lambda f: (f / "img_align_celeba").rename(f / "x"), "is no folder; put CelebA's img_align_celeba/"),
    "no attributes": (lambda f: (f / "list_attr_celeba.txt").unlink(), "list_attr_celeba.txt' is missing; put CelebA"),
    "no partition": (lambda f: (f / "list_eval_partition.txt").unlink(), "list_eval_partition.txt' is missing"),
    "a listed picture missing": (
        lambda f: (f / "img_align_celeba" / "000001.png").unlink(),
        "1 listed pictures are missing, 000001.png first",
    ),
    "a picture that doesn't decode": (
        lambda f: (f / "img_align_celeba" / "000001.png").write_bytes(b"not a picture"),
        "000001.png: doesn't decode",
    ),
    "a truncated picture": (lambda f: cut(f / "img_align_celeba" / "000001.png", 900), "000001.png: doesn't decode"),
    "another size": (
        lambda f: Image.new("RGB", (100, 90)).save(f / "img_align_celeba" / "000001.png"),
        "100 x 90; CelebA's aligned faces are 178 x 218",
    ),
    "fewer rows than it says": (lambda f: edit(f / "list_attr_celeba.txt", "6\n", "7\n"), "6 rows, but its first line"),
    "an attribute missing": (
        lambda f: edit(f / "list_attr_celeba.txt", "Smiling", "Frowning"),
        "doesn't name Smiling",
    ),
    "a row too short": (
        lambda f: edit(f / "list_attr_celeba.txt", "000001.png -1", "000001.png"),
        "the row of 000001.png isn't 11 values",
    ),
    "a row of other numbers": (lambda f: edit(f / "list_attr_celeba.txt", " 1", " 2"), "isn't 11 values of 1 or -1"),
    "a split that is none": (lambda f: edit(f / "list_eval_partition.txt", " 2", " 3"), "isn't a file and 0, 1 or 2"),
    "lists of different files": (
        lambda f: edit(f / "list_eval_partition.txt", "000002", "900002"),
        "is in only one of list_attr_celeba.txt and list_eval_partition.txt",
    ),
    "no text": (lambda f: (f / "list_attr_celeba.txt").write_bytes(b"\xff\xfe\x00"), "not a text"),
}
WRITERS: dict[str, Callable[[Path], object]] = {
    "mnist": write_mnist,
    "cifar10": write_cifar10,
    "celeba": write_celeba,
}
DAMAGE = [
    pytest.param(name, *case, id=f"{name}: {what}")
    for name, cases in (("mnist", MNIST_DAMAGE), ("cifar10", CIFAR10_DAMAGE), ("celeba", CELEBA_DAMAGE))
    for what, case in cases.items()
]


@pytest.mark.parametrize(("name", "damage", "line"), DAMAGE)
def test_broken_data_is_refused_in_one_line(
    tmp_path: Path, name: str, damage: Callable[[Path], object], line: str
) -> None:
    WRITERS[name](tmp_path)
    dataset(name).load(tmp_path, "train", lambda *_: None)
    damage(tmp_path)
    with pytest.raises(PicturesError, match=line) as caught:
        dataset(name).load(tmp_path, "train", lambda *_: None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, data in DATASETS.items() if not data.drawn])
def test_a_wrong_folder_is_refused_with_what_to_get(tmp_path: Path, name: str) -> None:
    with pytest.raises(PicturesError, match=r"is no folder; put .*http"):
        dataset(name).load(tmp_path / "nowhere", "train", lambda *_: None)
    with pytest.raises(InputError, match="--data FOLDER"):
        dataset(name).load(None, "train", lambda *_: None)


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(
        InputError, match="unknown data set 'mnits': choose from mnist, fashion_mnist, cifar10, celeba, faces"
    ):
        dataset("mnits")


def test_labels_that_do_not_match_their_pictures_are_refused() -> None:
    with pytest.raises(PicturesError, match="2 pictures, but labels of shape"):
        Pictures("mnist", "train", np.zeros((2, 1, 4, 4), np.uint8), np.zeros((3, 2), np.uint8), ("a", "b"), True)
    with pytest.raises(PicturesError, match="no train pictures"):
        Pictures("mnist", "train", np.zeros((0, 1, 4, 4), np.uint8), np.zeros((0, 2), np.uint8), ("a", "b"), True)
