"""Tornado and sockets: how clients reach a node. What they say is understood in `session`."""
