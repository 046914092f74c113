"""Make the bank that ships: samples of the shipped model's prior, and what they become.

python tools/bank.py [OUTPUT]
"""

import sys
from pathlib import Path

from melodylc.cache import pretrained
from melodylc.constraints.bank import SIZE, make_bank, save_bank
from melodylc.models.checkpoint import shipped_model


def main() -> None:
    """Write it beside the model, or where the argument says."""
    model = shipped_model()
    prior = model.prior()
    output = Path(sys.argv[1]) if sys.argv[1:] else pretrained() / f"bank-{prior.name}.safetensors"
    bank = make_bank(model, prior, SIZE, lambda done, of: print(f"\r{done} of {of}", end="", file=sys.stderr))
    save_bank(output, bank, model, prior)
    print(f"\nwrote {output}", file=sys.stderr)


if __name__ == "__main__":
    main()
