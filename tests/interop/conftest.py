"""Fixtures of the interoperation tests."""

from tests.helpers import io_loop

__all__ = ["io_loop"]
