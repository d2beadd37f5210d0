"""One client's conversation in one protocol: frames in, core operations, frames out. No sockets, no clock."""
