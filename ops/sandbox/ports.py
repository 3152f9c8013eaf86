"""The sockets that the sandbox listens on, bound all together or not at all."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

_BACKLOG = 1024


def listen(host: str, names: Iterable[int], remembered: Mapping[int, int]) -> dict[int, socket.socket]:
    """A listening socket for each name, on the port remembered for it or on any free one.

    OSError, saying what to do, when a remembered port is taken.
    """
    with ExitStack() as opened:
        listeners = {name: opened.enter_context(_listener(host, remembered.get(name, 0))) for name in names}
        opened.pop_all()
    return listeners


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds a port and turns everybody away until it listens; OSError when the port is taken."""
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, port))
    except OSError:
        holder.close()
        raise
    return holder


def _listener(host: str, port: int) -> socket.socket:
    try:
        listener = reserve(host, port)
    except OSError as refused:
        reason = (
            f"cannot listen on {host}:{port} ({refused.strerror}): stop the sandbox that runs there already"
        )
        raise OSError(refused.errno, f"{reason}, or delete state.json to begin a new one") from None
    listener.listen(_BACKLOG)
    return listener
