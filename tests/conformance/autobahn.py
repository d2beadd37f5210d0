"""Runs the fuzzing client of the Autobahn test suite against a WebSocket echo server.

    python tests/conformance/autobahn.py [ws://127.0.0.1:PORT/echo]

The suite is written for Python 2, which few systems still have. So the first
run makes an environment of its own under build/autobahn, downloads the
suite there, and turns the few modules that the client needs into Python 3:
the syntax mechanically (by fissix), and the meaning by one rule, that each
`str` of the old code becomes a text in which one character stands for one
octet. `autobahn_client.py` translates between such texts and real bytes at
the protocol's edge. Nothing that is downloaded is ever part of this repository.

It exits with zero only when each case asked for was reported, and is all right.
"""

import argparse
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv

import echo

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build" / "autobahn"
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}

SUITE = "autobahntestsuite==25.10.1"
# The last protocol library that has every attribute the suite reads, with what it runs on.
# pkg_resources left setuptools with version 82.
NEEDS = ["setuptools<82", "autobahn==0.10.9", "txaio==2.1.0", "twisted", "pyopenssl", "service_identity", "fissix"]

# Only these are converted; the rest of the suite is about other protocols.
MODULES = ["__init__.py", "_version.py", "fuzzing.py", "caseset.py", "case", "testdata"]

# (file name pattern, what the old code says, what Python 3 has to read)
PATCHES = [
    # The package imports commands that are not needed, and not converted.
    (r"^__init__\.py$", r"^(?:from \. )?import (?!warnings\b)\w+.*\n", ""),
    # Style sheets for reports that are not made here.
    (r"^fuzzing\.py$", r"^from report import (?:.*\\\n)*.*\n", ""),
    # Python 2's hexlify takes and gives `str`.
    (r".", r"\bbinascii\.(?:b2a_hex|hexlify)\(", "octets_as_hex("),
    # The suite asks the library's validator, which reads bytes, where a sequence goes wrong.
    (r"^case6_x_x\.py$", r"\bv\.validate\(([^()]+)\)", r"v.validate(\1.encode('latin-1'))"),
    # Two equal event lists need not have equal pickles: those depend on which parts are one object.
    (r"^case\.py$", r"pickle\.dumps\(obj1\) == pickle\.dumps\(obj2\)", "obj1 == obj2"),
    # zope.interface's old declarations; no case asked for here reads them.
    (r"^case9\w+\.py$", r"^from zope\.interface import implements$", "implements = repr"),
    # Python 2 divided whole numbers into whole numbers.
    (r"^case10_1_1\.py$", r"len\(self\.payload\) / ", "len(self.payload) // "),
    # In Python 3 each class is an object, so that `object` cannot come first.
    (r"^case\w+\.py$", r"\(object, Case, ?\)", "(Case,)"),
]


def run(*command: object) -> None:
    """Runs a command of the preparation; shows what it said only if it failed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def prepare() -> pathlib.Path:
    """Makes the environment if there is none, and returns its interpreter."""
    python = BUILD / "venv" / "bin" / "python"
    ready = BUILD / "ready"
    wanted = "\n".join([SUITE, *NEEDS, *map(repr, PATCHES)])
    if ready.exists() and ready.read_text() == wanted:
        return python
    print(f"preparing {BUILD.relative_to(HERE.parent.parent)}", flush=True)
    shutil.rmtree(BUILD, ignore_errors=True)
    venv.create(BUILD / "venv", with_pip=True)
    run(python, "-m", "pip", "install", *NEEDS)
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", folder, SUITE)
        (archive,) = pathlib.Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (package,) = pathlib.Path(folder).glob("*/autobahntestsuite")
        convert(python, package, BUILD / "suite" / "autobahntestsuite")
    ready.write_text(wanted)
    return python


def convert(python: pathlib.Path, package: pathlib.Path, target: pathlib.Path) -> None:
    """Turns the modules needed from Python 2 into Python 3."""
    target.mkdir(parents=True)
    for name in MODULES:
        copy = shutil.copytree if (package / name).is_dir() else shutil.copy
        copy(package / name, target / name)
    for file in target.rglob("*.py"):
        # Read as Latin-1, a text literal of several octets becomes as many characters: the one rule.
        file.write_text(file.read_bytes().decode("latin-1"), encoding="utf-8")
    run(python, "-m", "fissix", "--write", "--nobackups", "--no-diffs", target)
    for file in target.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for pattern, old, new in PATCHES:
            if re.search(pattern, file.name):
                text = re.sub(old, new, text, flags=re.MULTILINE)
        file.write_text(text, encoding="utf-8")


def show(results: dict[str, dict]) -> int:
    """Prints the cases that went wrong, then a count of each behaviour; returns how many went wrong."""
    counts: dict[str, int] = {}
    wrong = 0
    for case, result in sorted(results.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        outcome = (result["behavior"], result["behaviorClose"])
        counts[outcome[0]] = counts.get(outcome[0], 0) + 1
        if not GOOD.issuperset(outcome):
            wrong += 1
            print(f"{case:9} {outcome[0]:14} close {outcome[1]:16} code {result['remoteCloseCode']}")
            print(f"          expected {result['expected']}\n          received {result['received']}")
            print(f"          {result['result']} {result['resultClose']}")
    print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no results")
    return wrong


def main() -> int:
    """Runs the cases, and says how they went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", nargs="?", help="where an echo server listens; QMQ's own if left out")
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="PATTERN", help="which cases, as 6.4.* or 10.*")
    options = parser.parse_args()
    with contextlib.nullcontext(options.url) if options.url else echo.running() as url:
        return judge(url, options.cases)


def judge(url: str, cases: list[str]) -> int:
    """Runs the cases against a URL; 0 if all went well."""
    python = prepare()
    report = BUILD / "report.json"
    report.unlink(missing_ok=True)
    # Isolated: this script's folder must not come before the installed package of the same name.
    script = [python, "-I", HERE / "autobahn_client.py", BUILD / "suite", url, report, *cases]
    subprocess.run(list(map(str, script)), check=True)
    answer = json.loads(report.read_text())
    missing = sorted(set(answer["asked"]) - set(answer["results"]))
    if missing:
        print("not run:", *missing)
    wrong = show(answer["results"])
    return 1 if wrong or missing or not answer["asked"] else 0


if __name__ == "__main__":
    sys.exit(main())
