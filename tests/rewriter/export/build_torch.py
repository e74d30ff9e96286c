"""Save the torch network with each fault, in every form; run in a process of its own."""

import sys
from pathlib import Path

import torch
from torch_networks import FAULTS, SAMPLE, network


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


if __name__ == "__main__":
    build(Path(sys.argv[1]))
