"""Write a small torch network in every format, right and with each fault, in a folder."""

import shutil
import sys
from pathlib import Path

import torch
from torch import nn

FAULTS = ("weight", "attribute", "activation", "padding", "missing", "extra", "layout")
SIZE = 16
LOUD = 4.0
"""Factor of the normalised values, so that one in ten passes six: a wrong clip shows."""


class Network(nn.Module):
    """A small image network; a known word builds one fault into it."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(8)
        self.stem_relu = nn.ReLU() if fault == "activation" else nn.ReLU6()
        self.dw = nn.Conv2d(8, 8, 3, 1, 0 if fault == "padding" else 1, groups=8)
        self.dw_leaky = nn.LeakyReLU(0.5 if fault == "attribute" else 0.1)
        self.odd = nn.Tanh()
        self.pw = nn.Conv2d(8, 12, 1)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(12, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        x = self.stem_relu(self.stem_bn(self.stem(image)))
        x = self.dw_leaky(self.dw(x.transpose(2, 3) if self.fault == "layout" else x))
        x = self.pw(self.odd(x) if self.fault == "extra" else x)
        x = x if self.fault == "missing" else torch.relu(x)
        return self.head(self.pool(x).mean((2, 3)))


def network(fault: str) -> Network:
    """Return the network, all its weights of weight; one wrong where that is the fault."""
    drawn = torch.Generator().manual_seed(1)
    model = Network(fault).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                continue
            size = 0.5 + 1.5 * torch.rand(value.shape, generator=drawn)
            sign = torch.randint(2, value.shape, generator=drawn) * 2 - 1
            if name in {"stem_bn.weight", "stem_bn.running_var"}:
                sign = LOUD if name.endswith("weight") else 1.0
            value.copy_(size * sign / max(value[0].numel(), 1) ** 0.5)
        if fault == "weight":
            model.stem.weight[3] *= -1.0
    return model


def main(folder: Path) -> None:
    """Write every fault in every format."""
    example = (torch.zeros(2, 3, SIZE, SIZE),)
    dynamic = {"image": {0: torch.export.Dim("batch")}}
    for fault in ("right", *FAULTS):
        own = folder / fault
        own.mkdir(parents=True, exist_ok=True)
        model = network(fault)
        program = torch.export.export(model, example, dynamic_shapes=dynamic)
        torch.export.save(program, own / "program.pt2")
        torch.jit.trace(model, example).save(own / "script.pt")
        torch.save(model.state_dict(), own / "weights.pt")
        torch.onnx.export(program, (), own / "model.onnx", dynamo=True, external_data=False)
        shutil.copy(__file__, own / "written.py")
        lines = "from written import network, SIZE, torch\n\n\ndef build():\n"
        call = f"    return network({fault!r}), (torch.zeros(2, 3, SIZE, SIZE),)\n"
        (own / "factory.py").write_text(lines + call)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
