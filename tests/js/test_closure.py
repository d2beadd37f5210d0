"""Runs closure/qmq/**/*_test.js, each in a page of its own, in a real Chromium.

Every JavaScript test is a test here, by its own name, and fails with its own
text. A file's page runs once, whatever the number of its tests. An error in the
console fails the file even if each of its tests is content.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "closure/qmq").rglob("*_test.js"))
SECONDS = 30

COLLECT = """
const results = G_testRunner.getTestResults() || {};
return {
  report: G_testRunner.getReport(true),
  tests: Object.entries(results).map(
      ([name, wrong]) => [name, wrong.map((w) => w.stacktrace || w.message || String(w))]),
};
"""


def names_in(file: str) -> list[str]:
    """The tests that a file's text declares."""
    source = (ROOT / file).read_text(encoding="utf-8")
    return re.findall(r"^  (?:async )?(test\w+)\(", source, re.MULTILINE)


CASES = [(file, name) for file in FILES for name in names_in(file)]


@pytest.fixture(scope="session")
def run(site, chromium):
    """Runs a file once; answers its report, its tests' complaints and the console."""
    done: dict[str, dict] = {}

    def run_once(file: str) -> dict:
        if file not in done:
            chromium.get(f"{site}/run?{file}")
            try:
                is_finished = "return !!window.G_testRunner && G_testRunner.isFinished()"
                WebDriverWait(chromium, SECONDS, 0.02).until(lambda d: d.execute_script(is_finished))
            except TimeoutException:
                pytest.fail(f"{file} did not finish: {chromium.get_log('browser')}")
            done[file] = chromium.execute_script(COLLECT)
            done[file]["console"] = [e for e in chromium.get_log("browser") if e["level"] == "SEVERE"]
        return done[file]

    return run_once


@pytest.mark.parametrize(("file", "name"), CASES, ids=[f"{Path(f).stem}-{n}" for f, n in CASES])
def test_case(run, file, name):
    complaints = dict(run(file)["tests"]).get(name)
    assert complaints is not None, f"{name} did not run\n{run(file)['report']}"
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("file", FILES)
def test_file_runs_what_it_declares_and_logs_no_error(run, file):
    result = run(file)
    assert sorted(name for name, _ in result["tests"]) == sorted(names_in(file))
    assert names_in(file), "a file of tests without a test"
    assert result["console"] == [], result["report"]


# A name, an interface or a record holds nothing to run; the compiler checks it.
WITHOUT_CODE = {"clientevent", "connect", "deps", "errorcode", "frame", "listener", "options", "state", "transport"} | {
    "transportkind"
}


def test_every_source_has_its_test():
    sources = {p for p in (ROOT / "closure/qmq").rglob("*.js") if not p.stem.endswith("_test")}
    untested = {p.stem for p in sources if not p.with_name(f"{p.stem}_test.js").exists()}
    assert untested == WITHOUT_CODE
