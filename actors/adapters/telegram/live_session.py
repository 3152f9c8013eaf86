"""A session that a Telethon client works on: in memory, small, made of a credential and made into one again."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Self

from telethon import utils
from telethon.crypto import AuthKey
from telethon.sessions import MemorySession
from telethon.tl import types

from actors.core.credential import Credential, UpdatePoint
from actors.core.secret import Secret

CHANNELS_KEPT = 1000
"""Channels whose access hashes are remembered, the latest ones. Telethon itself would never forget any entity."""


class LiveSession(MemorySession):  # type: ignore[misc]  # telethon publishes no types
    """A session in memory. Of entities it keeps only what catching up after a gap takes: channels' access hashes."""

    def __init__(self, account_id: int | None = None) -> None:
        super().__init__()
        self.account_id = account_id
        """Whose login this is; None while it is not logged in."""
        self.api_id: int | None = None
        """The app that lets, or let, its key in; None if nobody noted it."""
        self.salt = 0
        """The data centre's salt of now. With another one, its first answer would only be that salt."""
        self._channels: OrderedDict[int, int] = OrderedDict()

    @classmethod
    def of(cls, credential: Credential) -> Self:
        """A session that is logged in with this credential."""
        session = cls(credential.account_id)
        session.api_id = credential.api_id
        session.set_dc(credential.dc_id, credential.address, credential.port)
        session.auth_key = AuthKey(bytes.fromhex(credential.auth_key.reveal()))
        for point in credential.updates:
            session.set_update_state(point.entity_id, _state(point))
            if point.access_hash:
                session.remember_channel(
                    utils.get_peer_id(types.PeerChannel(point.entity_id)), point.access_hash
                )
        return session

    def credential(self, account_id: int) -> Credential:
        """What this session is logged in with, and how far its updates are known."""
        key = Secret(self.auth_key.key.hex())
        updates = tuple(self._point(entity_id, state) for entity_id, state in self.get_update_states())
        return Credential(account_id, self.dc_id, self.server_address, self.port, key, updates, self.api_id)

    def process_entities(self, tlo: object) -> None:
        """Remember the channels among them."""
        for marked_id, access_hash, *_ in self._entities_to_rows(tlo):
            if utils.resolve_id(marked_id)[1] is types.PeerChannel:
                self.remember_channel(marked_id, access_hash)

    def remember_channel(self, marked_id: int, access_hash: int) -> None:
        """Keep a channel's access hash, under its id as Telethon marks it."""
        self._channels[marked_id] = access_hash
        self._channels.move_to_end(marked_id)
        if len(self._channels) > CHANNELS_KEPT:
            self._channels.popitem(last=False)

    def get_entity_rows_by_id(self, id: int, exact: bool = True) -> tuple[int, int] | None:  # noqa: A002 - as Telethon calls it
        """The channel of this id, which is marked if `exact`."""
        marked_id = id if exact else utils.get_peer_id(types.PeerChannel(id))
        access_hash = self._channels.get(marked_id)
        return None if access_hash is None else (marked_id, access_hash)

    def _point(self, entity_id: int, state: types.updates.State) -> UpdatePoint:
        _, access_hash = (entity_id and self.get_entity_rows_by_id(entity_id, exact=False)) or (0, 0)
        # A channel's date is only the moment of its saving, which must not make two equal states differ.
        date = 0 if entity_id else int(state.date.timestamp())
        return UpdatePoint(entity_id, state.pts, state.qts, date, state.seq, access_hash)


def _state(point: UpdatePoint) -> types.updates.State:
    date = datetime.fromtimestamp(point.date, UTC)
    return types.updates.State(point.pts, point.qts, date, point.seq, unread_count=0)
