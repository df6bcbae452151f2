"""Runs the program `ascan`: everything that this package does, it does by this."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .errors import AscanError, AscanWarning, SettingsError, Stopped
from .progress import Bars

#: Names the program where another one than the installed is meant: a build of your own.
PROGRAM_VARIABLE = "ASCAN"

_FAILED, _USAGE, _STOPPED = 1, 2, 130


def find() -> Path:
    """Finds the program.

    In this order: the variable `ASCAN`, the scripts of this interpreter's environment, the `PATH`.

    Returns:
        Its file.

    Raises:
        AscanError: If it is nowhere.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        path = shutil.which(named)
        if path is None:
            raise AscanError(f"the variable {PROGRAM_VARIABLE} names `{named}`, which is no program")
        return Path(path)
    scripts = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    path = shutil.which("ascan", path=os.pathsep.join(scripts)) or shutil.which("ascan")
    if path is None:
        raise AscanError(
            f"the program `ascan` is neither in {scripts[0]} nor on the PATH",
            hint=f"pip install attribution-scanner, or name a build of your own in the variable {PROGRAM_VARIABLE}",
        )
    return Path(path)


@dataclass(frozen=True)
class Answer:
    """What a run of the program gave.

    Attributes:
        output: Standard output, parsed where it is JSON.
        exit_code: 0 success, 3 some images could not be read, 4 the result is no better than what there was.
    """

    output: Any
    exit_code: int


def run(*arguments: str | os.PathLike[str], progress: bool = False, as_json: bool = True) -> Answer:
    """Runs the program to its end.

    Notes are printed and bars drawn on standard error if `progress` is set; warnings become `AscanWarning`.

    Args:
        *arguments: The command and its arguments.
        progress: Whether bars and notes are shown.
        as_json: Whether to ask for JSON on standard output.

    Returns:
        What it gave.

    Raises:
        SettingsError: For wrong settings or arguments.
        AscanError: If the work failed.
        Stopped: On Ctrl-C, after the program has put away what it had finished.
    """
    command = [
        str(find()),
        "--progress",
        "json",
        *(["--json"] if as_json else []),
        *(os.fspath(argument) for argument in arguments),
    ]
    # In a group of its own, so that Ctrl-C reaches it once, from here: the second one would end it at once.
    alone: dict[str, Any] = (
        {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)} if os.name == "nt" else {"start_new_session": True}
    )
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), encoding="utf-8", **alone)
    assert child.stdout is not None and child.stderr is not None
    printed: list[str] = []
    reader = threading.Thread(target=_read, args=(child.stdout, printed), daemon=True)
    reader.start()
    told = _Told(progress)
    is_stopped = False
    try:
        while True:
            try:
                told.listen(child.stderr)
                exit_code = child.wait()
                break
            except KeyboardInterrupt:
                # Once is a request, twice is an order.
                child.kill() if is_stopped else child.send_signal(_interrupt())
                is_stopped = True
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        told.close()
        reader.join()
        child.stdout.close()
        child.stderr.close()
    if is_stopped or exit_code == _STOPPED:
        raise Stopped(told.last_note or "stopped")
    told.warn()
    if exit_code in (_FAILED, _USAGE) or exit_code < 0:
        raise told.error(exit_code)
    text = "".join(printed)
    return Answer(json.loads(text) if as_json and text.strip() else text, exit_code)


def environment() -> dict[str, str]:
    """The environment of the program: this one, and where this interpreter's onnxruntime is.

    A notebook's kernel runs in an environment that nobody has activated, so the program could not find it alone.
    """
    environment = dict(os.environ)
    if "ORT_DYLIB_PATH" not in environment:
        spec = importlib.util.find_spec("onnxruntime")
        for folder in (spec.submodule_search_locations or []) if spec else []:
            patterns = ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll")
            found = [file for pattern in patterns for file in sorted((Path(folder) / "capi").glob(pattern))]
            if found:
                environment["ORT_DYLIB_PATH"] = str(found[0])
    return environment


def _interrupt() -> int:
    return int(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT)) if os.name == "nt" else int(signal.SIGINT)


def _read(pipe: IO[str], into: list[str]) -> None:
    into.append(pipe.read())


class _Told:
    """What the program says while it runs: one JSON object per line."""

    def __init__(self, progress: bool) -> None:
        self._bars = Bars() if progress else None
        self._warnings: list[str] = []
        self._other: list[str] = []
        self._error: dict[str, Any] | None = None
        self.last_note: str | None = None

    def listen(self, pipe: IO[str]) -> None:
        for line in pipe:
            try:
                said = json.loads(line)
                kind = said["type"]
            except (ValueError, TypeError, KeyError):
                # Usage errors, and whatever a library prints.
                self._other.append(line.rstrip("\n"))
                continue
            if kind == "progress" and self._bars:
                self._bars.show(said["stage"], said["done"], said["total"])
            elif kind == "error":
                self._error = said
            elif kind == "message" and said["level"] == "warning":
                self._warnings.append(said["text"])
            elif kind == "message":
                self.last_note = said["text"]
                if self._bars:
                    self._bars.note(said["text"])

    def close(self) -> None:
        if self._bars:
            self._bars.close()

    def warn(self) -> None:
        for text in self._warnings:
            warnings.warn(text, AscanWarning, stacklevel=4)

    def error(self, exit_code: int) -> AscanError:
        kind = SettingsError if exit_code == _USAGE else AscanError
        if self._error is not None:
            fields = {key: self._error.get(key) for key in ("key", "hint", "errors")}
            return kind(self._error["message"], exit_code=exit_code, **fields)
        said = "\n".join(self._other + self._warnings).strip()
        if exit_code < 0:
            said = f"the program was ended by signal {-exit_code}. {said}".strip()
        return kind(said or f"the program ended with exit code {exit_code}", exit_code=exit_code)


def main() -> None:
    """Runs the program in the place of this process's own arguments, for `python -m ascan`."""
    sys.exit(subprocess.run([str(find()), *sys.argv[1:]], env=environment(), check=False).returncode)
