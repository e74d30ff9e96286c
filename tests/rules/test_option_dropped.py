"""What the rule's own fault is put into."""

import numpy as np
from onnx import helper, numpy_helper

from rules.models import model
from rules.settings.option_dropped import RULE


def test_option_is_dropped_where_the_standard_domain_has_its_other_name() -> None:
    """ONNX's own domain may be written as the empty string, or as ``ai.onnx``."""
    sum_up = helper.make_node("CumSum", ["x", "axis"], ["y"], reverse=1)
    healthy = model([sum_up], [numpy_helper.from_array(np.int64(1), "axis")])
    healthy.opset_import[0].domain = "ai.onnx"
    assert RULE.sabotage is not None
    spoiled = RULE.sabotage(healthy, np.random.default_rng(0))

    assert spoiled is not None
    assert not spoiled.graph.node[0].attribute
