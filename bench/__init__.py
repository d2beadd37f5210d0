"""The benchmark of QMQ: one load generator, several servers, one table.

Run it with `python -m bench`. It is a tool beside the server, not a part of it: nothing in `server/` imports it, and it
imports nothing of the server, which it only starts as a command. `bench.matcher` is the exception: it measures one
part of it.
"""
