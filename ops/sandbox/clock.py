"""The time that the sandbox's clients are told and judged by, which can be made wrong."""

import time


class Clock:
    """The server's clock: the true time (Unix, in seconds) and how far off it is.

    What the sandbox measures for itself, such as how long a token has lived, goes by the true time.
    """

    def __init__(self) -> None:
        self.skew = 0.0
        #: how often it was set: what was in order before a change cannot be compared with what comes after
        self.settings = 0

    def __call__(self) -> float:
        """The time it shows."""
        return time.time() + self.skew

    def set(self, skew: float) -> None:
        """Show the true time plus `skew` seconds from now on."""
        self.skew = skew
        self.settings += 1
