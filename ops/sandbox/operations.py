"""What is done to the sandbox from outside the protocol, by tests or through the control interface."""

import secrets

from telethon.crypto import AuthKey as TelethonKey
from telethon.sessions import StringSession
from telethon.tl import types

from ops.sandbox.accounts import Account
from ops.sandbox.description import token_of
from ops.sandbox.diffie_hellman import SIZE
from ops.sandbox.faults import Rule
from ops.sandbox.inbox import Letter
from ops.sandbox.keys import AuthKey, Device
from ops.sandbox.live import Line
from ops.sandbox.methods import devices, qr, updates
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


def revoke(world: World, phone: str, hash: int | None = None, *, silent: bool = False) -> int:  # noqa: A002 - Telegram's word
    """End one login of an account, or all; how many that were. Connected clients are told, unless it is `silent`."""
    return devices.revoke(world, world.accounts[phone], hash, silent=silent)


def forget(world: World, session: str) -> None:
    """Forget the auth key of a Telethon session string, so that it meets transport error 404.

    LookupError if the sandbox does not know the key.
    """
    _forget(world, _key_of(world, session))


def forget_keys_of(world: World, phone: str) -> int:
    """Forget every auth key that an account is logged in with; how many that were."""
    keys = world.keys.of_account(world.accounts[phone].user_id)
    for key in keys:
        _forget(world, key)
    return len(keys)


def deny(world: World, phone: str) -> int:
    """Say on an account's connections that their keys are not known, and go on knowing them; how many that were.

    So a data centre in trouble may speak. Whoever takes it for the end of a login throws a good one away.
    """
    keys = world.keys.of_account(world.accounts[phone].user_id)
    lines = [line for key in keys for line in world.live.of(key)]
    for line in lines:
        line.refuse_key()
    return len(lines)


def hang_up(
    world: World, *, phone: str | None = None, dc_id: int | None = None, by_reset: bool = False
) -> int:
    """End the connections of an account, of a data centre, or all; how many that were."""
    number = world.accounts[phone].phone if phone else None
    lines = [line for line in world.live.lines() if _is_meant(world, line, number, dc_id)]
    for line in lines:
        line.hang_up(by_reset=by_reset)
    return len(lines)


def ban(world: World, phone: str) -> Rule:
    """Let everything that an account does fail as if Telegram had banned it, and let its clients notice."""
    account = world.accounts[phone]
    rule = world.faults.fail("*", "USER_DEACTIVATED_BAN", phone=account.phone)
    _make_ask(world, account)
    return rule


def burn(world: World, phone: str) -> int:
    """Destroy an account's logins as if each key had spoken twice at once; how many that were.

    Unlike a key that did so, they are not listed as duplicates.
    """
    account = world.accounts[phone]
    keys = world.keys.of_account(account.user_id)
    for key in keys:
        world.keys.deauthorize(key, duplicated=True)
        world.live.push(key, types.UpdatesTooLong())
    return len(keys)


def rotate_salts(world: World) -> None:
    """Accept no salt that clients know; each learns a new one from `bad_server_salt` when it speaks next."""
    for key in world.keys:
        world.keys.turn_salt(key)


def message(world: World, phone: str, text: str, sender: str | None = None) -> int:
    """Let an account receive a message, from anybody else unless `sender` is a phone; the account's new `pts`."""
    account = world.accounts[phone]
    author = world.accounts[sender] if sender else _anybody_but(world, account)
    return updates.deliver(world, account, Letter(author.user_id, int(world.clock()), text))


def _anybody_but(world: World, account: Account) -> Account:
    for other in world.accounts:
        if other is not account:
            return other
    raise LookupError("nobody else lives here who could write: add an account first")


def _is_meant(world: World, line: Line, phone: str | None, dc_id: int | None) -> bool:
    if dc_id not in (None, line.dc_id):
        return False
    return phone is None or phone in {world.phone_of(key) for key in world.live.keys_on(line)}


def _make_ask(world: World, account: Account) -> None:
    """Push what makes connected clients ask for news, whereupon they learn their fate."""
    for key in world.keys.of_account(account.user_id):
        world.live.push(key, types.UpdatesTooLong())


def _forget(world: World, key: AuthKey) -> None:
    world.keys.forget(key)
    for line in world.live.of(key):
        line.refuse_key()


def _key_of(world: World, session: str) -> AuthKey:
    theirs = StringSession(session)
    key = world.keys.find(theirs.dc_id, theirs.auth_key.key_id)
    if key is None:
        raise LookupError("the sandbox does not know the auth key of this session")
    return key
