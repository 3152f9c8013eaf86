"""The outside world behind the actors' ports: the only place that knows telethon, asyncpg, redis and cryptography."""
