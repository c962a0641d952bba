# SPDX-License-Identifier: Apache-2.0
"""cnnlens beside its peers, in one run: `make bench`.

`__main__` is the driver, `rounds` measures, `workers` and `worker` are the two ends of a pipe with one engine behind
it, `engines` are those, `networks` makes what they run, `bars` says what was promised and `table` what was found.
"""
