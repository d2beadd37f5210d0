"""Bytes to frames and back, one module per protocol. No I/O, no clock, no core.

Every decoder has the same two parts: `feed(data)` returns what the bytes
complete, never raises, and has caps; `error` says what was wrong with the input.
"""
