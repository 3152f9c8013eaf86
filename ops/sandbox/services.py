"""MTProto's own requests, which stand beside the methods (core.telegram.org/mtproto/service_messages)."""

import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from ops.sandbox import tl
from ops.sandbox.call import Call
from ops.sandbox.errors import RpcError
from ops.sandbox.keys import SALT_PERIOD

Service: TypeAlias = Callable[[Call], None]

_UNKNOWN, _RECEIVED = 1, 4
_MOST_SALTS = 64


def result(msg_id: int, outcome: bytes | RpcError) -> bytes:
    """An `rpc_result` around an outcome."""
    if isinstance(outcome, RpcError):
        outcome = bytes(types.RpcError(outcome.code, outcome.name))
    return struct.pack("<Iq", RpcResult.CONSTRUCTOR_ID, msg_id) + tl.zipped(outcome)


def ping(call: Call) -> None:
    """Answer a ping."""
    call.outbox.add(bytes(types.Pong(call.message.msg_id, call.request.ping_id)), is_content=False)


def ping_delay_disconnect(call: Call) -> None:
    """Answer a ping and close the connection after the delay, unless another such ping comes first."""
    call.line.close_after(call.request.disconnect_delay)
    ping(call)


def get_future_salts(call: Call) -> None:
    """List the salts that will be valid, each overlapping the next by half its life."""
    now = int(call.world.clock())
    first = now - now % SALT_PERIOD
    starts = (first + i * SALT_PERIOD for i in range(max(1, min(call.request.num, _MOST_SALTS))))
    salts = [types.FutureSalt(start, start + 2 * SALT_PERIOD, call.key.salt(start)) for start in starts]
    call.outbox.add(bytes(types.FutureSalts(call.message.msg_id, now, salts)), is_content=False)


def tell_message_states(call: Call) -> None:
    """Tell which of the client's messages came; also instead of a resend, for answers are not kept."""
    states = (_RECEIVED if call.session.has_received(it) else _UNKNOWN for it in call.request.msg_ids)
    call.outbox.add(bytes(types.MsgsStateInfo(call.message.msg_id, bytes(states))), is_content=False)


def destroy_session(call: Call) -> None:
    """Forget another session of the same key."""
    session_id = call.request.session_id
    is_known = call.line.end_session(call.key, session_id)
    call.outbox.add(bytes((types.DestroySessionOk if is_known else types.DestroySessionNone)(session_id)))


def destroy_auth_key(call: Call) -> None:
    """Forget the key itself."""
    call.world.keys.forget(call.key)
    call.outbox.add(bytes(types.DestroyAuthKeyOk()))


def drop_answer(call: Call) -> None:
    """Say that there is no answer to hold back: each was sent at once."""
    call.outbox.add(result(call.message.msg_id, bytes(types.RpcAnswerUnknown())))


def ignore(_: Call) -> None:
    """Need no answer."""


SERVICES: Mapping[type, Service] = {
    functions.PingRequest: ping,
    functions.PingDelayDisconnectRequest: ping_delay_disconnect,
    functions.GetFutureSaltsRequest: get_future_salts,
    functions.DestroySessionRequest: destroy_session,
    functions.DestroyAuthKeyRequest: destroy_auth_key,
    functions.RpcDropAnswerRequest: drop_answer,
    types.MsgsStateReq: tell_message_states,
    types.MsgResendReq: tell_message_states,
    types.MsgsAck: ignore,
    types.MsgsAllInfo: ignore,
    types.MsgsStateInfo: ignore,
    types.HttpWait: ignore,
}
