"""Telegram behind the actors' port: real Telethon clients, one connection per auth key, and their session files."""

from actors.adapters.telegram.app import DcAddress, DeviceProfile, TelegramApp
from actors.adapters.telegram.apps import TelegramApps
from actors.adapters.telegram.line import TelethonLines
from actors.adapters.telegram.session_file import SessionFiles

__all__ = ["DcAddress", "DeviceProfile", "SessionFiles", "TelegramApp", "TelegramApps", "TelethonLines"]
