"""`melodylc.image.generate` and its kin: the same orders as the command line's, as functions."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from melodylc.image.edit import EditRequest, PictureEdit, edit_pictures
from melodylc.image.generation import PictureGeneration, run_request
from melodylc.image.request import DRAWS, PictureRequest
from melodylc.image.transformation import LABELS_ENOUGH
from melodylc.rewards.isolation import SECONDS


def generate(
    labels: Sequence[str | int] | str | int = (),
    n: int = 8,
    *,
    dataset: str = "mnist",
    run: str | Path | None = None,
    seed: int | None = None,
    reward: Sequence[str] | str = (),
    actor: str | Path | None = None,
    distance: float | None = None,
    verify: bool = True,
    draws: int = DRAWS,
    seconds: float = SECONDS,
) -> PictureGeneration:
    """Pictures that have the labels that are asked, or follow a rule.

    Args:
        labels: classes (digits; each makes a row of its own), or attributes that every picture should have, such as
            "smiling" and "no-eyeglasses"; none: as the training set has them.
        n: how many pictures; of each class, where several are named.
        dataset: "mnist", "fashion_mnist", "cifar10", "celeba", "faces", or "folder" for your own.
        run: folder of `melodylc image train`; None: the model that comes with the package (MNIST).
        seed: picture k depends on it and k alone; None: a new one.
        reward: rules on the picture, `path.py:NAME`, instead of labels.
        actor: a learnt rule of `melodylc image fit`, instead of `reward`.
        distance: of the run's actors, the one that was trained with this weight; None: the data set's default.
        verify: whether pictures that the run's classifier takes for something else are made again.
        draws: pictures that are made for one at most.
        seconds: that a call of a rule may take.

    Returns:
        the pictures, as a sequence; `save("sevens.png")` writes a sheet, `save("sevens")` a folder.

    Raises:
        InputError: an unknown label, no trained model, or options that don't go together.

    >>> sevens = generate(7, n=2, seed=7)
    >>> sevens, sevens.pixels.shape, [one.verdict for one in sevens]
    (<2 pictures of mnist, seed 7>, (2, 1, 28, 28), [('7',), ('7',)])
    """
    words = [str(it) for it in ([labels] if isinstance(labels, str | int) else labels)]
    rewards = (reward,) if isinstance(reward, str) else tuple(reward)
    where, learnt = (None if it is None else Path(it) for it in (run, actor))
    request = PictureRequest.of(
        dataset,
        words,
        n,
        seed,
        run=where,
        distance=distance,
        rewards=rewards,
        actor=learnt,
        seconds=seconds,
        verify=verify,
        draws=draws,
    )
    return run_request(request, secrets.randbits(31) if seed is None else seed)


def transform(
    files: Sequence[str | Path] | str | Path,
    labels: Sequence[str | int] | str | int,
    *,
    dataset: str = "folder",
    run: str | Path | None = None,
    until: float = LABELS_ENOUGH,
    crop: int | None = None,
    distance: float | None = None,
) -> PictureEdit:
    """Somebody's own pictures with labels changed and the rest kept.

    Args:
        files: pictures, and folders of them.
        labels: what they should have: attributes such as "smiling" and "no-eyeglasses", or one class.
        dataset: what the model was trained on; "folder" for pictures of your own.
        run: folder of `melodylc image train`; None: the model that comes with the package (MNIST).
        until: D of the labels at which optimisation stops, in (0, 1).
        crop: side of the central square that is cut out, in a picture's pixels; None: as large as fits.
        distance: of the run's actors, the one that was trained with this weight; None: the data set's default.

    Returns:
        the pictures, as a sequence; `save("smiling")` writes a folder.

    Raises:
        InputError: a file that isn't a picture, an unknown label, or a run without a classifier or an actor.
    """
    words = [str(it) for it in ([labels] if isinstance(labels, str | int) else labels)]
    paths = tuple(Path(it) for it in ([files] if isinstance(files, str | Path) else files))
    order = PictureRequest.of(dataset, words, 1, 0, run=None if run is None else Path(run), distance=distance)
    return edit_pictures(EditRequest(order, paths, until, crop))
