# SPDX-License-Identifier: Apache-2.0
"""How far a long computation is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from ._errors import InvalidArgument

Progress: TypeAlias = bool | Callable[[int, int, float], Any] | None
"""None: a line in a terminal, for what takes more than two seconds; True: always; False: never; or a function
``(step, steps, value)``, whose answer False stops."""

_DELAY = 2.0
_BETWEEN = 0.1


@contextmanager
def reporter(progress: Progress, what: str) -> Iterator[Callable[[int, int, float], Any] | None]:
    """What is called after each step; the line it wrote is gone afterwards."""
    if callable(progress):
        yield progress
    elif progress is False or (progress is None and not sys.stderr.isatty()):
        yield None
    elif progress is True or progress is None:
        line = _Line(what, 0.0 if progress else _DELAY)
        try:
            yield line
        finally:
            line.clear()
    else:
        raise InvalidArgument(f"progress is {progress!r}; it must be None, True, False or a function")


class _Line:
    def __init__(self, what: str, delay: float) -> None:
        self.what = what
        self.next = time.monotonic() + delay
        self.width = 0

    def __call__(self, step: int, steps: int, value: float) -> None:
        now = time.monotonic()
        if now < self.next and not (self.width and step == steps):
            return
        self.next = now + _BETWEEN
        text = f"{self.what} {step}/{steps}"
        self.width = max(self.width, len(text))
        print(f"\r{text:{self.width}}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.width:
            print(f"\r{'':{self.width}}\r", end="", file=sys.stderr, flush=True)
