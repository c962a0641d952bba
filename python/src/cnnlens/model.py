# SPDX-License-Identifier: Apache-2.0
"""Networks: reading them, running them, and asking what they are made of."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from . import _native, images, objectives
from . import preprocess as _preprocess
from ._errors import InvalidArgument, NotFound
from ._types import AnyArray, Array
from .preprocess import Preprocess, View

BUILT_IN = ("efficientnet-lite0",)
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_RULES = {"gradient": 0, "deconvnet": 1, "guided": 2, "redirected": 3}
_DATA = pathlib.Path(__file__).parent / "data"


# ---- reading


def load(
    path_or_name: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    labels: Sequence[str] | str | os.PathLike[str] | None = None,
    preprocess: Preprocess | None = None,
) -> Network:
    """Reads a network.

    Parameters
    ----------
    path_or_name
        An ONNX file, its bytes, or the name of a built-in network: ``"efficientnet-lite0"``.
    labels
        Class names in the order of the scores, or a text file with one a line. By default those in the file's
        metadata (``cnnlens.labels``), if any.
    preprocess
        How pictures become input. By default what the file's metadata says (``cnnlens.preprocess.*``), else
        ImageNet's numbers at the size that the network takes; ``net.preprocess`` shows it.

    Raises
    ------
    NotFound
        There is no such file or built-in network.
    ModelError
        The file is broken, or uses operators that are not known here; all of them are named.
    """
    if isinstance(path_or_name, (bytes, bytearray, memoryview)):
        return Network(_native.open_model_bytes(path_or_name, "model"), labels=labels, preprocess=preprocess)
    if not isinstance(path_or_name, (str, os.PathLike)):
        raise InvalidArgument(
            f"a {type(path_or_name).__name__} came; a path, bytes or one of {', '.join(BUILT_IN)} is wanted"
        )
    if path_or_name in BUILT_IN:
        path: str | os.PathLike[str] = _DATA / f"{path_or_name}.onnx"
    else:
        path = path_or_name
        if not os.path.exists(path):
            raise NotFound(f"no file '{os.fspath(path)}', and the built-in networks are: {', '.join(BUILT_IN)}")
        if os.path.isdir(path):
            raise InvalidArgument(f"'{os.fspath(path)}' is a folder; an ONNX file is wanted")
    return Network(_native.open_model(os.fspath(path)), labels=labels, preprocess=preprocess)


def from_torch(
    module: Any, example: Any, *, labels: Sequence[str] | None = None, preprocess: Preprocess | None = None
) -> Network:
    """Reads a PyTorch module, through ``torch.onnx``.

    Parameters
    ----------
    module
        A ``torch.nn.Module``; it is exported in evaluation mode and left as it was.
    example
        An input tensor, or a tuple of them. The first axis is taken to be the batch.
    """
    try:
        import torch
    except ImportError:
        raise InvalidArgument("from_torch needs PyTorch: pip install torch") from None
    arguments = example if isinstance(example, tuple) else (example,)
    was_training = module.training
    buffer = io.BytesIO()
    try:
        module.eval()
        names = [f"input{index}" if index else "input" for index in range(len(arguments))]
        torch.onnx.export(
            module,
            arguments,
            buffer,
            input_names=names,
            dynamic_axes={name: {0: "batch"} for name in names},
            dynamo=False,
        )
    finally:
        module.train(was_training)
    return load(buffer.getvalue(), labels=labels, preprocess=preprocess)


def set_num_threads(count: int) -> None:
    """How many threads a call computes with. 0: the CPUs that this process may use, as at first; more than those are
    not taken, for they would only wait for each other."""
    _native.set_thread_count(count)


def get_num_threads() -> int:
    """How many threads a call computes with."""
    return _native.thread_count()


Precision: TypeAlias = Literal["auto", "highest", "high"]
PRECISIONS: tuple[Precision, ...] = ("auto", "highest", "high")


def set_precision(precision: Precision) -> None:
    """How exactly convolutions multiply, in all calls from now on.

    Parameters
    ----------
    precision
        "highest": as floats do. The output of a network differs from that of float64 by 1e-7 to 2e-5 of its norm.
        "high": every float is taken as the sum of two numbers of bfloat16, 16 of 24 binary digits, where the processor
        multiplies those many times as fast (AMX, from the fourth generation of Xeon on). Most networks
        then take 0.55 to 0.95 of the time and differ by 5e-6 to 2e-4: too little to see in a map, too much to compare
        with another implementation digit by digit. On other processors it changes nothing.
        "auto", as at first: "high" for what walks along gradients, that is pictures (`cnnlens.visualize`,
        `cnnlens.deepdream`, ...), `cnnlens.fgsm` and `cnnlens.pgd`; "highest" for whatever is measured.

        PyTorch's ``set_float32_matmul_precision`` uses the words in the same sense.

    Raises
    ------
    InvalidArgument
        if it is none of these
    """
    if precision not in PRECISIONS:
        words = ", ".join(repr(word) for word in PRECISIONS)
        raise InvalidArgument(f"precision is {precision!r}; it must be one of {words}")
    _native.set_precision(PRECISIONS.index(precision))


def get_precision() -> Precision:
    """What `cnnlens.set_precision` has set: "auto", "highest" or "high"."""
    return PRECISIONS[_native.precision()]


# ---- sessions


class _Sessions:
    """Sessions not in use. Any number of threads may take one at once; a forked child starts with none."""

    _KEPT = 4

    def __init__(self, model: _native.Model) -> None:
        self._model = model
        self._free: list[_native.Session] = []
        self._process = os.getpid()

    @contextlib.contextmanager
    def take(self) -> Iterator[_native.Session]:
        if os.getpid() != self._process:
            self._free, self._process = [], os.getpid()
        try:
            session = self._free.pop()
        except IndexError:
            session = _native.Session(self._model)
        try:
            yield session
        finally:
            if len(self._free) < self._KEPT:
                self._free.append(session)


# ---- input


@dataclasses.dataclass
class Given:
    """What a caller passed as ``x``, ready for the engine."""

    array: Array
    """(N, C, H, W): raw, or pictures in [0, 1]."""
    sessions: _Sessions
    views: list[View] | None
    """For pictures."""
    is_single: bool
    """One picture, not a batch."""

    @property
    def count(self) -> int:
        return self.array.shape[0] if self.array.ndim else 1

    def unbatched(self, result: AnyArray) -> AnyArray:
        return result[0] if self.is_single else result


class Network:
    """A trained network. Made by `load`; never changed by anything that is done with it.

    Any number of threads may use one network at once.

    Attributes
    ----------
    name : str
    labels : list of str
        Class names in the order of the scores; empty if they are not known.
    preprocess : Preprocess
        How pictures become input. ``net.preprocess(image)`` is ``(1, C, H, W)`` float32.
    input_shape : tuple of int or None
        ``(N, C, H, W)``, ``None`` where any size will do.
    layers : Layers
        An ordered mapping of layer names.
    """

    def __init__(
        self,
        model: _native.Model,
        *,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        preprocess: Preprocess | None = None,
    ) -> None:
        self._raw = model
        self.name = model.name
        self.labels = _read_labels(labels) if labels is not None else model.labels
        self._inputs: dict[str, tuple[int | None, ...]] = {
            name: tuple(None if size < 0 else size for size in shape)
            for name, shape in zip(model.inputs, model.input_shapes, strict=True)
        }
        first = model.input_shapes[0] if model.input_shapes else ()
        if preprocess is None:
            preprocess = _preprocess.from_metadata(model.metadata, first)
        elif not isinstance(preprocess, Preprocess):
            raise InvalidArgument(f"preprocess is a {type(preprocess).__name__}; it must be a cl.Preprocess")
        self.preprocess = preprocess
        self._sessions = _Sessions(model)
        self._picture_sessions: _Sessions | None = None
        self._own_sessions: dict[tuple[int, ...], _Sessions] = {}
        self._class_count: int | None = None
        self.layers = Layers(self)

    # -- what it is

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return next(iter(self._inputs.values()), ())

    @property
    def inputs(self) -> dict[str, tuple[int | None, ...]]:
        """Name and shape of every input."""
        return dict(self._inputs)

    @property
    def outputs(self) -> list[str]:
        """The name of every output."""
        return self._raw.outputs

    @property
    def class_count(self) -> int | None:
        """How many classes the network tells apart; None if its output is not a list of class scores."""
        if self._class_count is None:
            with contextlib.suppress(Exception), self._sessions.take() as session:
                shape = session.shapes(["logits"], [self._default_shape(name) for name in self._inputs])[0]
                if len(shape) >= 2 and int(np.prod(shape[2:])) == 1:
                    self._class_count = shape[1]
        return self._class_count

    def label(self, index: int) -> str:
        """The label of a class, or ``"class 7"`` if labels are not known."""
        return self.labels[index] if 0 <= index < len(self.labels) else f"class {index}"

    def __repr__(self) -> str:
        shape = "×".join("?" if size is None else str(size) for size in self.input_shape)
        classes = f", {len(self.labels)} labels" if self.labels else ""
        return f"<cnnlens.Network '{self.name}': {shape}, {len(self.layers)} layers{classes}, {self.preprocess}>"

    def summary(self, size: int | tuple[int, ...] | None = None) -> Summary:
        """A table: layer, kind, output shape, parameters, multiply-adds, memory, receptive field, stride.

        Parameters
        ----------
        size
            Side of the picture, ``(height, width)``, or a whole input shape. By default the network's own.
        """
        shapes = [self._default_shape(name, size if index == 0 else None) for index, name in enumerate(self._inputs)]
        rows, total, text = self._raw.summary(shapes)
        return Summary([SummaryRow(*row) for row in rows], SummaryRow(*total), text, str(self.preprocess))

    def _default_shape(self, name: str, size: int | tuple[int, ...] | None = None) -> tuple[int, ...]:
        declared = self._inputs[name]
        if isinstance(size, tuple) and len(size) != 2:
            return tuple(int(number) for number in size)
        sides = (size, size) if isinstance(size, (int, np.integer)) else size
        if self.preprocess.size is not None:
            fallback = self.preprocess.height_and_width
        else:
            fallback = (224, 224)
        shape = [1 if number is None else number for number in declared]
        if shape and declared[0] is not None and len(shape) == 4:
            shape[0] = declared[0] or 1
        if len(shape) == 4:
            for axis in (2, 3):
                if sides is not None:
                    shape[axis] = int(sides[axis - 2])
                elif declared[axis] is None:
                    shape[axis] = fallback[axis - 2]
        return tuple(shape)

    @property
    def weighted_layers(self) -> list[str]:
        """The layers with weights of their own, convolutions and matrix products, in the order they are computed."""
        return [row.name for row in self.summary() if row.kind in _WEIGHTED and row.params > 0]

    def randomized(self, layers: Sequence[str] | str, seed: int = 0) -> Network:
        """The same network with the weights of ``layers`` drawn anew; this one stays as it is.

        Weights are normal with the scale that each filter (each row of a matrix) had, biases with that of the layer's
        biases; batch statistics stay. A layer's draw depends on ``seed`` and its name alone, so that cascades are
        nested.

        Adebayo et al., "Sanity Checks for Saliency Maps", 2018, section 3. arXiv:1810.03292

        Parameters
        ----------
        layers
            One name or several; ``net.weighted_layers`` lists those that have weights.

        Raises
        ------
        NotFound
            For a layer that does not exist.
        InvalidArgument
            For one that has no weights.
        """
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not -(2**63) <= seed < 2**63:
            raise InvalidArgument(f"seed is {seed!r}; it must be a whole number below 2**63")
        model = self._raw.randomized(_names(layers), int(seed))
        return Network(model, labels=self.labels, preprocess=self.preprocess)

    # -- running it

    def __call__(self, x: Array) -> Array:
        """The first output for a raw float32 array of the network's own input shape, of any rank."""
        first = self.outputs[0]
        return self.run(x, [first])[first]

    def run(self, x: Array | Mapping[str, Array], layers: Sequence[str] | str | None = None) -> dict[str, Array]:
        """Outputs, or the activations of ``layers``, by name.

        Parameters
        ----------
        x
            A raw float32 array, used as it is, without a copy when it is C-contiguous; or one for each input
            by name.
        """
        if isinstance(x, Mapping):
            missing = [name for name in self._inputs if name not in x]
            extra = [name for name in x if name not in self._inputs]
            if missing or extra:
                raise InvalidArgument(f"inputs {sorted(x)} came; '{self.name}' takes {list(self._inputs)}")
            arrays = [_raw_array(x[name], name) for name in self._inputs]
        else:
            arrays = [_raw_array(x, "x")]
        names = self.outputs if layers is None else _names(layers)
        return self._run(self._sessions, arrays, names)

    def activations(self, image: Any, layers: Sequence[str] | str) -> dict[str, Array]:
        """What the network computes at ``layers``: name -> ``(N, C, H, W)`` (or the layer's own rank).

        Parameters
        ----------
        image
            A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
        layers
            One name or several; ``net.layers`` lists them.
        """
        given = self.given(image)
        return self._run(given.sessions, [given.array], _names(layers))

    def _run(self, sessions: _Sessions, arrays: list[Array], names: list[str]) -> dict[str, Array]:
        with sessions.take() as session:
            shapes = session.shapes(names, [array.shape for array in arrays])
            outputs = [np.empty(shape, np.float32) for shape in shapes]
            session.run(names, arrays, outputs)
        return dict(zip(names, outputs, strict=True))

    @overload
    def gradient(
        self, x: Any, target: objectives.Target = None, wrt: str = "input", rule: str = "gradient"
    ) -> Array: ...
    @overload
    def gradient(
        self, x: Any, target: objectives.Target, wrt: Sequence[str], rule: str = "gradient"
    ) -> dict[str, Array]: ...
    def gradient(
        self, x: Any, target: objectives.Target = None, wrt: str | Sequence[str] = "input", rule: str = "gradient"
    ) -> Array | dict[str, Array]:
        """The derivative of ``target`` with respect to the input or to layers.

        Parameters
        ----------
        x
            A picture (the gradient is then per unit of [0, 1] at the network's input size), a list of them, or a
            raw float32 array (the gradient is then in its units).
        target
            See `cnnlens.objectives`.
        wrt
            A layer (``"input"`` is the input), or a list of them for a dict.
        rule
            What a ReLU does on the way back: ``"gradient"``, ``"deconvnet"`` (arXiv:1311.2901), ``"guided"``
            (arXiv:1412.6806), or ``"redirected"``: the gradient, or where an image has none, what would wake dead
            units (Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017).

        Returns
        -------
        ndarray
            ``(N, C, H, W)`` float32, the batch axis included.
        """
        if rule not in _RULES:
            raise InvalidArgument(f"rule is {rule!r}; it must be one of {', '.join(_RULES)}")
        given = self.given(x)
        goal = objectives.resolve(self, target, given.count)
        names = _names(wrt)
        with given.sessions.take() as session:
            shapes = session.shapes(names, [given.array.shape])
            outputs = [np.empty(shape, np.float32) for shape in shapes]
            session.gradient(names, [given.array], outputs, goal.native, _RULES[rule])
        return outputs[0] if isinstance(wrt, str) else dict(zip(names, outputs, strict=True))

    def predict(self, image: Any, top: int = 5) -> Prediction:
        """The most probable classes.

        Parameters
        ----------
        image
            A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
        top
            How many classes; all of them if there are fewer.

        Returns
        -------
        Prediction
            Prints as a table.
        """
        given = self.given(image)
        if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 1:
            raise InvalidArgument(f"top is {top!r}; it must be a whole number from 1 on")
        with given.sessions.take() as session:
            shape = session.shapes(["logits"], [given.array.shape])[0]
            count = int(np.prod(shape[1:])) if len(shape) > 1 else int(top)
            indices = np.empty((given.count, min(int(top), count)), np.int64)
            probabilities = np.empty(indices.shape, np.float32)
            session.predict(given.array, indices, probabilities)
        return Prediction(self, indices, probabilities, is_single=given.is_single)

    # -- input

    def given(self, x: Any) -> Given:
        """Tells pictures and raw arrays apart: never guessed, a 4-D float32 array is raw and nothing else is."""
        if isinstance(x, Given):
            return x
        if self._is_raw(x):
            return Given(_raw_array(x, "x"), self._sessions, None, is_single=False)
        is_single = images.is_single(x)
        pictures = [x] if is_single else list(x)
        if not pictures:
            raise InvalidArgument("the list of images is empty")
        if len(self.input_shape) != 4:
            raise InvalidArgument(
                f"'{self.name}' takes {self.input_shape}, no pictures; pass a float32 array of that shape"
            )
        views = [self.preprocess.view(images.read(picture)) for picture in pictures]
        shapes = {view.pixels.shape for view in views}
        if len(shapes) > 1:
            raise InvalidArgument(
                "the images of a batch become different sizes"
                f" ({', '.join(f'{h}×{w}' for _, h, w in sorted(shapes))}); pass them one by one,"
                ' or give the network a Preprocess with crop="center"'
            )
        return Given(np.stack([view.pixels for view in views]), self._seeing(), views, is_single=is_single)

    def _is_raw(self, x: Any) -> bool:
        if not isinstance(x, np.ndarray) or x.dtype != np.float32:
            return False
        rank = len(self.input_shape)
        return x.ndim == 4 or (rank != 4 and x.ndim == rank)

    def _seeing(self) -> _Sessions:
        if self._picture_sessions is None:
            steps = self.preprocess
            order = 1 if steps.order == "BGR" else 0
            self._picture_sessions = _Sessions(self._raw.seeing_images(order, steps.scale, steps.mean, steps.std))
        return self._picture_sessions

    def _seeing_picture(self, view: View) -> _Sessions:
        """Sessions whose input is a picture at its own resolution: ``(N, C, H, W)`` in [0, 1], C as it was given.

        Those of the last two sizes are kept.
        """
        given = view.image.given
        is_clear = given.ndim == 3 and given.shape[2] == 4
        key = (*given.shape[:2], given.ndim)
        if not is_clear and key in self._own_sessions:
            return self._own_sessions[key]
        steps = self.preprocess
        model = self._raw.seeing_pictures(
            1 if steps.order == "BGR" else 0,
            steps.scale,
            steps.mean,
            steps.std,
            1 if given.ndim == 2 else 3,
            view.rows,
            view.columns,
            np.ascontiguousarray(given[:, :, 3], np.float32) / np.float32(255) if is_clear else None,
            None if steps.change is None else _in_place(steps.change),
        )
        sessions = _Sessions(model)
        if not is_clear:
            while len(self._own_sessions) > 1:
                self._own_sessions.pop(next(iter(self._own_sessions)), None)
            self._own_sessions[key] = sessions
        return sessions


def _in_place(change: Callable[[Array], Array]) -> Callable[[memoryview, tuple[int, int, int, int]], None]:
    """``change`` of every picture of a batch, as the engine calls it."""

    def apply(memory: memoryview, shape: tuple[int, int, int, int]) -> None:
        pictures = np.frombuffer(memory, np.float32).reshape(shape)
        for picture in pictures:
            picture[...] = change(picture.copy())

    return apply


def _names(layers: Sequence[str] | str) -> list[str]:
    names = [layers] if isinstance(layers, str) else list(layers)
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidArgument(f"layers is {layers!r}; it must be a name or a list of names")
    return names


def _raw_array(x: Any, name: str) -> Array:
    if not isinstance(x, np.ndarray):
        raise InvalidArgument(f"{name} is a {type(x).__name__}; a raw input is a NumPy float32 array")
    if x.dtype != np.float32:
        raise InvalidArgument(f"{name} is {x.dtype} {x.shape}; a raw input is float32: x.astype(np.float32)")
    return np.asarray(x, order="C")


def _read_labels(labels: Sequence[str] | str | os.PathLike[str]) -> list[str]:
    if isinstance(labels, (str, os.PathLike)):
        try:
            return pathlib.Path(labels).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise NotFound(f"labels '{os.fspath(labels)}' cannot be read: {error.strerror}") from None
    names = list(labels)
    if not all(isinstance(name, str) for name in names):
        raise InvalidArgument("labels must be strings, in the order of the scores")
    return names


# ---- results


class Prediction:
    """The most probable classes, best first.

    Attributes
    ----------
    labels : list of str
    probs : list of float
    indices : list of int
        For one picture; lists of lists for a batch.
    """

    def __init__(self, net: Network, indices: AnyArray, probabilities: Array, *, is_single: bool) -> None:
        self._indices: list[list[int]] = indices.tolist()
        self._probs: list[list[float]] = [[float(p) for p in row] for row in probabilities]
        self._labels = [[net.label(index) for index in row] for row in self._indices]
        self._is_single = is_single

    def _unbatched(self, rows: list[Any]) -> list[Any]:
        return rows[0] if self._is_single else rows

    @property
    def labels(self) -> list[Any]:
        return self._unbatched(self._labels)

    @property
    def probs(self) -> list[Any]:
        return self._unbatched(self._probs)

    @property
    def indices(self) -> list[Any]:
        return self._unbatched(self._indices)

    @property
    def classes(self) -> list[int]:
        """The best class of each image."""
        return [row[0] for row in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __int__(self) -> int:
        if len(self._indices) != 1:
            raise InvalidArgument(f"there are {len(self._indices)} images; use .indices")
        return self._indices[0][0]

    def __repr__(self) -> str:
        blocks = []
        for number, (labels, probs, indices) in enumerate(zip(self._labels, self._probs, self._indices, strict=True)):
            width = max(len(label) for label in labels)
            lines = [
                f"{100 * p:6.2f} %  {label:<{width}}  {index}"
                for label, p, index in zip(labels, probs, indices, strict=True)
            ]
            blocks.append("\n".join(lines if self._is_single else [f"image {number}", *lines]))
        return "\n".join(blocks)

    def _repr_html_(self) -> str:
        rows = []
        for labels, probs, indices in zip(self._labels, self._probs, self._indices, strict=True):
            for label, p, index in zip(labels, probs, indices, strict=True):
                bar = f'<div style="background:#4393c3;height:0.8em;width:{100 * p:.1f}px"></div>'
                rows.append(
                    f"<tr><td>{html.escape(label)}</td><td>{100 * p:.2f} %</td><td>{bar}</td><td>{index}</td></tr>"
                )
        return f"<table>{''.join(rows)}</table>"


Pair: TypeAlias = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class SummaryRow:
    """One layer. Pairs are (height, width); a negative receptive field is the whole picture."""

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int
    macs: int
    memory: int
    receptive_field: Pair
    stride: Pair
    padding: Pair


class Summary(Sequence[SummaryRow]):
    """What a network is made of. A sequence of `SummaryRow`; ``.total`` adds them up; prints as a table."""

    def __init__(self, rows: list[SummaryRow], total: SummaryRow, text: str, preprocess: str) -> None:
        self.rows = rows
        self.total = total
        self._text = text
        self._preprocess = preprocess

    @overload
    def __getitem__(self, index: int) -> SummaryRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SummaryRow]: ...
    def __getitem__(self, index: int | slice) -> SummaryRow | Sequence[SummaryRow]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"{self._text}\n{self._preprocess}"

    def _repr_html_(self) -> str:
        def number(value: float) -> str:
            return "all" if value < 0 else f"{value:g}"

        def pair(values: Pair) -> str:
            return number(values[0]) if values[0] == values[1] else f"{number(values[0])}×{number(values[1])}"

        head = ("layer", "kind", "output", "params", "MACs", "memory", "receptive field", "stride")
        lines = [f"<tr>{''.join(f'<th>{word}</th>' for word in head)}</tr>"]
        for row in [*self.rows, self.total]:
            sees = row.receptive_field[0] >= 0
            cells = (
                html.escape(row.name),
                html.escape(row.kind),
                "×".join(str(size) for size in row.shape),
                f"{row.params:,}",
                f"{row.macs:,}",
                f"{row.memory / 1e6:.2f} MB",
                pair(row.receptive_field) if row is not self.total else "",
                pair(row.stride) if sees else "",
            )
            lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        return f"<table>{''.join(lines)}</table><p>{html.escape(self._preprocess)}</p>"


class Layers(Mapping[str, SummaryRow]):
    """Layers in the order in which they are computed: name -> `SummaryRow`. Tab completion completes names."""

    def __init__(self, net: Network) -> None:
        self._net = net
        self._names = dict.fromkeys(net._raw.layers)
        self._rows: dict[str, SummaryRow] | None = None

    def __getitem__(self, name: str) -> SummaryRow:
        resolved = self._net._raw.resolve(name)
        if self._rows is None:
            self._rows = {row.name: row for row in self._net.summary()}
        row = self._rows.get(resolved)
        if row is None:
            # The input and constants have no row of their own.
            none = (-1.0, -1.0)
            row = SummaryRow(resolved, "", (), 0, 0, 0, none, none, none)
        return row

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._names)

    def __repr__(self) -> str:
        return "\n".join(self._names)

    def _repr_html_(self) -> str:
        return self._net.summary()._repr_html_()
