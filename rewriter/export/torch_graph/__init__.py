"""ONNX as a torch program: each node becomes the torch calls that compute the same.

`table` finds the function of each operator, `call` is what one is given, `known` reckons
with sizes, `network` walks the graph, `program` writes the ``.pt2``. Only a child process
imports these modules: torch is heavy, and may die.
"""
