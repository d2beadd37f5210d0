"""What is built and committed is what the sources make, is small, and works.

Each test runs one of the tools that a user of the package would run: the build,
node, the type checker, and the compiler on an application of theirs.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "js/dist"
LIBRARY = "node_modules/google-closure-library"
MAX_GZIPPED = 10 * 1024

SAMPLE_FLAGS = (
    "--platform=native",
    "--compilation_level=ADVANCED",
    "--dependency_mode=PRUNE",
    "--entry_point=goog:sample.App",
    f"--js={LIBRARY}/closure/goog/**.js",
    f"--js=!{LIBRARY}/closure/goog/**_test.js",
    f"--js={LIBRARY}/third_party/closure/goog/**.js",
    f"--js=!{LIBRARY}/third_party/closure/goog/**_test.js",
    "--js=closure/qmq/**.js",
    "--js=!closure/qmq/**_test.js",
    "--js=tests/js/sample_app.js",
    "--language_out=ECMASCRIPT_2018",
    "--warning_level=VERBOSE",
    "--jscomp_error=*",
    "--hide_warnings_for=google-closure-library",
    "--define=goog.DEBUG=false",
    "--assume_function_wrapper",
)


def run(*command: str) -> str:
    """What a command prints; its complaint is the test's."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_dist_and_error_table_are_what_the_sources_make():
    assert run("node", "js/build.mjs", "--check") == ""


@pytest.mark.parametrize("name", ["qmq.js", "qmq.mjs"])
def test_size(name):
    assert len(gzip.compress((DIST / name).read_bytes(), 9)) <= MAX_GZIPPED


def test_dist_names_no_path():
    for file in DIST.iterdir():
        text = file.read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert not re.search(r"node_modules|sourceMappingURL|closure/goog", text)


def test_node_uses_every_form_of_the_package():
    assert run("node", "tests/js/dist_use.cjs") == ""


def test_types():
    assert run("node_modules/.bin/tsc", "-p", "tests/js/tsconfig.json") == ""


def test_a_closure_application_compiles():
    compiled = run("node", "node_modules/google-closure-compiler/cli.js", *SAMPLE_FLAGS)
    # Something is left of it, and none of its private names is.
    assert "/topic/chat" in compiled
    assert "onMessage_" not in compiled


def test_the_client_imports_nothing_of_the_library():
    for file in (ROOT / "closure/qmq").rglob("*.js"):
        if file.stem.endswith("_test") or file.parent.name == "closure":
            continue
        required = re.findall(r"goog\.require(?:Type)?\('([\w.]+)'\)", file.read_text(encoding="utf-8"))
        assert [name for name in required if not name.startswith("qmq.")] == [], file


def test_lock_file_names_no_registry():
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")
