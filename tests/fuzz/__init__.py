"""Fuzzing of every decoder of foreign input: see `harness`."""
