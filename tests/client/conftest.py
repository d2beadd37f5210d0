"""What the tests of the client share."""

import pytest


@pytest.fixture
def url():
    """The address of a node."""
    return lambda node: f"ws://127.0.0.1:{node.listen[0]['port']}"
