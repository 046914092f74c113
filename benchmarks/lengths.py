"""Melodies of every length with common requests: whether they follow, whether files end with their last bar, how loops
close.

    python benchmarks/lengths.py [--melodies 4] [--length 2 --length 4 --length 8 --length 16]

Twelve of the 144 common requests, those of C major's notes. "loop step" is the interval from the last note to the
first, in semitones, "inner step" that between notes within a melody: medians, and the share of a fifth or less.
"""

import io
import time

import click
import mido
import numpy as np

from melodylc.constraints.common_requests import IN_C
from melodylc.constraints.request import LENGTHS, NamedReward, Request
from melodylc.data.alphabet import STEPS_PER_BAR
from melodylc.service.generation import run_order
from melodylc.service.order import Order

FIFTH = 7


@click.command()
@click.option("--melodies", default=4, show_default=True, type=click.IntRange(1))
@click.option("--length", "lengths", multiple=True, default=LENGTHS, type=int)
def main(melodies: int, lengths: tuple[int, ...]) -> None:
    """Print a Markdown table."""
    click.echo(f"{len(IN_C)} requests, {melodies} melodies each, seed 1\n")
    click.echo("| bars | asked | follow | end exact | attempts | loop step | inner step | s of processor each |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for length in lengths:
        spent, asked, follow, exact, attempts = time.process_time(), 0, 0, 0, 0
        loops: list[int] = []
        inner: list[int] = []
        for common in IN_C:
            parts = tuple(NamedReward(part.name, part, typed=False) for part in common.rule.parts[:-1])
            done = run_order(Order(Request(rewards=parts, length=length), melodies, seed=1))
            asked, follow, attempts = asked + melodies, follow + len(done.accepted), attempts + done.attempts
            exact += sum(_ends(content) == {length * 4 * 480} for content in done.rendered().files.values())
            for one in done.accepted:
                pitches = one.melody.pitches[one.melody.onsets < length * STEPS_PER_BAR]
                inner += abs(np.diff(pitches)).tolist()
                loops.append(abs(int(pitches[0]) - int(pitches[-1])))
        spent = time.process_time() - spent
        steps = " | ".join(f"{np.median(them):g}, {np.mean(np.array(them) <= FIFTH):.2f}" for them in (loops, inner))
        click.echo(
            f"| {length} | {asked} | {follow} | {exact} | {attempts / asked:.2f} | {steps} | {spent / asked:.2f} |"
        )


def _ends(content: bytes) -> set[int]:
    """Where the tracks of a MIDI file end, in ticks."""
    return {sum(message.time for message in track) for track in mido.MidiFile(file=io.BytesIO(content)).tracks}


if __name__ == "__main__":
    main()
