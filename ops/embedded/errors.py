"""The one error an operator meets here; its sentence names the fix."""


class EmbeddedError(Exception):
    """An embedded server cannot be started (or is used wrongly)."""
