"""The code of a TorchScript archive is read before torch compiles it."""

import pytest

from analyzer.frontends.script_safety import script_dangers

HEAD = "class M(Module):\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n    "


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('torch.save(x, "f")', "calls save"),
        ('x.save("f")', "calls save"),
        ('self.weight.save("f")', "calls save"),
        ('getattr(x, "save")("f")', "calls save"),
        ("getattr(x, name)", "without a name"),
        ('y = torch.from_file("f")', "calls from_file"),
        ('y = ops.aten.from_file("f")', "calls from_file"),
        ("y = ops.mylib.run(x)", "operators of mylib"),
        ('y = __torch__.torch.classes.aoti.Runner("f")', "torch.classes.aoti"),
        ('y = getattr(ops, "mylib").run(x)', "passes ops on"),
        ("lib = ops\n    y = lib.mylib.run(x)", "passes ops on"),
        ('y = getattr(__torch__.torch.classes, "aoti")', "passes __torch__.torch.classes"),
        ("y = (", "is no TorchScript"),
    ],
)
def test_code_that_opens_files_is_told(line: str, words: str) -> None:
    """Whatever way the operator is called."""
    assert words in " ".join(script_dangers("code/m.py", HEAD + line))


@pytest.mark.parametrize(
    "line",
    [
        'y = getattr(self, "0")',
        "y = torch.conv2d(x, self.weight, None, [1, 1], [0, 0], [1, 1], 1)",
        "y = ops.prim.data(x)",
        "y = (self.saved).forward(x, )",
        "y = annotate(List[Tensor], [])",
        "y = __torch__.torch.nn.functional.relu",
        "y = ops.quantized.linear(x, CONSTANTS.c0, 0.5, 0)",
    ],
)
def test_code_that_computes_is_silent(line: str) -> None:
    """What torch itself writes for a network."""
    assert list(script_dangers("code/m.py", HEAD + line)) == []
