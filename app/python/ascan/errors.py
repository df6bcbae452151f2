"""What goes wrong, as the program says it."""

from __future__ import annotations

from typing import Any


class AscanError(Exception):
    """The program refused or failed.

    Attributes:
        message: What is wrong, as the program says it.
        key: The setting or flag that it is about (`slicing.params.n_slices`), if it is about one.
        hint: What to do, if that is known.
        exit_code: 1 the work failed, 2 wrong usage or settings.
        errors: Of settings every single error: dictionaries with `key`, `message`, `hint`, `file`, `line`, `column`.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str | None = None,
        hint: str | None = None,
        exit_code: int = 1,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.hint = hint
        self.exit_code = exit_code
        self.errors = errors or []

    def __str__(self) -> str:
        # Several errors of settings hold their hints already.
        if self.hint and self.hint not in self.message:
            return f"{self.message}\nhint: {self.hint}"
        return self.message


class SettingsError(AscanError):
    """An argument, a setting or a flag is wrong; nothing has run."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or *interrupt* in a notebook: the program has ended, and what it had finished is kept.

    The same call goes on where it stopped.
    """


class AscanWarning(UserWarning):
    """The program did what was asked, and something speaks against the result."""
