"""Progress of long work as events: the library reports, whoever calls it shows."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class ProgressEvent(NamedTuple):
    """How far one task is."""

    task: str  # such as "finding faces"
    done: int
    total: int | None  # None: not known


Progress = Callable[[ProgressEvent], None] | None
"""What receives the events of long work; None where nobody listens."""


def track(items: Iterable[T], task: str, callback: Progress = None, total: int | None = None) -> Iterator[T]:
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
