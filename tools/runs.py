"""Write the runs of four bars of a corpus's training melodies, by which `melodylc generate` refuses copies.

python tools/runs.py CORPUS [OUTPUT]

What OUTPUT holds of other corpora stays: several models may ship.
"""

import sys
from pathlib import Path

from melodylc.cache import pretrained
from melodylc.data.corpus import Corpus
from melodylc.sampling.memorisation import (
    FILE,
    join_filters,
    load_memorisation_filter,
    make_memorisation_filter,
    save_memorisation_filter,
)


def main() -> None:
    """Write them beside the model, or where the second argument says."""
    guard = make_memorisation_filter(Corpus.open(Path(sys.argv[1])))
    output = Path(sys.argv[2]) if sys.argv[2:] else pretrained() / FILE
    if output.exists():
        guard = join_filters(load_memorisation_filter(output), guard)
    save_memorisation_filter(output, guard)
    print(f"wrote {len(guard.runs.keys):,} runs to {output}, {output.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
