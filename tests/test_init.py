"""What `import qmq` offers, and what it does not load before it is asked."""

import subprocess
import sys

import qmq


def test_a_client_does_not_load_the_server():
    code = "import sys, qmq; qmq.connect; assert 'qmq.client' in sys.modules and 'tornado' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names():
    assert qmq.load_config({"name": "x"}).name == "x"
    assert qmq.Node(qmq.Config(name="y")).config.name == "y"
