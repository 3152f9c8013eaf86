"""Why an ask got no state for an answer. Each is one cause that the asker can act on."""

from __future__ import annotations


class Unanswered(Exception):
    """The session gave no answer. `retry_after`, if known, says in how many seconds to ask again."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class MailboxFull(Unanswered):
    """Too many requests already wait for this session."""


class NoAnswer(Unanswered):
    """The session did not answer within the asker's deadline. The command may still take effect."""


class Stopping(Unanswered):
    """The session is being stopped; another start, or another node, will answer."""


class Crashed(Unanswered):
    """The session failed while it worked on this command, and is being started again."""


class Parked(Unanswered):
    """The session failed too often, and rests until its cooldown is over."""


class StoreUnavailable(Unanswered):
    """The database cannot be reached, so nothing can be saved, so nothing is promised."""


class NotOwner(Unanswered):
    """Another node has this session, or is getting it: ask there. Here, nothing has begun."""


class NotUnderstood(Unanswered):
    """Two nodes cannot read each other: another release, or another keyring. The sentence says what the fix is."""


class StoreRefused(Exception):
    """A store answers, but will not serve us as we are set up. The sentence names the fix."""


class VersionConflict(Exception):
    """Somebody else has written this session's row since it was read."""


class CredentialSealed(Exception):
    """A credential is kept, but cannot be opened here. The sentence says why and names the fix."""


class CredentialSpent(Exception):
    """An auth key that the session has given up is to become its credential again: it is never used twice."""


class AppSealed(Exception):
    """A tenant's own app is kept, but its secrets cannot be opened here. The sentence says why and names the fix."""
