"""How often a single melody fits a chord progression, with nothing learnt for it: the first answer, unverified.

    python benchmarks/chords.py -n 8

Twenty progressions of 4 to 16 bars, five of them with two chords in a bar or more; `--no-variety`, no scale.
"""

import click

from melodylc.data.chords import parse_progression
from melodylc.reporting import SILENT
from melodylc.sampling.methods import DEFAULT_METHOD
from melodylc.service.api import generate

PROGRESSIONS = {
    "pop": "C | G | Am | F",
    "fifties": "G | Em | C | D",
    "minor pop": "Am | F | C | G",
    "andalusian": "Am | G | F | E7",
    "pachelbel": "D | A | Bm | F#m | G | D | G | A",
    "two five one": "Dm7 | G7 | Cmaj7 | %",
    "minor two five one": "Bø7 | E7b9 | Am7 | %",
    "blues": "C7 | F7 | C7 | % | F7 | % | C7 | % | G7 | F7 | C7 | G7",
    "minor blues": "Cm7 | % | % | % | Fm7 | % | Cm7 | % | Ab7 | G7 | Cm7 | %",
    "rhythm changes": "Bb G7 | Cm7 F7 | Dm7 G7 | Cm7 F7 | Bb Bb7 | Eb Ebm | Bb F7 | Bb",
    "turnaround": "Cmaj7 Am7 | Dm7 G7 | Em7 A7 | Dm7 G7",
    "autumn": "Am7 | D7 | Gmaj7 | Cmaj7 | F#ø | B7 | Em | %",
    "giant steps": "B D7 | G Bb7 | Eb | Am7 D7 | G Bb7 | Eb F#7 | B | Fm7 Bb7",
    "modal": "Dm7 | % | Em7 | %",
    "slash": "C | G/B | Am | Am7/G | F | C/E | Dm7 | Gsus4 G",
    "suspended": "Dsus4 | D | Asus2 | A",
    "diminished": "C | C#dim7 | Dm7 | D#dim7 | C/E | F | G7 | C",
    "beats": "C . . G | Am . F G | C . . G | F . G C",
    "distant": "C | Ab | F | Db",
    "long": "Em | C | G | D | Em | C | G | B7 | Am | Em | C | G | Am | B7 | Em | %",
}


@click.command()
@click.option("-n", "--count", default=8, show_default=True, help="Melodies of each progression.")
@click.option("--seed", default=0, show_default=True)
@click.option("--method", default=DEFAULT_METHOD, show_default=True)
@click.option("--only", type=click.Choice(list(PROGRESSIONS)), help="One progression alone.")
def main(count: int, seed: int, method: str, only: str | None) -> None:
    """Print a Markdown table: a row a progression, and the share of all."""
    click.echo("| progression | bars | fit | mean reward |\n|---|---|---|---|")
    passed = total = 0
    for name in [only] if only else PROGRESSIONS:
        asked = PROGRESSIONS[name]
        done = generate(
            chords=asked, n=count, seed=seed, method=method, variety=False, verify=False, draws=1, reporter=SILENT
        )
        fit = sum(one.passed for one in done)
        mean = sum(one.rewards[0] for one in done) / count
        click.echo(f"| {name} | {len(parse_progression(asked).bars)} | {fit} of {count} | {mean:.3f} |")
        passed, total = passed + fit, total + count
    click.echo(f"\n{passed} of {total} fit: {passed / total:.3f}")


if __name__ == "__main__":
    main()
