"""Somebody's own pictures: files of all kinds, folders of classes, CSVs of labels; what can't be read, in one line."""

import io
import runpy
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image

from melodylc.data.pictures.base import SPLITS, PicturesError
from melodylc.data.pictures.celeba import read_face
from melodylc.data.pictures.decode import open_picture, read_pixels
from melodylc.data.pictures.faces import draw_faces
from melodylc.data.pictures.folder import OwnFormat, list_folder, load_own, own_format
from melodylc.image.datasets import dataset_of
from melodylc.image.pipeline import load_pipeline

RunCli = Callable[..., Run]
QUARTERS = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((16, 16), np.uint8))  # (32, 32), each differs
COLOURS = np.stack([QUARTERS, QUARTERS[::-1], QUARTERS.T], axis=-1)


# -- one file ----------------------------------------------------------------------------------


def test_pictures_come_upright_whatever_their_exif_says(tmp_path: Path) -> None:
    upright = Image.fromarray(COLOURS)
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for orientation, how in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright.transpose(how).save(tmp_path / "a.png", exif=exif)
        assert np.array_equal(np.asarray(open_picture(tmp_path / "a.png")), COLOURS)


def test_grey_of_16_bits_keeps_its_brightness(tmp_path: Path) -> None:
    deep = QUARTERS.astype(np.uint16) * 257
    for name in ("a.png", "a.tif"):
        Image.fromarray(deep).save(tmp_path / name)
        assert np.array_equal(read_pixels(tmp_path / name, 32, 1)[0], QUARTERS)
    Image.fromarray(np.kron(deep, np.ones((2, 2), np.uint16))).save(tmp_path / "face.png")
    assert read_face(tmp_path / "face.png").mean() == pytest.approx(QUARTERS.mean())


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.where(QUARTERS == 0, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([COLOURS, alpha])).save(tmp_path / "a.png")
    expected = np.where(alpha[..., None] == 0, 255, COLOURS)
    assert np.array_equal(read_pixels(tmp_path / "a.png", 32, 3).transpose(1, 2, 0), expected)
    palette = Image.fromarray(QUARTERS).convert("P")
    palette.save(tmp_path / "p.png", transparency=int(np.asarray(palette)[0, 0]))
    assert np.array_equal(read_pixels(tmp_path / "p.png", 32, 1)[0], np.where(QUARTERS == 0, 255, QUARTERS))
    grey = np.dstack([QUARTERS, alpha])
    Image.fromarray(grey).save(tmp_path / "la.png")
    assert open_picture(tmp_path / "la.png").mode == "L"


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "RGB"])
def test_every_mode_becomes_colour(tmp_path: Path, mode: str) -> None:
    flat = np.full((40, 40, 3), 255, np.uint8)
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.fromarray(flat).convert(mode).save(path)
    assert read_pixels(path, 32, 3).shape == (3, 32, 32)
    assert read_pixels(path, 32, 3).min() >= 253


def test_the_central_square_is_cut_and_reduced(tmp_path: Path) -> None:
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (read_pixels(tmp_path / "wide.png", 8, 3) == 200).all()
    assert (read_pixels(tmp_path / "wide.png", 8, 3, crop=10) == 200).all()
    with pytest.raises(PicturesError, match=r"wide.png: 100 x 40 pixels, from which no square of 41 can be cut"):
        read_pixels(tmp_path / "wide.png", 8, 3, crop=41)
    Image.fromarray(wide[:4]).save(tmp_path / "thin.png")
    with pytest.raises(PicturesError, match="a side needs 8 or more"):
        read_pixels(tmp_path / "thin.png", 8, 3)


def png_head(side: int) -> bytes:
    """A PNG that says it has side x side pixels and holds none of them."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), b"IDAT")
    parts = (struct.pack(">I", len(it) - 4) + it + struct.pack(">I", zlib.crc32(it)) for it in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def encode_picture(picture: Image.Image, kind: str) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (png_head(30_000), "pixels; reduce it first"),
        (png_head(10_000), "pixels; reduce it first"),
        (b"not a picture", "not a picture, or of an unknown kind"),
        (b"", "not a picture, or of an unknown kind"),
        (encode_picture(Image.fromarray(COLOURS), "PNG")[:90], "doesn't decode"),
        (encode_picture(Image.fromarray(COLOURS), "JPEG")[:400], "doesn't decode"),
        (encode_picture(Image.fromarray(QUARTERS.astype(np.float32)), "TIFF"), "numbers of 32 bits"),
        (encode_picture(Image.fromarray(QUARTERS.astype(np.int32)), "TIFF"), "numbers of 32 bits"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    for reader in (open_picture, read_face):
        with pytest.raises(PicturesError, match=line) as refused:
            reader(path)
        assert str(refused.value).startswith(str(path))
        assert "\n" not in str(refused.value)


# -- folders -----------------------------------------------------------------------------------


def write_faces(folder: Path, count: int = 60, names: str = "file,smiling,male") -> Path:
    """Drawn faces, enlarged, with a CSV of two labels."""
    folder.mkdir(parents=True, exist_ok=True)
    faces, rows = draw_faces(count), [names]
    for at, (pixels, label) in enumerate(zip(faces.pixels, faces.labels, strict=True)):
        Image.fromarray(pixels.transpose(1, 2, 0)).resize((96, 80)).save(folder / f"{at}.png")
        rows.append(f"{at}.png,{label[7]},{label[5]}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def write_classes(folder: Path) -> Path:
    """Squares in two classes, grey."""
    for at in range(40):
        (folder / "ab"[at % 2] / "more").mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 5 * at).save(folder / "ab"[at % 2] / "more" / f"{at}.png")
    return folder


def test_a_folder_a_class(tmp_path: Path) -> None:
    listing = list_folder(write_classes(tmp_path))
    shape = own_format(listing, side=32)
    assert shape == OwnFormat(("a", "b"), True, channels=1, side=32)
    parts = {split: load_own(listing, shape, split) for split in SPLITS}
    assert [len(one) for one in parts.values()] == [32, 4, 4]
    for one in parts.values():
        assert one.shape == (1, 32, 32)
        assert (one.labels.argmax(1) == one.pixels[:, 0, 0, 0] // 5 % 2).all()
        assert one.labels.sum(axis=0).min() >= len(one) // 2 - 1  # every split has its share of each class
    assert len({int(pixel) for one in parts.values() for pixel in one.pixels[:, 0, 0, 0]}) == 40


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_of_labels(tmp_path: Path, delimiter: str) -> None:
    folder = write_faces(tmp_path)
    text = (folder / "labels.csv").read_text().replace(",0", ",-1").replace(",", delimiter)
    (folder / "labels.csv").write_text("\ufeff" + text, "utf-8")
    listing = list_folder(folder)
    shape = own_format(listing)
    assert (listing.names, listing.exclusive, shape.channels) == (("smiling", "male"), False, 3)
    truth = {f"{at}.png": label[[7, 5]].tolist() for at, label in enumerate(draw_faces(60).labels)}
    for split in SPLITS:
        files, labels = listing.of_split(split)
        assert [truth[file] for file in files] == labels.tolist()
    moved = tmp_path / "elsewhere.txt"
    (folder / "labels.csv").rename(moved)
    assert list_folder(folder, moved).files == listing.files


def test_one_column_of_words_is_a_class(tmp_path: Path) -> None:
    write_faces(tmp_path)
    rows = [f"{at}.png,{'cat' if at % 3 else 'dog'}" for at in range(60)]
    (tmp_path / "labels.csv").write_text("file,kind\n" + "\n".join(rows))
    listing = list_folder(tmp_path)
    assert (listing.names, listing.exclusive) == (("cat", "dog"), True)
    assert listing.labels.sum(axis=0).tolist() == [40, 20]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda text: text.replace("7.png,", "8.png,"), "names '8.png' once more"),
        (lambda text: text.replace("7.png,", "nowhere.png,"), "row 9 names 'nowhere.png', which isn't in"),
        (lambda text: text + "\n", None),
        (lambda text: text.replace("3.png,0", "3.png,maybe").replace("3.png,1", "3.png,maybe"), "has 'maybe'; labels"),
        (lambda text: text.replace("5.png", "5.png,1"), "has 4 columns, its head 3"),
        (lambda text: text.replace("smiling", "Male"), "the labels 'Male' and 'male' can't be told apart"),
        (lambda text: "\n".join(text.splitlines()[:15]), "14 pictures; 20 or more are needed"),
        (lambda text: "", "no head such as file,smiling,glasses"),
        (lambda text: text.replace("smiling", " "), "is no name for a label"),
        (
            lambda text: "\n".join(["file,smiling,male", *(f"{at}.png,1,{at % 2}" for at in range(30))]),
            "all pictures have the label 'smiling', so there is nothing to learn",
        ),
    ],
)
def test_a_csv_that_says_nothing_is_refused(tmp_path: Path, change: Callable[[str], str], line: str | None) -> None:
    path = write_faces(tmp_path) / "labels.csv"
    path.write_text(change(path.read_text()))
    if line is None:
        assert len(list_folder(tmp_path).files) == 60
        return
    with pytest.raises(PicturesError, match=line):
        list_folder(tmp_path)


def test_some_of_the_labels_can_be_taken(tmp_path: Path) -> None:
    folder = write_faces(tmp_path)
    every, some = list_folder(folder), list_folder(folder, attributes=["Male"])
    assert some.names == ("male",)
    truth = dict(zip(every.files, every.labels[:, 1].tolist(), strict=True))
    assert [truth[file] for file in some.files] == some.labels[:, 0].tolist()
    shape = own_format(some)
    again = list_folder(folder, shape=shape)  # a run's splits stay the same, whatever else the CSV says
    assert again.files == some.files
    assert load_own(again, shape, "test").names == ("male",)
    with pytest.raises(PicturesError, match="there is no label 'hat'; choose from smiling, male"):
        list_folder(folder, attributes=["hat"])
    with pytest.raises(PicturesError, match="has classes, and each picture needs its own"):
        list_folder(write_classes(tmp_path / "classes"), attributes=["a"])


def test_celeba_s_own_list_is_read(tmp_path: Path) -> None:
    folder = write_faces(tmp_path)
    rows = [row.split(",") for row in (folder / "labels.csv").read_text().splitlines()[1:]]
    lines = [f"{name}  {2 * int(one) - 1:2d} {2 * int(other) - 1:2d}" for name, one, other in rows]
    (tmp_path / "list.txt").write_text("\n".join(["60", "Smiling Male ", *lines]))
    found = list_folder(folder, tmp_path / "list.txt")
    assert found.names == ("Smiling", "Male")
    assert np.array_equal(found.labels, list_folder(folder).labels)


def test_folders_that_hold_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match="is no folder; put a folder of pictures for each class"):
        list_folder(tmp_path / "nowhere")
    with pytest.raises(PicturesError, match="has no picture"):
        list_folder(tmp_path)
    write_classes(tmp_path / "train")
    with pytest.raises(PicturesError, match=f"all pictures are in train|is split already: name one part.*{tmp_path}"):
        list_folder(tmp_path)
    write_classes(tmp_path / "test")
    with pytest.raises(PicturesError, match="is split already: name one part"):
        list_folder(tmp_path)
    Image.new("L", (20, 20)).save(tmp_path / "loose.png")
    with pytest.raises(PicturesError, match=r"loose.png is in no folder of a class"):
        list_folder(tmp_path)


def test_sizes_go_by_the_pictures(tmp_path: Path) -> None:
    listing = list_folder(write_classes(tmp_path))
    for side in (32, 64, 128):
        sizes = dataset_of(load_own(listing, own_format(listing, side), "test"))
        assert sizes.configs["small"].shape == (1, side, side)
        assert sizes.classifier.names == ("a", "b")
        assert side // 2 ** len(sizes.classifier.widths) == 4


# -- the whole way -----------------------------------------------------------------------------


def test_from_a_folder_to_a_sheet(tmp_path: Path, run_cli: RunCli) -> None:
    folder, run = write_faces(tmp_path / "faces"), tmp_path / "run"
    own = ["image", "train", "--dataset", "folder", "--data", folder, "-o", run, "--steps", 2]
    assert run_cli(*own, "--side", 32).code == 0
    assert run_cli(*own).code == 0  # finished; the run knows its size
    refused = run_cli(*own, "--side", 64)
    assert refused.code == 2
    assert "was begun with other --side or --crop" in refused.err
    assert OwnFormat.load(run) == OwnFormat(("smiling", "male"), False, 3, 32)
    assert load_pipeline("folder", run).model.vae.config.side == 32
    ask = ["image", "generate", "--dataset", "folder", "--run", run, "--seed", 1]
    assert run_cli(*ask, "--attr", "no-smiling", "-n", 2, "-o", tmp_path / "a.png").code == 0
    assert "unknown attribute 'glasses'" in run_cli(*ask, "--attr", "glasses", "-o", tmp_path / "b.png").err
    shown = run_cli("image", "evaluate", "--dataset", "folder", "--data", folder, "--run", run, "-n", 10)
    assert shown.code == 0, shown.err
    (folder / "labels.csv").write_text((folder / "labels.csv").read_text().replace("male", "man"))
    refused = run_cli("image", "evaluate", "--dataset", "folder", "--data", folder, "--run", run, "-n", 10)
    assert "its labels are smiling, man; the run was trained on smiling, male" in refused.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["train", "--dataset", "folder"], "say where your pictures lie: --data FOLDER"),
        (["train", "--dataset", "folder", "--data", "nowhere"], "is no folder; put"),
        (["train", "--dataset", "folder", "--data", ".", "--side", "50"], "--side is 32, 64, 128, not 50"),
        (["train", "--dataset", "faces", "--side", "32"], "faces has a size and labels of its own"),
        (["train", "--dataset", "faces", "--labels", "x.csv"], "--labels is for --dataset folder"),
        (["augment", "--dataset", "folder", "--run", "x"], "augmentation is measured on mnist and cifar10"),
        (["generate", "--dataset", "folder"], "your own pictures have the labels of a run: --run FOLDER"),
        (["generate", "--dataset", "folder", "--run", "nowhere"], "nowhere has no dataset.json"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, run_cli: RunCli, words: list[str], line: str) -> None:
    refused = run_cli("image", *words, *([] if "augment" in words else ["-o", tmp_path / "out.png"]))
    assert refused.code == 2
    assert line in refused.err
    assert refused.err.count("\n") == 1


def test_the_example_s_faces_are_such_a_folder(tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "examples" / "drawn_faces.py"))
    script["main"](tmp_path / "faces", 40)
    found = list_folder(tmp_path / "faces")
    assert found.names == ("smiling", "eyeglasses", "male")
    assert len(found.files) == 40
    assert own_format(found).channels == 3
