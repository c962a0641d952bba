# SPDX-License-Identifier: Apache-2.0
"""ONNX's own operator suite, for the operators that cnnlens promises.

The cases come from the ``onnx`` package (pinned in pyproject.toml), which computes them with NumPy. The engine
computes in float32: float16, float64 and bool inputs are given as float32, whole numbers (axes, shapes) become
constants of the model, as real exports have them. Where an operator wants its parameters (weights, scales, limits)
known at load, all inputs but the first become constants. Outputs that only training uses (means, masks, places of
maxima) are left out. Every case runs, or is skipped for the reason that onnx_node_skips.txt gives for it.
"""

import fnmatch
import importlib
import pathlib
import pkgutil
import warnings

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

import cnnlens as cl

OPERATORS = set(
    """
    Conv ConvTranspose Gemm MatMul BatchNormalization InstanceNormalization LayerNormalization
    GroupNormalization LRN MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool Relu LeakyRelu PRelu Elu
    Selu Celu Gelu Mish Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign Erf Clip Exp Log Sqrt Pow Abs Neg
    Reciprocal Sin Cos Ceil Floor Add Sub Mul Div Min Max Sum Mean Softmax LogSoftmax ReduceMean ReduceSum
    ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceProd ReduceSumSquare Concat Split Slice Gather GatherND
    Reshape Flatten Transpose Squeeze Unsqueeze Expand Tile Pad Resize Upsample DepthToSpace SpaceToDepth
    Dropout Identity Cast Where Equal Less Greater Not And Or CumSum Constant ConstantOfShape EyeLike Range
    Shape Size
    """.split()  # noqa: SIM905
)


def collect():
    """The cases of the modules that belong to the operators. (Importing a module computes its cases.)"""
    from onnx.backend.test.case import node as package

    wanted = {name.lower() for name in OPERATORS}
    aliases = {"pool_op_common", "hardswish", "reduce_log_sum", "reduce_log_sum_exp"}
    for module in pkgutil.iter_modules(package.__path__):
        name = module.name.replace("_", "")
        if name in wanted or name.removeprefix("_") in wanted or module.name in aliases - {"pool_op_common"}:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(f"{package.__name__}.{module.name}")
    cases = {}
    for case in package._NodeTestCases:
        own = case.model.graph.node[0].op_type if case.model.graph.node else ""
        known = {name for name in OPERATORS if name.lower() in case.name.replace("_", "")}
        if own in OPERATORS or (case.name.endswith("_expanded") and known) or "_expanded_ver" in case.name:
            cases.setdefault(case.name, case)
    return cases


def read_skips():
    path = pathlib.Path(__file__).with_name("onnx_node_skips.txt")
    lines = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line and line[0] != "#"]
    return dict(lines)


CASES = collect()
SKIPS = read_skips()


def why_skipped(name):
    return next((reason for pattern, reason in SKIPS.items() if fnmatch.fnmatchcase(name, pattern)), None)


AS_FLOAT = (np.float16, np.float32, np.float64, np.bool_)
TRAINING_OUTPUTS = {"LayerNormalization", "Dropout", "MaxPool"}


def array(value):
    """What a case holds as a NumPy array; float16 and the like as float32."""
    result = numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)
    return result.astype(np.float32) if result.dtype in AS_FLOAT or result.dtype.name == "bfloat16" else result


def precision(info):
    """What rounding to an output's type may change; the engine does not round."""
    kind = info.type.tensor_type.elem_type
    return {TensorProto.BFLOAT16: 2.0**-8, TensorProto.FLOAT16: 2.0**-11}.get(kind, 0.0)


def with_constants(case, values, is_constant):
    """The case's model with some of its inputs as constants, and the inputs that are left."""
    model = type(case.model)()
    model.CopyFrom(case.model)
    if len(model.graph.node) == 1 and model.graph.node[0].op_type in TRAINING_OUTPUTS:
        del model.graph.node[0].output[1:]
        del model.graph.output[1:]
    inputs = {}
    left = []
    for info, value in zip(model.graph.input, values, strict=False):
        if is_constant(len(inputs), value):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), info.name))
        else:
            inputs[info.name] = np.asarray(value, order="C")
            info.type.tensor_type.elem_type = TensorProto.FLOAT
            left.append(info)
    del model.graph.input[:]
    model.graph.input.extend(left)
    return model.SerializeToString(), inputs, len(model.graph.output)


def outputs(case, values):
    def is_parameter(position, value):
        return value.dtype != np.float32

    def is_not_first(position, value):
        return position > 0 or value.dtype != np.float32

    data, inputs, count = with_constants(case, values, is_parameter)
    try:
        return cl.load(data).run(inputs), count
    except cl.Error:
        if len(inputs) < 2:
            raise
    data, inputs, count = with_constants(case, values, is_not_first)
    return cl.load(data).run(inputs), count


@pytest.mark.parametrize("name", sorted(CASES))
def test_case(name):
    reason = why_skipped(name)
    if reason:
        pytest.skip(reason)
    case = CASES[name]
    for values, expected in case.data_sets:
        found, count = outputs(case, [array(value) for value in values])
        for info, wanted in list(zip(case.model.graph.output, expected, strict=True))[:count]:
            result = found[info.name]
            wanted = array(wanted)
            assert result.shape == wanted.shape
            rtol = max(case.rtol, precision(info))
            np.testing.assert_allclose(result, wanted.astype(np.float32), rtol=rtol, atol=case.atol)


def test_every_reason_is_needed():
    unused = [pattern for pattern in SKIPS if not any(fnmatch.fnmatchcase(name, pattern) for name in CASES)]
    assert not unused
