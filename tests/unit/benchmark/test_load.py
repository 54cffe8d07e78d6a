"""The load generator's refusals; what it does is tested against servers, in tests/integration."""
import pytest

from kv.benchmark.load import Load


def test_load_refuses_a_path_that_no_socket_can_have():
    with pytest.raises(OSError, match="too long"):
        Load(b"", target=b"/" + b"x" * 200)
