"""Backups of sessions: a Telethon SQLite file each, sealed under a key of the keyring, one folder a session.

Whoever has a backup and its key has the account, so the key lies elsewhere. All functions block: call them in a
thread.
"""
