"""Bars for what the program says of its progress."""

from __future__ import annotations

import sys
import time
from typing import Any

#: Seconds between two lines in a file.
_PAUSE = 20.0


class Bars:
    """One bar per stage, on standard error, and a finished one goes away; where nobody can watch it, a line now and then."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None
        self._is_watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._begun, self._first, self._told = 0.0, 0, 0.0

    def show(self, stage: str, done: int, total: int) -> None:
        """Draws a stage: `done` of `total` rows, steps or images."""
        if not self._is_watched:
            self._tell(stage, done, total)
            return
        from tqdm import tqdm

        if stage != self._stage or self._bar is None or self._bar.total != total:
            self.close()
            # What an earlier run has done says nothing about the speed of this one.
            self._bar = tqdm(total=total, initial=done, desc=stage, leave=False, file=sys.stderr)
            self._stage = stage
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.refresh()

    def _tell(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._begun, self._first, self._told = stage, now, done, now
        elif now - self._told >= _PAUSE and done > self._first:
            self._told = now
            left = (now - self._begun) * (total - done) / (done - self._first)
            print(f"{stage}: {done} of {total}, about {left / 60:.1f} min left", file=sys.stderr, flush=True)

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
