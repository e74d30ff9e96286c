"""A small network and its real quantizations, built once."""

import pytest

from tests.quantization.networks import Quantized, built


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    """The network as ONNX Runtime's own quantizers write it."""
    return built(tmp_path_factory.mktemp("quantized"))
