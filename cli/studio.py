"""`melodylc studio`: a page in the browser, served by this machine to who knows its secret."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from melodylc.cli.options import seconds_option
from melodylc.cli.ui import say
from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.studio.access import SecretFiles
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
    help="Folder of the history, and of the files that the page writes when it is told to.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option("--open/--no-open", "opened", default=True, help="Whether to open the page in a browser.  [default: yes]")
@click.option("--model", type=click.Path(path_type=Path), help="Another trained model than the one that's shipped.")
def studio(
    reward: tuple[str, ...], reward_seconds: float, output: Path, port: int, opened: bool, model: Path | None
) -> None:
    """Open the studio: choose a rule, generate, listen, keep, vary, and drag melodies into your DAW.

    It listens on 127.0.0.1 alone, and nothing is fetched from anywhere. Programs and accounts of this machine can reach
    that address too: each request needs the token in the address that is printed, which is new at every start. Scripts
    find it in a file that only you can read, PORT.json in the folder studio of the cache. Ctrl-C ends it.

    \b
    melodylc studio
    melodylc studio --reward leaps.py:stepwise -o melodies
    """
    from melodylc.studio.server import check_installed, listen

    check_installed()
    bound = listen(port)  # before torch is imported: a mistake should cost no time
    served = _load(reward, reward_seconds, output, model)
    from melodylc.studio.access import SecretFiles, new_secret
    from melodylc.studio.routes import create_app
    from melodylc.studio.server import serve

    port, secret = bound.getsockname()[1], new_secret()
    files = SecretFiles(port, secret)

    def close() -> None:
        files.remove()
        served.fitting.close()
        served.history.close()

    serve(create_app(served, port, secret), bound, lambda: _announce(files, opened), close)


def _announce(files: "SecretFiles", opened: bool) -> None:
    """Say where the studio is, and open it."""
    say(f"the studio is open at {files.entrance} (Ctrl-C ends it)")
    try:
        files.write()
    except InputError as error:
        say(f"{error}: open that address yourself; scripts find no token")
        return
    say(f"for scripts: the token is in {files.json}")
    if opened:
        click.launch(files.html.as_uri())  # the address itself would be seen in the list of processes


def _load(named: tuple[str, ...], seconds: float, folder: Path, model: Path | None) -> "Studio":
    from melodylc.studio.rules import RuleTable

    rules = RuleTable.load(named, seconds)
    say("loading the model")
    from melodylc.models.checkpoint import load_model, shipped_model
    from melodylc.studio.studio import Studio

    studio = Studio(load_model(model) if model else shipped_model(), rules, folder, model)
    if remark := studio.open_history():
        say(f"the history: {remark}")
    studio.backend.warm_up()
    return studio
