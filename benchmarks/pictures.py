"""What a picture chain comes to over several seeds, as mean and standard deviation, by each run's own classifier.

    melodylc image train --dataset mnist --data mnist -o runs/mnist-0 --seed 0
    melodylc image train --dataset mnist --data mnist -o runs/mnist-0 --seed 0 --part actor --distance 0
    python benchmarks/pictures.py mnist mnist runs/mnist-0 runs/mnist-1 runs/mnist-2

The same figures as `melodylc image evaluate`, with one more column: z_MSE with a penalty over that without.
"""

import argparse
import statistics
from pathlib import Path

from melodylc.cli.pictures import load_pictures
from melodylc.cli.ui import table
from melodylc.data.pictures.base import Pictures
from melodylc.data.pictures.loading import dataset
from melodylc.image.evaluation import PictureFigures, evaluate_generated, evaluate_pictures, reconstruct_pictures
from melodylc.image.pipeline import load_pipelines
from melodylc.image.store import load_classifier
from melodylc.image.training import classifier_path

Figures = dict[str, dict[str, float]]  #: of rows, by column
COLUMNS = ("accuracy", "F1", "F1 over test", "z_MSE", "over without", "MS-SSIM", "over real", "most of a label")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("data", help="folder of the data set; anything for drawn faces")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of `melodylc image train`, a seed each")
    parser.add_argument("-n", "--count", type=int, default=5000, help="pictures to generate with each actor")
    given = parser.parse_args()
    pictures = load_pictures(dataset(given.dataset, given.runs[0]), Path(given.data), "test")
    found = [figures(given.dataset, run, pictures, given.count) for run in given.runs]
    shared = [name for name in found[0] if all(name in one for one in found)]  # actors that all runs have
    rows = [[name, *(told([one[name].get(column) for one in found]) for column in COLUMNS)] for name in shared]
    table([f"{len(found)} runs", *COLUMNS], rows)


def figures(data: str, run: Path, pictures: Pictures, count: int) -> Figures:
    """Of test data, of what the VAE gives back of it, and of each actor of a run."""
    classifier = load_classifier(classifier_path(run), data).classifier
    chains = load_pipelines(data, run)
    model = next(iter(chains.values())).model
    test = evaluate_pictures(classifier, pictures)
    found = {
        "test data": columns(test, test),
        "given back": columns(evaluate_pictures(classifier, reconstruct_pictures(model, pictures)), test),
    }
    judged = {of: evaluate_generated(classifier, chain, count, 0) for of, chain in chains.items()}
    free = {game: one.z_mse for (game, far), one in judged.items() if not far}
    return found | {
        f"{game}, distance {far:g}": columns(one, test, free.get(game)) for (game, far), one in judged.items()
    }


def columns(one: PictureFigures, test: PictureFigures, free: float | None = None) -> dict[str, float]:
    """A row: what is said of pictures, and that over what is said of test data, or of the actor without a penalty."""
    over = one.ms_ssim / test.ms_ssim
    row = {
        "accuracy": one.scores.accuracy,
        "F1": one.scores.f1,
        "F1 over test": one.scores.f1 / test.scores.f1,
        "MS-SSIM": one.mean_ms_ssim,
        "over real": one.mean_ms_ssim / test.mean_ms_ssim,
        "most of a label": float(over[~over.isnan()].max()),
    }
    if one.z_mse is not None:
        row["z_MSE"] = one.z_mse
        if free:
            row["over without"] = one.z_mse / free
    return row


def told(values: list[float | None]) -> str:
    """Mean and standard deviation."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    spread = f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.3f}{spread}"


if __name__ == "__main__":
    main()
