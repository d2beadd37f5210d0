"""Must hold: a configuration file is one, or is refused with one line that says what is wrong; nothing else is raised.

The same holds of what is made of it: rules of queues, exchanges, bindings and topics.
"""

import os
import tempfile
from pathlib import Path

from qmq.config import load
from qmq.errors import ConfigError
from qmq.rules import history_rules, rules_of

SEEDS = [
    b'listen = ["http://127.0.0.1:0"]\nname = "node-a"\n', b"[limits]\nbody = 65536\nconnect_seconds = 1.5\n",
    b'[[queues]]\nname = "jobs.#"\nmax-length = 10\noverflow = "reject-publish"\ndead-letter = "/queue/dead"\n',
    b'[[exchanges]]\nname = "own"\nkind = "topic"\n[[bindings]]\nsource = "own"\ndestination = "/queue/a"\nkey = "#"\n',
    b'[[topics]]\nname = "/topic/prices.#"\nmessages = 10\nseconds = 5.0\n', b"allow_anonymous = true\ndemo = false\n",
    b'trusted_proxies = ["10.0.0.0/8"]\nproxy_protocol = ["stomp"]\nallowed_origins = ["https://a.example"]\n',
    b'listen = ["stomp://0.0.0.0:1"]\n', b"x = 1\n", b"limits = 1\n", b"[limits]\nbody = nan\n", b"name = 1979-05-27\n",
    b"[tls]\nclient_certificates = \"required\"\n", b"a" * 500, b"[" * 500, b"x = " + b"[" * 900, b"\xff",
]  # fmt: skip
TOKENS = [
    b"=", b"[", b"]", b"[[", b"]]", b'"', b"'''", b"#", b"\n", b",", b"{", b"}", b"true", b"inf", b"-1", b"1e400",
    b"0x1f", b"\\u0000", b"\\ud800", b"name", b"limits", b"queues", b"listen", b"9" * 30,
]  # fmt: skip

_FILE = Path(tempfile.mkdtemp(prefix="qmq-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)) / "qmq.toml"


def check(data):
    _FILE.write_bytes(data)
    try:
        config = load(None, str(_FILE), {})
        rules_of(config)
        history_rules(config)
    except ConfigError as error:
        assert str(error) and "\n" not in str(error), error
