"""`melodylc studio`: a page in the browser, served by this machine to itself."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.options import seconds_option
from melodylc.cli.ui import say

if TYPE_CHECKING:
    from melodylc.studio.studio import Studio


@click.command()
@click.option(
    "--reward", metavar="REWARD", multiple=True, help="A rule to offer on the page: path.py:NAME,parameter=value."
)
@seconds_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("melodylc-studio"),
    show_default=True,
    help="Folder that the page writes files to, when it is told to.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option("--open/--no-open", "opened", default=True, help="Whether to open the page in a browser.  [default: yes]")
@click.option("--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped.")
def studio(
    reward: tuple[str, ...], reward_seconds: float, output: Path, port: int, opened: bool, model: Path | None
) -> None:
    """Open the studio: choose a rule, generate, listen, keep, vary, and drag melodies into your DAW.

    It is a page of this machine's own; nothing is fetched from anywhere, and nobody else can reach it. Ctrl-C ends it.

    \b
    melodylc studio
    melodylc studio --reward leaps.py:stepwise -o melodies
    """
    from melodylc.studio.port import check_installed, listen

    check_installed()
    bound = listen(port)  # before torch is imported: a mistake should cost no time
    made = _made(reward, reward_seconds, output, model)
    from melodylc.studio.serve import serve

    def ready(address: str) -> None:
        say(f"the studio is open at {address} (Ctrl-C ends it)")
        if opened:
            click.launch(address)

    serve(made, bound, ready)


def _made(named: tuple[str, ...], seconds: float, folder: Path, model: Path | None) -> "Studio":
    from melodylc.studio.rules import Rules

    rules = Rules.gather(named, seconds)
    say("loading the model")
    from melodylc.models.checkpoint import open_model
    from melodylc.studio.studio import Studio

    made = Studio(open_model(model), rules, folder, model)
    if remark := made.remember():
        say(f"the history: {remark}")
    made.warm()
    return made
