"""What keeps a command from running."""


class CannotRun(Exception):
    """The command could not do its work, which says nothing of the journal; the sentence names the fix."""
