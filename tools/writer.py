"""Make the language model that ships for steering out of a model that `melodylc train prior` wrote.

python tools/writer.py PRIOR.safetensors TEMPERATURE [OUTPUT]

It writes for the VAE that ships, whatever VAE it was trained beside: it never sees latents.
"""

import sys
from pathlib import Path

from melodylc.cache import pretrained
from melodylc.data.errors import InputError
from melodylc.models.checkpoint import load_model, save_language, shipped_model
from melodylc.sampling.steering.writer import WRITER


def main(prior: str, temperature: str, output: str = "") -> None:
    """Write it beside the model, or to `output`."""
    model = load_model(Path(prior))
    if model.language is None:
        raise InputError(f"{prior} has no language model: train one (melodylc train prior)")
    about = dict(model.provenance.get("language") or {})
    path = Path(output) if output else pretrained() / WRITER
    save_language(
        path, model.language, {**about, "model": shipped_model().fingerprint, "temperature": float(temperature)}
    )
    print(f"wrote {path}, {path.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
