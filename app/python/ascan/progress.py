"""Bars for what the program says of its progress."""

from __future__ import annotations

import sys
from typing import Any


class Bars:
    """One bar per stage, on standard error; a finished one goes away."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None

    def show(self, stage: str, done: int, total: int) -> None:
        """Draws a stage: `done` of `total` rows, steps or images."""
        from tqdm import tqdm

        if stage != self._stage or self._bar is None or self._bar.total != total:
            self.close()
            # What an earlier run has done says nothing about the speed of this one.
            self._bar = tqdm(total=total, initial=done, desc=stage, leave=False, file=sys.stderr)
            self._stage = stage
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.refresh()

    def note(self, text: str) -> None:
        """Prints a sentence above the bar."""
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None
        self._stage = None
