"""What torch would run as code is found in a program; what it writes itself passes."""

import pytest

from analyzer.frontends.safety import dangers, expression, guard

HOSTILE_SIZES = [
    "__import__('os').system('x')",
    "().__class__",
    "s0.__class__",
    "Max('__import__(\"os\")', s0)",
    "Integer('a b')",
    "s0[0]",
    "lambda: 0",
    'Symbol("s0")',
    "Function('f')(s0)",
    "s0 if s1 else s2",
    "Max(" * 2000 + "s0" + ")" * 2000,
]
REAL_SIZES = [
    "s77",
    "Symbol('s77', positive=True, integer=True)",
    "Mul(Integer(2), Symbol('s0', integer=True), Pow(Integer(3), Integer(-1)))",
    "FloorDiv(s17 + 2, 4)",
    "Max(1, Min(8, u0))",
    "Float('0.5', precision=53)",
    "ToFloat(s1)*0.25",
]
HOSTILE_GUARDS = [
    "open('x', 'w')",
    "L['x'].__class__",
    "(lambda: 0)()",
    'L[\'a"); open("x")\'].size()[0] == 1',
    "[0 for _ in L]",
    "math.system('x')",
    "not an expression",
]
REAL_GUARDS = [
    "L['y'].size()[0] == L['x'].size()[0]",
    "L['x'].size()[0] % 2 == 0 and L['x'].stride()[0] > 1",
    "Eq(Mod(L['x'].size()[0], 4), 0)",
]


@pytest.mark.parametrize("text", HOSTILE_SIZES)
def test_size_that_is_code_is_found(text: str) -> None:
    """SymPy evaluates the text, and strings within it once more."""
    assert list(expression(text))


@pytest.mark.parametrize("text", REAL_SIZES)
def test_size_that_torch_writes_passes(text: str) -> None:
    """Arithmetic on named sizes is what dynamic shapes are made of."""
    assert not list(expression(text))


@pytest.mark.parametrize("text", HOSTILE_GUARDS)
def test_guard_that_is_code_is_found(text: str) -> None:
    """Torch pastes guards into a function and executes it."""
    assert list(guard(text))


@pytest.mark.parametrize("text", REAL_GUARDS)
def test_guard_that_torch_writes_passes(text: str) -> None:
    """Comparisons of the sizes of inputs are what guards are made of."""
    assert not list(guard(text))


def node(target: str) -> dict[str, object]:
    """Return a node of a program's graph."""
    return {"target": target, "inputs": [], "outputs": [], "metadata": {"trace": "f('x')"}}


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.load",
        "_operator.add.__globals__",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "math.__loader__.load_module",
        "#module:thing",
        "torch.ops.higher_order.triton_kernel_wrapper_mutation",
        "_operator.attrgetter",
        "_operator.methodcaller",
        "_operator.call",
        "torch.ops.aten.add.__getattribute__",
        "torch.ops.aten.__class__",
    ],
)
def test_node_that_calls_no_operator_is_found(target: str) -> None:
    """Torch looks the target up below its own package, which has imported os."""
    assert list(dangers({"nodes": [node(target)]}))


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.conv2d.default",
        "torch.ops.aten.__and__.Scalar",
        "_operator.getitem",
        "_operator.floordiv",
        "torch.sym_max",
    ],
)
def test_node_that_calls_an_operator_passes(target: str) -> None:
    """What its metadata says is text."""
    assert not list(dangers({"nodes": [node(target)]}))


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [{"name": "x=open('marker', 'w')"}]},
        {"tensor_values": {"x'); open('y')": {}}},
        {"parameter_name": 'a"]+open("x")+["'},
        {"in_spec": '[1, {"type": "t", "context": "{\\"__enum__\\": true}"}]'},
        {"out_spec": '[1, {"context": "{\\"default_factory_module\\": \\"this\\"}"}]'},
        {"arg": {"as_operator": "torch.os.system"}},
    ],
)
def test_code_in_any_other_field_is_found(document: dict[str, object]) -> None:
    """Names reach generated source, and structures import the modules they name."""
    assert list(dangers(document))
