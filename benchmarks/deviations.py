"""The paper's supplementary curve: the encoder's deviation in each latent dimension, sorted, for VAEs of pictures.

    melodylc image train --dataset mnist --data mnist -o runs/d0.1 --part vae --deviation 0.1
    python benchmarks/deviations.py runs/d0.1 runs/d0.2 runs/d0.4

A row a run: output deviation, what came back of validation pictures, and sigma_bar from the sharpest dimension on.
"""

import argparse
from pathlib import Path

from melodylc.cli.ui import table
from melodylc.image.store import load_vae
from melodylc.image.training import vae_path

AT = (0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 128, 256, 512)  #: places in the sorted deviations


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of `melodylc image train`")
    models = [load_vae(vae_path(run)) for run in parser.parse_args().runs]
    places = [at for at in AT if at < min(len(model.sigma_bar) for model in models)]
    rows = []
    for model in models:
        found, sharpest = model.provenance["validation"], model.sigma_bar.sort().values.tolist()
        told = [f"{model.vae.config.deviation:g}", f"{found['mse']:.4f}", f"{found.get('kl', 0):.1f}"]
        rows.append([*told, *(f"{sharpest[at]:.3f}" for at in places)])
    table(["deviation", "squared error", "KL", *(f"{at + 1}." for at in places)], rows)


if __name__ == "__main__":
    main()
