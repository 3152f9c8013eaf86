"""What is done to the sandbox from outside the protocol, by tests or through the control interface."""

import secrets

from telethon.crypto import AuthKey as TelethonKey
from telethon.sessions import StringSession

from ops.sandbox.description import token_of
from ops.sandbox.diffie_hellman import SIZE
from ops.sandbox.keys import AuthKey, Device
from ops.sandbox.methods import devices, qr
from ops.sandbox.world import World


def provision(world: World, phone: str) -> str:
    """A Telethon session string that is logged in as an account already, made without any key exchange."""
    account = world.accounts[phone]
    key = world.keys.create(account.dc_id, secrets.token_bytes(SIZE), first_salt=0)
    world.keys.describe(key, Device(world.description.api_id, "SANDBOX provisioned", "", "", "en"))
    world.keys.authorize(key, account.user_id)
    address = world.description.dc(account.dc_id)
    session = StringSession()
    session.set_dc(*address)
    session.auth_key = TelethonKey(key.secret)
    return str(session.save())


def accept(world: World, url: str, phone: str) -> None:
    """Scan a `tg://login?token=…` url with an account's phone; RpcError when it lets nobody in."""
    qr.accept(world, token_of(url), world.accounts[phone])


def revoke(world: World, phone: str, authorization_hash: int | None = None) -> int:
    """End one login of an account, or all; how many that were. Connected clients are told."""
    return devices.revoke(world, world.accounts[phone], authorization_hash)


def forget(world: World, session: str) -> None:
    """Forget the auth key of a Telethon session string, so that it meets transport error 404.

    LookupError if the sandbox does not know the key.
    """
    known = _key_of(world, session)
    world.keys.forget(known)
    for line in world.live.of(known):
        line.refuse_key()


def _key_of(world: World, session: str) -> AuthKey:
    theirs = StringSession(session)
    key = world.keys.find(theirs.dc_id, theirs.auth_key.key_id)
    if key is None:
        raise LookupError("the sandbox does not know the auth key of this session")
    return key
