"""Reads logins that Telethon and Pyrogram keep in files. Nothing here writes to, locks or connects with one."""

from actors.adapters.imports.found import Found, Oddity, find
from actors.adapters.imports.reading import read
from actors.adapters.imports.room import Room

__all__ = ["Found", "Oddity", "Room", "find", "read"]
