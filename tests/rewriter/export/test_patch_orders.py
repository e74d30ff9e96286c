"""An order of axes in a module's code is set right by a hook of the modules around it."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

fx_work = pytest.importorskip("rewriter.export.child.fx_work")
patch_orders = pytest.importorskip("rewriter.export.child.patch_orders")
patch_script = pytest.importorskip("rewriter.export.child.patch_script")

Turn = Callable[[object], object]


class Turning(torch.nn.Module):  # type: ignore[misc]  # untyped package
    """A convolution whose result is turned, and read by another module, or by no module."""

    def __init__(self, turn: Turn, reader: Turn | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(2, 4, 3)
        self.turn = [turn]
        self.second = torch.nn.Conv2d(4, 4, 3) if reader is None else reader

    def forward(self, image: object) -> object:
        """Return what the reader makes of the turned image."""
        return self.second(self.turn[0](self.first(image)))


class Flipped(torch.nn.Module):  # type: ignore[misc]  # untyped package
    """Exchanges height and width."""

    def forward(self, image: object) -> object:
        """Return the image on its side."""
        return torch.transpose(image, 2, 3)


def patched(model: Turning, name: str, axes: tuple[int, ...]) -> tuple[str, ...]:
    """Return the lines for a program in which one call orders the axes in another way.

    The module is changed by them.
    """
    program = torch.export.export(model, (torch.zeros(1, 2, 6, 6),))
    were, places = patch_orders.turns(program), patch_script.places(program)
    node = next(one for one in program.graph.nodes if one.name == name)
    node.target, node.args = torch.ops.aten.permute.default, (node.args[0], list(axes))
    stated = (fx_work.Stated(name, "dims", [], list(axes)),)
    mended = fx_work.Mended({}, stated, (), (), (), (), {})
    modules = {call: one.module for call, one in places.items() if one.alone}
    lines: tuple[str, ...] = patch_orders.ordered(program, mended, were, modules).lines
    exec("\n".join(lines), {"module": model})  # noqa: S102 - lines that we wrote
    return lines


IMAGE = torch.rand(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))


def test_reader_is_given_the_axes_in_the_right_order() -> None:
    """Where height and width are exchanged, the reader's hook exchanges them back."""
    model = Turning(lambda x: x.transpose(2, 3))
    right = Turning(lambda x: x)(IMAGE)

    patched(model, "transpose", (0, 1, 2, 3))

    assert torch.allclose(model(IMAGE), right)


def test_order_of_three_axes_is_the_right_one() -> None:
    """An order that is not its own inverse is undone, and not done once more."""
    model = Turning(lambda x: x.permute(0, 2, 3, 1))
    right = Turning(lambda x: x.permute(0, 3, 1, 2))(IMAGE)

    patched(model, "permute", (0, 3, 1, 2))

    assert torch.allclose(model(IMAGE), right)


def test_giver_is_hooked_where_no_module_reads() -> None:
    """What a function of the user's code reads is put in order before it is turned."""
    model = Turning(lambda x: x.permute(0, 2, 3, 1), torch.flatten)
    right = Turning(lambda x: x.permute(0, 3, 1, 2), torch.flatten)(IMAGE)

    lines = patched(model, "permute", (0, 3, 1, 2))

    assert "register_forward_hook" in "".join(lines)
    assert torch.equal(model(IMAGE), right)


def test_nothing_is_said_where_no_module_stands_around_it() -> None:
    """A tensor that another call reads too has no hook of its own."""
    model = Turning(lambda x: x.transpose(2, 3) + x, torch.flatten)

    assert not patched(model, "transpose", (0, 1, 2, 3))


def test_module_that_only_turns_is_left_to_be_taken_out() -> None:
    """Where nothing is turned any more, no hook undoes what a module does."""
    model = Turning(lambda x: x)
    model.first = torch.nn.Sequential(model.first, Flipped())
    program = torch.export.export(model, (torch.zeros(1, 2, 6, 6),))
    were, places = patch_orders.turns(program), patch_script.places(program)
    gone = next(node for node in program.graph.nodes if node.name == "transpose")
    gone.replace_all_uses_with(gone.args[0])
    mended = fx_work.Mended({}, (), (), ("transpose",), (), (), {})
    modules = {call: one.module for call, one in places.items() if one.alone}

    assert not patch_orders.ordered(program, mended, were, modules).lines
