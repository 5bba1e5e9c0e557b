"""Show the progress events of the library: a bar on stderr where that is a terminal, nothing where it is not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from facewitness.compute.progress import Progress, ProgressEvent


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Progress]:
    """Yield a callback that draws a bar for each task; None if ``quiet``, or if stderr is no terminal.

    A bar goes when its task is done. ``rich`` is loaded only for bars that are shown.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    # Lines printed meanwhile are drawn above the bars on a terminal; in a pipe or a file they stay where they belong.
    mixed = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=mixed) as bars:

        def show(event: ProgressEvent) -> None:
            if event.task not in tasks:
                tasks[event.task] = bars.add_task(event.task, total=event.total)
            bars.update(tasks[event.task], completed=event.done, total=event.total)
            if event.total is not None and event.done >= event.total:
                bars.remove_task(tasks.pop(event.task))

        yield show
