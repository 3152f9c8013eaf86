"""Login by phone number and code (core.telegram.org/api/auth)."""

from telethon.tl import types

from ops.sandbox import tl
from ops.sandbox.accounts import code_of, dc_of, digits
from ops.sandbox.call import Call
from ops.sandbox.codes import SentCode
from ops.sandbox.errors import RpcError
from ops.sandbox.methods.admission import admit, require_app

_RESEND_AFTER = 60


def send_code(call: Call) -> tl.Tl:
    """auth.sendCode: send a code, or send the client to the number's own data centre."""
    require_app(call)
    phone = _phone(call)
    account = call.world.accounts.find(phone)
    home = account.dc_id if account else dc_of(phone)
    if home != call.dc_id:
        raise RpcError(303, f"PHONE_MIGRATE_{home}")
    return _sent(call.world.codes.send(phone))


def resend_code(call: Call) -> tl.Tl:
    """auth.resendCode: send it by SMS."""
    return _sent(call.world.codes.resend(_phone(call), call.request.phone_code_hash))


def cancel_code(call: Call) -> tl.Tl:
    """auth.cancelCode: make it worthless."""
    call.world.codes.cancel(_phone(call), call.request.phone_code_hash)
    return True


def sign_in(call: Call) -> tl.Tl:
    """auth.signIn: log in with the code, or learn that the number has no account."""
    phone = _phone(call)
    call.world.codes.check(phone, call.request.phone_code_hash, call.request.phone_code or "")
    account = call.world.accounts.find(phone)
    return admit(call, account) if account else types.auth.AuthorizationSignUpRequired()


def _phone(call: Call) -> str:
    phone = digits(call.request.phone_number)
    if dc_of(phone) is None:
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    return phone


def _sent(code: SentCode) -> tl.Tl:
    length = len(code_of(code.phone))
    if code.by_sms:
        return types.auth.SentCode(types.auth.SentCodeTypeSms(length), code.hash)
    way = types.auth.SentCodeTypeApp(length)
    return types.auth.SentCode(way, code.hash, types.auth.CodeTypeSms(), _RESEND_AFTER)
