"""What all fuzz targets share: how they are found, what they are fed, and how a finding is told.

A target is a file `fuzz_NAME.py` beside this one. Its docstring states what must hold
whatever comes; `check(data)` raises if it does not. `SEEDS` are inputs to begin with, `TOKENS`
what such inputs are made of. `test_fuzz` tries a few hundred inputs of each in every run
of the suite; `python -m tests.fuzz` (or `make fuzz`) tries a million, or more.

Inputs come from our own mutations, each a function of (target, number), so that a finding
can be repeated by its number; or, with `--engine atheris`, from atheris, which is guided by
what code an input reaches.
"""

import importlib
import random
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
MAX_SIZE = 4096  # octets of an input, so that none takes long

_OCTETS = bytes((0, 1, 9, 10, 13, 32, 34, 44, 46, 47, 48, 57, 58, 91, 92, 93, 123, 125, 126, 127, 128, 192, 237, 255))


@dataclass(frozen=True)
class Target:
    """One decoder, and what must hold of it."""

    name: str
    module: ModuleType

    @property
    def seeds(self):
        return [*self.module.SEEDS, b""]

    @property
    def tokens(self):
        return getattr(self.module, "TOKENS", ())

    def check(self, data):
        """Feeds it with an input.

        Raises:
            Exception: If what must hold does not.

        """
        self.module.check(data)

    def input(self, number):
        """The input of this number; the first ones are the seeds themselves."""
        seeds = self.seeds
        if number < len(seeds):
            return seeds[number]
        return mutate(random.Random(f"{self.name} {number}"), seeds, self.tokens)


def targets():
    """All targets, by name."""
    names = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))
    return {name: Target(name, importlib.import_module(f"tests.fuzz.fuzz_{name}")) for name in names}


def mutate(chance, seeds, tokens=()):
    """An input that is like one of the seeds, or like several, or like nothing."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        chance.choice(_MUTATIONS)(chance, data, seeds, tokens)
    return bytes(data[:MAX_SIZE])


def _somewhere(chance, data):
    """A range in the data, mostly a short one."""
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((0, 1, 1, 2, 4, 16, 64)))


def _change_bit(chance, data, seeds, tokens):
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _put_octet(chance, data, seeds, tokens):
    start, _ = _somewhere(chance, data)
    data[start : start + chance.randrange(2)] = bytes((chance.choice(_OCTETS),))


def _put_token(chance, data, seeds, tokens):
    if tokens:
        start, end = _somewhere(chance, data)
        data[start : chance.choice((start, end))] = chance.choice(tokens)


def _cut(chance, data, seeds, tokens):
    start, end = _somewhere(chance, data)
    del data[start:end]


def _repeat(chance, data, seeds, tokens):
    start, end = _somewhere(chance, data)
    data[start:start] = data[start:end] * chance.choice((1, 1, 2, 50))


def _end_here(chance, data, seeds, tokens):
    del data[chance.randrange(len(data) + 1) :]


def _splice(chance, data, seeds, tokens):
    other = chance.choice(seeds)
    start, _ = _somewhere(chance, data)
    data[start:] = other[chance.randrange(len(other) + 1) :]


def _noise(chance, data, seeds, tokens):
    start, end = _somewhere(chance, data)
    data[start:end] = chance.randbytes(chance.choice((1, 2, 4, 16)))


def _number(chance, data, seeds, tokens):
    start, end = _somewhere(chance, data)
    value = chance.choice((0, 1, -1, 9, 125, 126, 65535, 65536, 1 << 31, (1 << 63) - 1, 1 << 64, 10**18))
    data[start:end] = chance.choice((b"%d" % value, (value % (1 << 64)).to_bytes(8, "big")))


_MUTATIONS = (_change_bit, _put_octet, _put_token, _put_token, _cut, _repeat, _end_here, _splice, _noise, _number)


def pieces(data):
    """An input cut into pieces in a way that it chooses itself."""
    size = 1 + data[0] % 7 if data else 1
    return [data[start : start + size] for start in range(0, len(data), size)]
