"""Write docs/reference/cli.md: every command with its help, as the code has it. A test compares the two.

python tools/cli_reference.py
"""

from collections.abc import Iterator
from pathlib import Path

import click

from melodylc.cli.main import EXIT_CODES, group
from melodylc.data.files import atomic_write

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
WIDTH = 100  # of the help's lines
TOP = """# Command line

Made from the code by `python tools/cli_reference.py`. `melodylc --help` and `melodylc COMMAND --help` say the same.
"""
COMPLETION = """
## Shell completion

Commands and options complete after a tab, once this line stands in the shell's start file:

| shell | file | line |
|---|---|---|
| bash | `~/.bashrc` | `eval "$(_MELODYLC_COMPLETE=bash_source melodylc)"` |
| zsh | `~/.zshrc` | `eval "$(_MELODYLC_COMPLETE=zsh_source melodylc)"` |
| fish | `~/.config/fish/completions/melodylc.fish` | `_MELODYLC_COMPLETE=fish_source melodylc \\| source` |

## Environment

| variable | is |
|---|---|
| `MELODYLC_CACHE` | the folder of the cache, instead of the user's; `melodylc cache show` names it |
| `NO_COLOR`, `FORCE_COLOR` | no colours; colours in a pipe, too. Bars are drawn on terminals alone |
"""


def commands(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """A command's context and those of the commands below it."""
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from commands(
                    below, click.Context(below, info_name=name, parent=context, max_content_width=WIDTH)
                )


def reference() -> str:
    """The page."""
    top = click.Context(group, info_name="melodylc", max_content_width=WIDTH, **group.context_settings)
    parts = [TOP]
    for context in commands(group, top):
        context.terminal_width = WIDTH
        depth = "##" if context.parent is None or context.parent.parent is None else "###"
        parts.append(
            f"\n{depth} {context.command_path}\n\n```text\n{context.command.get_help(context).rstrip()}\n```\n"
        )
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return "".join((*parts, COMPLETION, f"\n## Exit codes\n\n| code | means |\n|---|---|\n{codes}"))


def main() -> None:
    """Write the page."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(TARGET, "w") as file:
        file.write(reference())


if __name__ == "__main__":
    main()
