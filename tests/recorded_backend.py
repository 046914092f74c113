"""A backend for mido that has two ports and keeps what is sent to them: `mido.set_backend("recorded_backend")`."""

from typing import Any

from mido.ports import BaseOutput

NAMES = ["Synth A", "Synth B"]
SENT: list[tuple[str, Any]] = []  #: port and message
OPENED: list[tuple[str, bool]] = []  #: port, and whether it is virtual
TAKEN: set[str] = set()


def get_devices(**_: Any) -> list[dict[str, Any]]:
    return [{"name": name, "is_input": False, "is_output": True} for name in NAMES]


class Output(BaseOutput):  # type: ignore[misc]  # mido has no types
    """An output that remembers."""

    def _open(self, virtual: bool = False, **_: Any) -> None:
        if self.name in TAKEN:
            raise OSError("device busy")
        OPENED.append((self.name, virtual))

    def _send(self, message: Any) -> None:
        SENT.append((self.name, message))
