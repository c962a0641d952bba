# SPDX-License-Identifier: Apache-2.0
"""The command line: ``cnnlens predict|explain|summary``, also ``python -m cnnlens``."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import cnnlens as cl

from .explain import DEFAULT_METHODS, METHODS


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Gives the exit status: 0, 1 for an error (said in one line), 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except cl.Error as error:
        print(f"cnnlens: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cnnlens: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cnnlens", description="Look inside convolutional networks.")
    parser.add_argument("--version", action="version", version=cl.__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="print the most probable classes of pictures")
    predict.add_argument("images", nargs="+", metavar="IMAGE")
    predict.add_argument("--top", type=int, default=5, metavar="N", help="how many (default 5)")
    _add_network(predict)
    predict.set_defaults(run=_predict)

    explain = commands.add_parser("explain", help="draw where the network looks")
    explain.add_argument("image", metavar="IMAGE")
    explain.add_argument("--target", help="class number, (part of a) label, or layer:channel (default: the top class)")
    explain.add_argument(
        "--methods", default=",".join(DEFAULT_METHODS), help=f"comma-separated, of {', '.join(METHODS)}"
    )
    explain.add_argument("--layer", help="for Grad-CAM (default: the last layer with a spatial map)")
    explain.add_argument("--out", default="explanation.png", metavar="PNG", help="where the figure goes")
    explain.add_argument("--maps", metavar="FOLDER", help="also write each map there: PNG, .npy and .json")
    _add_network(explain)
    explain.set_defaults(run=_explain)

    summary = commands.add_parser("summary", help="print the network as a table")
    summary.add_argument("--size", type=int, metavar="PIXELS", help="side of the picture")
    _add_network(summary)
    summary.set_defaults(run=_summary)
    return parser


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--net",
        default="efficientnet-lite0",
        metavar="NETWORK",
        help="an ONNX file or a built-in name (default: %(default)s)",
    )
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")


def _load(options: argparse.Namespace) -> cl.Network:
    return cl.load(options.net, labels=options.labels)


def _predict(options: argparse.Namespace) -> None:
    net = _load(options)
    for image in options.images:
        if len(options.images) > 1:
            print(image)
        print(net.predict(image, options.top))


def _explain(options: argparse.Namespace) -> None:
    net = _load(options)
    target: Any = options.target
    if target is not None and target.isdigit():
        target = int(target)
    methods = [name.strip() for name in options.methods.split(",")]
    panel = cl.explain(net, options.image, target, methods, layer=options.layer)
    print(f"{panel.label}: score {panel.score:.3f}")
    print(panel.save(options.out))
    if options.maps:
        for part in panel:
            folder = pathlib.Path(options.maps)
            print(part.save(folder / f"{part.method}.png"))
            if part.method in ("cam", "grad_cam"):
                path = folder / f"{part.method}_overlay.png"
                part.overlay().save(path)
                print(path)


def _summary(options: argparse.Namespace) -> None:
    print(_load(options).summary(options.size))


if __name__ == "__main__":
    raise SystemExit(main())
