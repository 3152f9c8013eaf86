"""The methods that the sandbox knows, in one table. Any other is answered with 400 METHOD_INVALID."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from telethon.tl import functions as f

from ops.sandbox import tl
from ops.sandbox.call import Call
from ops.sandbox.methods import bots, codes, devices, password, qr, service, updates, users


class Access(Enum):
    """Who may call a method."""

    ANYBODY = auto()  #: also before login
    HALFWAY = auto()  #: logged in, or up to the 2FA password
    MEMBER = auto()  #: logged in


@dataclass(frozen=True, slots=True)
class Method:
    """Who may call, and what happens then."""

    access: Access
    perform: Callable[[Call], tl.Tl]


METHODS: Mapping[type, Method] = {
    f.help.GetConfigRequest: Method(Access.ANYBODY, service.get_config),
    f.help.GetNearestDcRequest: Method(Access.ANYBODY, service.get_nearest_dc),
    f.auth.ExportLoginTokenRequest: Method(Access.ANYBODY, qr.export_login_token),
    f.auth.ImportLoginTokenRequest: Method(Access.ANYBODY, qr.import_login_token),
    f.auth.AcceptLoginTokenRequest: Method(Access.MEMBER, qr.accept_login_token),
    f.auth.SendCodeRequest: Method(Access.ANYBODY, codes.send_code),
    f.auth.ResendCodeRequest: Method(Access.ANYBODY, codes.resend_code),
    f.auth.CancelCodeRequest: Method(Access.ANYBODY, codes.cancel_code),
    f.auth.SignInRequest: Method(Access.ANYBODY, codes.sign_in),
    f.auth.ImportBotAuthorizationRequest: Method(Access.ANYBODY, bots.import_bot_authorization),
    f.account.GetPasswordRequest: Method(Access.HALFWAY, password.get_password),
    f.auth.CheckPasswordRequest: Method(Access.HALFWAY, password.check_password),
    f.auth.LogOutRequest: Method(Access.HALFWAY, devices.log_out),
    f.auth.ResetAuthorizationsRequest: Method(Access.MEMBER, devices.reset_authorizations),
    f.account.GetAuthorizationsRequest: Method(Access.MEMBER, devices.get_authorizations),
    f.account.ResetAuthorizationRequest: Method(Access.MEMBER, devices.reset_authorization),
    f.account.UpdateStatusRequest: Method(Access.MEMBER, users.update_status),
    f.users.GetUsersRequest: Method(Access.MEMBER, users.get_users),
    f.users.GetFullUserRequest: Method(Access.MEMBER, users.get_full_user),
    f.updates.GetStateRequest: Method(Access.MEMBER, updates.get_state),
    f.updates.GetDifferenceRequest: Method(Access.MEMBER, updates.get_difference),
}
