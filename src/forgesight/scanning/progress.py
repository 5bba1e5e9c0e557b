"""How far a scan is: a bar on stderr where that is a terminal, a count where it is not."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


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
