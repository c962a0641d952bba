# SPDX-License-Identifier: Apache-2.0
"""The driver's end of the pipe to a worker."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent


class Failure(Exception):
    """What an engine could not do, in its own words."""


class Worker:
    """A process with one engine. It is kept alive between requests; `load` starts it again after it was lost.

    It is stopped while it has nothing to answer, so that no thread of it spins while another engine is timed.
    """

    def __init__(self, name: str, log: Path, command: Sequence[str] | None = None) -> None:
        self.name = name
        self._command = command or [sys.executable, "-m", f"{__package__}.worker", name]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._why_lost = "its process was not started"

    def start(self, patience: float = 120.0) -> str:
        """Imports the engine; its version."""
        environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
            )
        self._received = b""
        return str(self._answer(patience))

    def ask(self, do: str, patience: float = 600.0, **arguments: Any) -> Any:
        """The answer to one request; `Failure` if it is an error, or does not come within ``patience`` seconds."""
        if self._process is None:
            if do != "load":
                raise Failure(self._why_lost)
            self.start()
        assert self._process is not None and self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps({"do": do} | arguments).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # The answer says so.
        return self._answer(patience)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _answer(self, patience: float) -> Any:
        line = self._line(patience)
        if not line:
            assert self._process is not None
            if line is None:
                self._why_lost = f"no answer within {patience:.0f} s"
            else:
                self._why_lost = f"its process ended with status {self._process.wait()}"
            self.stop()
            raise Failure(self._why_lost)
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        message = json.loads(line)
        if "error" in message:
            raise Failure(message["error"])
        return message["answer"]

    def _line(self, patience: float) -> bytes | None:
        """One line; nothing at the end of the stream, None when patience runs out."""
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if not selector.select(patience):
                    return None
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    return b""
                self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        return line
