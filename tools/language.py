"""Give a model another language model: what its learnt prior draws from.

python tools/language.py LANGUAGE.safetensors MODEL.safetensors OUTPUT.safetensors

LANGUAGE is a file that `melodylc.models.checkpoint.save_language` wrote.
"""

import sys
from pathlib import Path

from melodylc.models.checkpoint import load_language, load_model, save_model


def main(language: str, model: str, output: str) -> None:
    """Write OUTPUT: MODEL with LANGUAGE in the place of its own."""
    loaded, (other, provenance) = load_model(Path(model)), load_language(Path(language))
    about = {**loaded.provenance, "language": provenance}
    save_model(Path(output), loaded.vae, loaded.sigma_bar, about, other)
    print(f"wrote {output}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
