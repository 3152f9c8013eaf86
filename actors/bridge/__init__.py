"""The one crossing between trio, which runs the program, and asyncio, which its libraries need."""

from actors.bridge.crossing import BridgeLost, in_asyncio, in_trio
from actors.bridge.loop import Bridge, open_loop
from actors.bridge.signals import stop_signals

__all__ = ["Bridge", "BridgeLost", "in_asyncio", "in_trio", "open_loop", "stop_signals"]
