"""QMQ, the Quick Message Queue: a gateway that lets browser pages and back ends publish and subscribe."""

import os
import sysconfig
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Client", "Config", "Node", "QmqError", "Received", "Subscription", "Transaction", "__version__", "connect",
    "load_config",
]  # fmt: skip

if sysconfig.get_config_var("Py_GIL_DISABLED"):  # Tornado's own extension may turn the lock on (see `native`)
    os.environ.setdefault("TORNADO_NO_EXTENSION", "1")

if TYPE_CHECKING:
    from qmq.client import Client, Received, Subscription, Transaction, connect
    from qmq.config import Config
    from qmq.config import make as load_config
    from qmq.errors import QmqError
    from qmq.node import Node
else:
    _HOMES = {
        "Client": ("qmq.client", "Client"),
        "Config": ("qmq.config", "Config"),
        "Node": ("qmq.node", "Node"),
        "QmqError": ("qmq.errors", "QmqError"),
        "Received": ("qmq.client", "Received"),
        "Subscription": ("qmq.client", "Subscription"),
        "Transaction": ("qmq.client", "Transaction"),
        "connect": ("qmq.client", "connect"),
        "load_config": ("qmq.config", "make"),
    }

    def __getattr__(name):
        # A client should not pay for importing the server, nor the other way round.
        if name not in _HOMES:
            raise AttributeError(f"module 'qmq' has no attribute {name!r}")
        import importlib

        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)

    def __dir__():
        return sorted({*__all__, *globals()})
