"""Writing a file so that a killed process leaves the old one or the new one, readable by its owner only."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` with mode 0600, whole or not at all.

    It is not forced to the disk: that would keep every client waiting for it at each new key, and only a computer
    that loses its power could tell the difference, in a sandbox.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
