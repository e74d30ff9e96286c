"""Variables of a SavedModel's checkpoint are written where it is certain which is meant."""

from pathlib import Path

import numpy as np
import pytest

from analyzer.core.errors import ExportError

tf = pytest.importorskip("tensorflow")

checkpoint = pytest.importorskip("rewriter.export.child.checkpoint")

ZEROS, ONES = np.zeros(3, np.float32), np.ones(3, np.float32)


def saved(folder: Path, *values: object, name: str | None = None) -> Path:
    """Return the prefix of a checkpoint of some variables."""
    held = {f"v{n}": tf.Variable(one, name=name) for n, one in enumerate(values)}
    return Path(tf.train.Checkpoint(**held).write(str(folder / "variables")))


def held(prefix: Path) -> list[list[float]]:
    """Return what the variables hold, in order."""
    reader = tf.train.load_checkpoint(str(prefix))
    keys = sorted(key for key in reader.get_variable_to_shape_map() if key[0] == "v")
    return [reader.get_tensor(key).tolist() for key in keys]


def test_unnamed_variable_is_known_by_its_value(tmp_path: Path) -> None:
    """TensorFlow calls every variable without a name alike; one value tells which it is."""
    prefix = saved(tmp_path, ZEROS, ONES)

    checkpoint.rewrite(prefix, [checkpoint.NewValue("Variable", ONES, 5 * ONES)])

    assert held(prefix) == [[0, 0, 0], [5, 5, 5]]


def test_equal_unnamed_variables_are_left_alone(tmp_path: Path) -> None:
    """Of two that hold the same, none is taken for the other."""
    prefix = saved(tmp_path, ZEROS, ZEROS)
    wanted = [checkpoint.NewValue("Variable", ZEROS, ONES)]

    with pytest.raises(ExportError, match="2 variables Variable"):
        checkpoint.rewrite(prefix, wanted)
    assert held(prefix) == [[0, 0, 0], [0, 0, 0]]


def test_copies_of_a_variable_are_all_written(tmp_path: Path) -> None:
    """What is tracked twice under its own name is one variable to its user."""
    prefix = saved(tmp_path, ZEROS, ZEROS, name="dense/bias")

    checkpoint.rewrite(prefix, [checkpoint.NewValue("dense/bias", ZEROS, ONES)])

    assert held(prefix) == [[1, 1, 1], [1, 1, 1]]
