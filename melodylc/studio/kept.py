"""A history that is taken up where the last studio left it."""

from pathlib import Path

from melodylc.data.errors import InputError
from melodylc.studio.history import History, Run
from melodylc.studio.records import Records
from melodylc.studio.shelf import Shelf


class _Shelved:
    """Runs as files of a folder."""

    def __init__(self, shelf: Shelf, records: Records) -> None:
        self._shelf, self._records = shelf, records

    def put(self, run: Run) -> None:
        """Write a run."""
        self._shelf.put(run.number, self._records.write(run))

    def remove(self, number: int) -> None:
        """Remove its file."""
        self._shelf.remove(number)

    def close(self) -> None:
        """Let another studio have the folder."""
        self._shelf.close()


def open_history(folder: Path, records: Records) -> tuple[History, str]:
    """The history of a folder, and a remark on what of it can't be read, or why nothing is kept; "" if all is well."""
    try:
        shelf = Shelf(folder)
    except InputError as error:
        return History(), f"{error}: what is made here is gone when the studio is closed"
    runs, damaged = list[Run](), list[str]()
    for number, values in shelf.read():
        try:
            run = records.read(values)
            if run.number != number:
                raise InputError("it has the number of another")
            runs.append(run)
        except InputError as error:
            damaged.append(f"run {number} ({error})" if values is not None else f"run {number}")
    history = History(runs, _Shelved(shelf, records), shelf.last + 1)
    more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
    return history, f"can't be read, and stays as it is in {folder}: {', '.join(damaged[:3])}{more}" if damaged else ""
