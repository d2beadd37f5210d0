"""The examples of docs/http.md, with curl as it is: they are run, and answer what is printed there."""

import re
import subprocess
from pathlib import Path

from tests.processes import Serve

TEXT = (Path(__file__).parents[2] / "docs/http.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_examples_do_what_they_say(tmp_path):
    serve = Serve(tmp_path / "ready.json")
    try:
        assert len(BLOCKS) == 6
        for block in BLOCKS:
            script = block.replace("127.0.0.1:8000", f"127.0.0.1:{serve.port}").replace("/tmp/jobs", f"{tmp_path}/jobs")
            done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=20, check=True)
            shown = [line[2:] for line in block.splitlines() if line.startswith("# ")]
            pattern = r"\s*".join(re.escape(line).replace("…", '[^"]*') for line in shown)
            assert re.fullmatch(pattern + r"\s*", done.stdout), (block, done.stdout)
        assert serve.stop()[0] == 0
    finally:
        serve.close()
