"""How a test says with which code something fails."""

import contextlib

import pytest

from qmq.errors import QmqError


@contextlib.asynccontextmanager
async def fails(code, text=""):
    with pytest.raises(QmqError) as error:
        yield
    assert error.value.code.name == code
    assert text in str(error.value)
