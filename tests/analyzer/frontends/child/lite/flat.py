"""Flatbuffers written by hand, for what the converter does not write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

IDENTIFIER = b"TFL3"


@dataclass(frozen=True, slots=True)
class Flat:
    """A model of one graph, put together tensor by tensor."""

    model: Any = field(
        default_factory=lambda: schema.ModelT(
            version=3,
            operatorCodes=[],
            buffers=[schema.BufferT()],
            subgraphs=[schema.SubGraphT(tensors=[], operators=[], inputs=[], outputs=[])],
        )
    )

    @property
    def graph(self) -> schema.SubGraphT:
        """The one graph."""
        return self.model.subgraphs[0]

    def tensor(
        self,
        name: str,
        shape: Sequence[int] = (),
        value: np.ndarray | None = None,
        *,
        dtype: str = "float32",
        **more: object,
    ) -> int:
        """Return the index of a new tensor, a constant where it has a value."""
        buffer = 0
        if value is not None:
            shape, dtype = value.shape, str(value.dtype)
            octets = np.frombuffer(value.tobytes(), np.uint8)
            self.model.buffers.append(schema.BufferT(data=octets))
            buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(
            schema.TensorT(
                name=name.encode(),
                shape=np.array(shape, np.int32),
                type=getattr(schema.TensorType, dtype.upper()),
                buffer=buffer,
                hasRank=True,
                **more,
            )
        )
        return len(self.graph.tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        table: str = "",
        options: Mapping[str, object] = {},
    ) -> None:
        """Add an operator with the options of a table."""
        number = getattr(schema.BuiltinOperator, kind)
        self.model.operatorCodes.append(
            schema.OperatorCodeT(
                builtinCode=number, deprecatedBuiltinCode=min(number, 127), version=1
            )
        )
        made = schema.OperatorT(
            opcodeIndex=len(self.model.operatorCodes) - 1,
            inputs=np.array(inputs, np.int32),
            outputs=np.array(outputs, np.int32),
        )
        if table:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            made.builtinOptions = getattr(schema, f"{table}T")(**options)
        self.graph.operators.append(made)

    def write(self, file: Path, inputs: Sequence[int], outputs: Sequence[int]) -> str:
        """Write the model and return its path."""
        self.graph.inputs = np.array(inputs, np.int32)
        self.graph.outputs = np.array(outputs, np.int32)
        builder = Builder(1024)
        builder.Finish(self.model.Pack(builder), IDENTIFIER)
        file.write_bytes(bytes(builder.Output()))
        return str(file)
