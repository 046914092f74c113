"""What came of an order, whatever was ordered: a sequence of results that can be saved."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from melodylc.data.errors import InputError
from melodylc.data.formats.render import Rendered
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing
from melodylc.service.output_folder import OutputFolder


class NumberedResult(Protocol):
    """One result."""

    @property
    def number(self) -> int: ...

    @property
    def melody(self) -> Melody: ...


R = TypeVar("R", bound=NumberedResult)


class Production(Sequence[R], Generic[R]):
    """The melodies that are written, in order, and their files."""

    order: Any  #: a frozen dataclass with `writing`, `count`, `seed`, `folder_name` and `to_dict`
    results: tuple[R, ...]  #: one for each melody asked, in order

    @property
    @abstractmethod
    def accepted(self) -> tuple[R, ...]:
        """The melodies that are written."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the melodies that are asked for and not there."""
        there = {one.number for one in self.accepted}
        return tuple(one.number for one in self.results if one.number not in there)

    @abstractmethod
    def rendered(self) -> Rendered:
        """The files of the melodies."""

    @abstractmethod
    def manifest(self, rendered: Rendered) -> dict[str, Any]:
        """What the melodies are, how they came about and what they score; no time of day, so it reproduces too."""

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        return self.accepted[index]

    def __len__(self) -> int:
        return len(self.accepted)

    def name(self, result: R) -> str:
        """What a melody's files are called: 01, with more digits from a hundred melodies on."""
        return f"{result.number:0{max(2, len(str(self.order.count)))}}"

    def save(self, folder: str | Path | None = None, **writing: Any) -> Path:
        """Write the files and the manifest: the command line's, byte for byte.

        Args:
            folder: where to; None: one named after the request, in the working directory.
            writing: fields of `melodylc.data.writing.Writing`, such as `tempo=92` or `formats=("midi", "musicxml")`.

        Returns:
            the folder.

        Raises:
            InputError: the folder holds somebody's files or can't be written, or a field isn't one of those.
        """
        done = self._rewritten(writing)
        out = OutputFolder.claim(Path(folder or done.order.folder_name), done.order.to_dict())
        rendered = done.rendered()
        out.write(rendered.files, done.manifest(rendered))
        return out.path

    def _rewritten(self, writing: dict[str, Any]) -> Self:
        known = [field.name for field in fields(Writing)]
        if unknown := next((name for name in writing if name not in known), None):
            raise InputError(f"save has no {unknown!r}: take some of {', '.join(known)}")
        order = replace(self.order, writing=replace(self.order.writing, **writing))
        return replace(self, order=order)  # type: ignore[type-var]  # every production is a frozen dataclass

    def _scale(self) -> Scale | None:
        scale: Scale | None = self.order.request.scale
        return scale

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Piano rolls and players, for a notebook."""
        from melodylc.service.notebook import melodies_html

        named = [(self.name(one), one.melody) for one in self.accepted]
        return {
            "text/plain": repr(self),
            "text/html": melodies_html(
                named, self._scale(), self.order.writing.tempo, chords=self.order.request.chords
            ),
        }

    def __repr__(self) -> str:
        count = len(self.accepted)
        return f"<{count} {'melody' if count == 1 else 'melodies'} of seed {self.order.seed}>"
