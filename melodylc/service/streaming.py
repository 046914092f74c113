"""An order's melodies to files as they are written: memory is flat, whatever their number."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from melodylc.data.workers import Workers, WorkersLost
from melodylc.reporting import SILENT, Reporter
from melodylc.sampling.sampler import Result
from melodylc.service.generation import Generation, Tally, manifest_head, order_batches, run_order
from melodylc.service.order import Order
from melodylc.service.origin import Origin, merge_origins
from melodylc.service.output_folder import OutputFolder, StagedFolder

SHOWN = 200  #: melodies that a table shows


@dataclass
class WrittenOrder:
    """What became of an order whose files are written."""

    order: Order
    folder: Path
    tally: Tally = field(default_factory=Tally)
    about: dict[str, str] = field(default_factory=dict)  #: what else is to be told; see `Rendered`
    shown: list[tuple[str, Result]] = field(default_factory=list)  #: the first ones, each with its file

    def add(self, done: Generation, staged: StagedFolder) -> None:
        """Write some melodies' files."""
        rendered = done.rendered()
        staged.add(rendered.files, done.entries(rendered))
        self.tally.add(done.tally)
        self.about.update(rendered.about)
        named = [(files[0], one) for files, one in zip(rendered.of, done.accepted, strict=True)]
        self.shown += named[: SHOWN - len(self.shown)]


def write_order(
    order: Order, folder: OutputFolder, reporter: Reporter = SILENT, workers: Workers | None = None
) -> WrittenOrder:
    """Make the melodies of an order and write each as it is there: the files of `run_order`, byte for byte.

    Args:
        order: what is asked.
        folder: where to.
        reporter: hears how far the work is.
        workers: where it is done; None: here.

    Raises:
        InputError: the disk is full, a note is moved out of 0..127, or anything that the order may be refused for;
            nothing is written then.
        WorkersLost: the workers went away; the melodies up to there are written, and the message says how to go on.
    """
    done = WrittenOrder(order, folder.path)
    with folder.fill() as staged:
        origin: Origin = {}
        try:
            if order.writing.join:  # one file holds them all, so they are kept until it can be written
                whole = run_order(order, reporter, workers=workers)
                origin = whole.origin
                done.add(whole, staged)
            else:
                for batch in order_batches(order, reporter, workers):
                    origin = merge_origins(origin, batch.origin, "a worker") if origin else batch.origin
                    done.add(Generation(order, batch.origin, tuple(batch.results)), staged)
        except WorkersLost as error:
            settled = done.tally.written + len(done.tally.missing)
            if not settled:
                raise
            done.order = replace(order, count=settled, whole=order.total)
            staged.finish(manifest_head(done.order, origin, done.tally, done.about))
            raise WorkersLost(_how_to_go_on(str(error), order, settled, folder.path)) from error
        staged.finish(manifest_head(order, origin, done.tally, done.about))
    return done


def _how_to_go_on(problem: str, order: Order, settled: int, folder: Path) -> str:
    rest = replace(order, first=order.first + settled, count=order.count - settled, whole=order.total)
    return (
        f"{problem}; {settled} of {order.count} melodies are in {folder}, and "
        f"`{rest.command or 'a call with first=' + str(rest.first)}` makes the others, for `melodylc manifest join`"
    )
