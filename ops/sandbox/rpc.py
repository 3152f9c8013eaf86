"""How a method is called: wrappings off, faults applied, the caller's right checked, the result written."""

import logging
from dataclasses import replace

from telethon.tl import functions
from telethon.tl.core import GzipPacked

from ops.sandbox import tl
from ops.sandbox.call import Call
from ops.sandbox.description import is_made_up
from ops.sandbox.errors import RpcError
from ops.sandbox.faults import AT_REQUEST, HangUp, Nonsense, Occasion, RpcFailure
from ops.sandbox.keys import Device
from ops.sandbox.methods import METHODS, Access

_log = logging.getLogger(__name__)

_WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeAfterMsgRequest,
    functions.InvokeAfterMsgsRequest,
    functions.InvokeWithMessagesRangeRequest,
    functions.InvokeWithTakeoutRequest,
)


def answer(call: Call) -> bytes | RpcError:
    """The result of a call as bytes, or the error that it is answered with.

    ConnectionAbortedError when a fault ended the connection instead.
    """
    try:
        call.session.wants_updates = True
        call = replace(call, request=_unwrapped(call, call.request))
        return tl.write(_outcome(call))
    except RpcError as refusal:
        return refusal
    except ConnectionAbortedError:
        raise
    except Exception:  # noqa: BLE001 - the boundary: if it ended the connection, the client would ask for ever
        _log.exception("SANDBOX: %s failed", tl.method_name(call.request))
        return RpcError(500, "SANDBOX_INTERNAL")


def _unwrapped(call: Call, request: tl.Tl) -> tl.Tl:
    """The method inside its wrappings, whose wishes are noted on the way."""
    match request:
        case GzipPacked():
            return _unwrapped(call, tl.read(request.data))
        case functions.InitConnectionRequest():
            call.world.keys.describe(call.key, _device(call, request))
        case functions.InvokeWithoutUpdatesRequest():
            call.session.wants_updates = False
    return _unwrapped(call, request.query) if isinstance(request, _WRAPPERS) else request


def _device(call: Call, request: tl.Tl) -> Device:
    if request.api_id != call.world.description.api_id and not is_made_up(request.api_id):
        raise RpcError(400, "CONNECTION_API_ID_INVALID")
    said = (request.device_model, request.system_version, request.app_version, request.lang_code)
    return Device(request.api_id, *said)


def _outcome(call: Call) -> tl.Tl:
    name, phone = tl.method_name(call.request), _phone(call)
    call.world.counts.calls[name] += 1
    call.outbox.concerns(name, phone)
    if call.key.duplicated:
        raise RpcError(406, "AUTH_KEY_DUPLICATED")
    api_id = call.key.device.api_id if call.key.device else None
    if _suffers_nonsense(call, Occasion(call.dc_id, phone, (name,), api_id)):
        return []
    method = METHODS.get(type(call.request))
    if method is None:
        raise RpcError(400, "METHOD_INVALID")
    if call.key.device is None:
        raise RpcError(400, "CONNECTION_NOT_INITED")
    _check_access(call, method.access)
    return method.perform(call)


def _suffers_nonsense(call: Call, occasion: Occasion) -> bool:
    """Whether a rule spoils the answer. RpcError, or ConnectionAbortedError, for those that forestall it."""
    rule = call.world.faults.strike(occasion, AT_REQUEST)
    match rule and rule.fault:
        case RpcFailure() as failure:
            raise failure.error()
        case HangUp(by_reset):
            call.line.hang_up(by_reset=by_reset)
            raise ConnectionAbortedError
        case Nonsense():
            return True
    return False


def _check_access(call: Call, access: Access) -> None:
    if access is Access.ANYBODY:
        return
    account = call.account
    if access is Access.MEMBER and call.key.user_id != account.user_id:
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    if account.dc_id != call.dc_id:
        raise RpcError(303, f"USER_MIGRATE_{account.dc_id}")


def _phone(call: Call) -> str | None:
    """Whom a request is about, for the faults: who is logged in, or who tries to."""
    here = call.world.phone_of(call.key)
    if here is not None:
        return here
    account = call.world.accounts.find(getattr(call.request, "phone_number", ""))
    return account.phone if account else None
