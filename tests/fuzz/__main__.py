"""Fuzzes the decoders for long: `python -m tests.fuzz [NAME...] [--runs N] [--engine own|atheris] [--first N]`.

An input that breaks something is kept in `build/fuzz/NAME-NUMBER`, and the program ends with
status 1 and says how to try it again.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.harness import MAX_SIZE, targets

FOUND = Path("build/fuzz")


def run_own(target, runs, first):
    """Tries inputs by number; returns how long that took.

    Raises:
        SystemExit: At the first input that breaks something.

    """
    begin = time.monotonic()
    for number in range(first, first + runs):
        data = target.input(number)
        try:
            target.check(data)
        except Exception as error:
            FOUND.mkdir(parents=True, exist_ok=True)
            path = FOUND / f"{target.name}-{number}"
            path.write_bytes(data)
            print(f"{target.name}: input {number} (kept in {path}) breaks it: {error!r}\n{data!r}")
            raise SystemExit(1) from error
    return time.monotonic() - begin


def run_atheris(name, runs):
    """Lets atheris try, in a process of its own, which is how it wants it."""
    target, folder = targets()[name], FOUND / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    words = FOUND / f"{name}.dict"
    words.write_text(
        "".join(['"' + "".join([rf"\x{octet:02x}" for octet in token]) + '"\n' for token in target.tokens])
    )
    code = (
        "import sys, atheris\n"
        "with atheris.instrument_imports(include=['qmq', 'tests.fuzz']):\n"
        "    from tests.fuzz.harness import targets\n"
        f"    target = targets()[{name!r}]\n"
        "atheris.Setup(sys.argv, target.check)\n"
        "atheris.Fuzz()\n"
    )
    options = [f"-runs={runs}", f"-max_len={MAX_SIZE}", f"-dict={words}", "-timeout=10", "-print_final_stats=1"]
    command = [sys.executable, "-c", code, *options, f"-artifact_prefix={FOUND}/{name}-", str(folder)]
    log = FOUND / f"{name}.log"
    with log.open("wb") as file:
        done = subprocess.run(command, stdout=file, stderr=file, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: atheris has found something, see {log}")


def main():
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help="decoders; all if left out")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for each decoder")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    options = parser.parse_args()
    known = targets()
    engine = options.engine
    if engine == "atheris" and importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here, and not every Python has it: nothing was tried")
        return
    for name in options.names or known:
        if name not in known:
            parser.error(f"{name} is none of {', '.join(known)}")
        begin = time.monotonic()
        if engine == "atheris":
            run_atheris(name, options.runs)
        else:
            run_own(known[name], options.runs, options.first)
        seconds = time.monotonic() - begin
        print(f"{name}: {options.runs:,} inputs in {seconds:.0f} s, {engine} engine; nothing found", flush=True)


if __name__ == "__main__":
    main()
