"""Save the torch network with each fault, in every form; run in a process of its own."""

import sys
from pathlib import Path

import torch
from torch_networks import FAULTS, SAMPLE, Heads, Tied, network


def build(folder: Path) -> None:
    """Save every network into a folder."""
    batch = torch.export.Dim("batch", min=1, max=64)
    for fault in ("", *FAULTS):
        program = torch.export.export(
            network(fault), (torch.zeros(SAMPLE),), dynamic_shapes=({0: batch},)
        )
        extra = {"labels.txt": "cat\ndog\n"}
        torch.export.save(program, folder / f"{fault or 'right'}.pt2", extra_files=extra)
        if not fault:
            torch.onnx.export(program, (), folder / "right.onnx", verbose=False)
        if fault == "weight":
            core = program.run_decompositions()
            torch.export.save(core, folder / "core.pt2")
    for fault in ("weight", "padding", "swapped"):
        net = network(fault)
        torch.save({"epoch": 3, "model": net.state_dict()}, folder / f"{fault}.pth")
        traced = torch.jit.trace(net, torch.zeros(SAMPLE))
        torch.jit.save(traced, folder / f"{fault}.pt")
    build_tied(folder)
    for turned in (False, True):
        net = Heads(turned=turned).eval()
        sample = (torch.zeros(SAMPLE),)
        program = torch.export.export(net, sample, dynamic_shapes=({0: batch},))
        torch.export.save(program, folder / f"heads{'_turned' * turned}.pt2")


def build_tied(folder: Path) -> None:
    """Save networks of two layers, whose weights are one tensor, or two."""
    nets = {
        "tied": Tied(),
        "tied_scaled": Tied(1.5),
        "apart": Tied(other=1.5, apart=True),
    }
    batch = torch.export.Dim("batch", min=1, max=64)
    for name, net in nets.items():
        sample = (torch.zeros(SAMPLE),)
        program = torch.export.export(net.eval(), sample, dynamic_shapes=({0: batch},))
        torch.export.save(program, folder / f"{name}.pt2")
        torch.jit.save(torch.jit.trace(net, sample), folder / f"{name}.pt")
        alone = {key: value.clone() for key, value in net.state_dict().items()}
        torch.save(alone, folder / f"{name}.pth")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
