"""What came of an order, whatever was ordered: a sequence of results that can be saved."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from melodylc.data.errors import InputError
from melodylc.data.formats.render import JOINED, Rendered
from melodylc.data.keys import NOTES, Scale
from melodylc.data.melody import Melody
from melodylc.data.texts import file_stem
from melodylc.data.writing import Writing
from melodylc.service.output_folder import OutputFolder


class NumberedResult(Protocol):
    """One result."""

    @property
    def number(self) -> int: ...

    @property
    def melody(self) -> Melody: ...


def number_width(total: int) -> int:
    """Digits of a melody's number in the names of a run's files."""
    return max(2, len(str(total)))


R = TypeVar("R", bound=NumberedResult)


class Production(Sequence[R], Generic[R]):
    """The melodies that are written, in order, and their files."""

    order: Any  #: a frozen dataclass with `writing`, `count`, `seed`, `folder_name`, `name_parts` and `to_dict`
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

    @property
    def total(self) -> int:
        """Melodies of the whole run, of which these may be a part."""
        count: int = self.order.count
        return count

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

    @property
    def title(self) -> str:
        """What all melodies have in their names, so that two folders can be told apart: "c-minor-92bpm-seed7"."""
        order = self.order
        tempo = [] if order.writing.no_tempo else [f"{round(order.writing.tempo)}bpm"]
        words = [*order.name_parts, *self._asked(), *tempo, f"seed{order.seed}"]
        return "-".join(filter(None, (file_stem(word) for word in words)))

    def track_name(self, result: R) -> str:
        """What a melody's track is called: "c-minor-92bpm-seed7-03", with more digits from a hundred melodies on."""
        return f"{self.title}-{self._digits(result)}"

    def name(self, result: R) -> str:
        """What a melody's files are called: as its track, or its number alone where short names are asked."""
        return self._digits(result) if self.order.writing.names == "short" else self.track_name(result)

    @property
    def joined_name(self) -> str:
        """What a file of all melodies is called."""
        return JOINED if self.order.writing.names == "short" else self.title

    def _digits(self, result: R) -> str:
        return f"{result.number:0{number_width(self.total)}}"

    def _asked(self) -> list[str]:
        """The key that the files are in, and what else is asked, as parts of a name."""
        request, scale = self.order.request, self._scale()
        others = [re.sub(r"^[0-9]+[-+]?[0-9]*$", r"\g<0>notes", slug) for slug in request.slugs[bool(request.scales) :]]
        if scale is None:
            return others
        written = scale.transposed(self.order.writing.transpose)
        key = written.slug if written.mode == NOTES else written.name.lower()
        return [key, *others]

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
        known = [field.name for field in fields(Writing) if field.name != "bars"]
        if unknown := next((name for name in writing if name not in known), None):
            raise InputError(f"save has no {unknown!r}: take some of {', '.join(known)}")
        order = replace(self.order, writing=replace(self.order.writing, **writing))
        return replace(self, order=order)  # type: ignore[type-var]  # every production is a frozen dataclass

    def _scale(self) -> Scale | None:
        scale: Scale | None = self.order.request.scale
        return scale

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Piano rolls and players, for a notebook."""
        from melodylc.data.formats.notebook import melodies_html

        named = [(self.name(one), one.melody) for one in self.accepted]
        return {
            "text/plain": repr(self),
            "text/html": melodies_html(
                named,
                self._scale(),
                self.order.writing.tempo,
                chords=self.order.request.chords,
                bars=self.order.writing.bars,
            ),
        }

    def __repr__(self) -> str:
        count = len(self.accepted)
        return f"<{count} {'melody' if count == 1 else 'melodies'} of seed {self.order.seed}>"
