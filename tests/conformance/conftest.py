"""Lets the conformance tests import what lies beside them."""

import pathlib
import sys

# At the end: the script autobahn.py must not hide an installed package of that name.
sys.path.append(str(pathlib.Path(__file__).parent))
