"""Progress of long work as events: the library reports, whoever calls it shows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


T = TypeVar("T")


class ProgressEvent(NamedTuple):
    """How far one task is."""

    task: str  # such as "finding faces"
    done: int
    total: int | None  # None: not known


ProgressCallback = Callable[[ProgressEvent], None]


def track(
    items: Iterable[T], task: str, callback: ProgressCallback | None = None, total: int | None = None
) -> Iterator[T]:
    """Yield the items and report each one after it was dealt with.

    Args:
        items: what is worked through.
        task: the name of the work, shown to a person.
        callback: receives an event at the start and after each item; None reports nothing.
        total: the number of items; that of a sized ``items`` if left out.
    """
    if callback is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    callback(ProgressEvent(task, 0, total))
    for done, item in enumerate(items, 1):
        yield item
        callback(ProgressEvent(task, done, total))


class Progress:
    """Counts the files that are done. ``rich`` is loaded only for a bar that is shown."""

    def __init__(self, total: int, resumed: int, shown: bool) -> None:
        self.done = 0  # files of this run
        self._total, self._resumed = total, resumed
        self._bar: Bar | None = None
        self._shown = shown and sys.stderr.isatty() and total > resumed

    def __enter__(self) -> Progress:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("scanning"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task("scanning", total=self._total, completed=self._resumed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, files: int) -> None:
        """So many more files are done."""
        self.done += files
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], files)
