"""The control interface: the sandbox's operations over HTTP on loopback, for whoever has the bearer key.

The key keeps web pages out, which could reach a loopback port from the operator's own browser.
"""

from ops.sandbox.control.server import ControlServer

__all__ = ["ControlServer"]
