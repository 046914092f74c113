"""A click group that knows its commands by import path and loads one only when it is called.

``melodylc --help`` prints a table of facts; nothing heavy is imported for it. The same group
serves sub-commands (`melodylc train vae`).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Row(NamedTuple):
    """One command of a group: where it lives, ``"package.module:name"``, and its line of help."""

    path: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands are the rows of a table.

    >>> rows = {"clock": Row("no.such.module:clock", "Tell the time.")}
    >>> group = LazyGroup("demo", rows=rows)
    >>> "Tell the time." in group.get_help(click.Context(group))
    True
    """

    def __init__(self, *args: Any, rows: Mapping[str, Row], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the table's order, which is the order of use."""
        return list(self.rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or None where the table has no such row."""
        if cmd_name not in self.rows:
            return None
        module, _, name = self.rows[cmd_name].path.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.rows[cmd_name].path} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table's own lines of help, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.help) for name, row in self.rows.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the names that exist."""
        name = args[0]
        if name not in self.rows and not ctx.resilient_parsing and not name.startswith("-"):
            known = ", ".join(self.rows)
            raise click.UsageError(f"unknown command {name!r}; choose from {known}", ctx)
        return super().resolve_command(ctx, args)
