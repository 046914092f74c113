"""`melodylc cache`: what this package keeps for the next time, and how large it is."""

import click

from melodylc.cli.ui import print_json, say, table


@click.group()
def cache() -> None:
    """Show or clear what has been learnt and kept for the next time.

    All of it can be made again, but for realism critics. The environment variable MELODYLC_CACHE moves the cache.
    """


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON.")
def show(as_json: bool) -> None:
    """Show what the cache holds, and how large it is."""
    from melodylc.cache import cache_contents, cache_folder

    kinds = cache_contents()
    if as_json:
        rows = [{"kind": it.name, "entries": it.entries, "bytes": it.size} for it in kinds]
        return print_json({"folder": str(cache_folder()), "kinds": rows})
    table(["kind", "what", "entries", "MB"], [[it.name, it.about, it.entries, f"{it.size / 1e6:.1f}"] for it in kinds])
    click.echo(f"\n{sum(it.size for it in kinds) / 1e6:.1f} MB in {cache_folder()}")
    return None


@cache.command()
@click.argument("kinds", nargs=-1)
def clear(kinds: tuple[str, ...]) -> None:
    """Remove what the cache holds of KINDS, as `cache show` names them; without any, all but realism critics."""
    from melodylc.cache import KINDS, clear_cache
    from melodylc.data.errors import InputError

    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"the cache holds no {kind!r}; choose from {', '.join(KINDS)}")
    count, size = clear_cache(kinds or tuple(name for name in KINDS if name != "realism"))
    say(f"removed {count} {'entry' if count == 1 else 'entries'}, {size / 1e6:.1f} MB")
