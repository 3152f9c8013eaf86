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


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as refused:
        listener.close()
        reason = (
            f"cannot listen on {host}:{port} ({refused.strerror}): stop the sandbox that runs there already"
        )
        raise OSError(refused.errno, f"{reason}, or delete state.json to begin a new one") from None
    return listener
