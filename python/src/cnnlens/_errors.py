# SPDX-License-Identifier: Apache-2.0
"""The errors: one tree, so that ``except cl.Error`` catches whatever cnnlens raises."""


class Error(Exception):
    """Whatever cnnlens raises. Raised itself only for faults in cnnlens."""


class InvalidArgument(Error, ValueError):
    """An argument is not allowed; the message gives what came, what is allowed and the fix."""


class NotFound(Error, LookupError):
    """No layer, label, network or file of that name; the message proposes the nearest ones."""


class ModelError(Error):
    """A model file is broken or uses operators that cnnlens does not know; all of them are named."""


class Cancelled(Error):
    """A callback asked to stop. (Ctrl-C is ``KeyboardInterrupt``, as everywhere.)"""


class OutOfMemory(Error, MemoryError):
    """The memory for a call is not to be had; the message says how much it was."""
