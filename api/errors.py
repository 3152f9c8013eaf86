"""The refusals that are this package's own. What becomes of them in HTTP is in `api.problems`."""

from __future__ import annotations

from typing import Any


class Declined(Exception):
    """A request that is answered with a problem. `extensions` become members of it, so no secrets in there."""

    def __init__(
        self, detail: str | None = None, *, retry_after: float | None = None, **extensions: Any
    ) -> None:
        super().__init__(detail or type(self).__name__)
        self.detail = detail
        self.retry_after = retry_after
        self.extensions = extensions


class FeatureDisabled(Declined):
    """FEATURE_UNIFIED_SESSION_MANAGER is off."""


class NotReady(Declined):
    """The service does not take work: it starts, drains, or lacks something."""


class Unauthenticated(Declined):
    """No credential, or one that we did not issue."""


class SessionExpired(Declined):
    """A short session whose time is over."""


class InitDataExpired(Declined):
    """What Telegram signed for the Mini App is too old for this."""


class Forbidden(Declined):
    """The caller is known, and may not do this."""


class AccountMismatch(Declined):
    """The Telegram user that the request names is not the credential's."""


class SessionTaken(Declined):
    """The session is another account holder's, or is just becoming so."""


class SignatureInvalid(Declined):
    """The signature of a callback is missing, malformed, made with another key, or of something else."""


class OutsideWindow(Declined):
    """A signed callback comes too late, or is dated too far ahead."""


class Replayed(Declined):
    """A signed callback came before."""


class AccountDiffers(Declined):
    """A callback names another account than the one that was linked."""


class TooManyStreams(Declined):
    """The caller follows too many things at once."""


class LimitReached(Declined):
    """This was done too often; `retry_after` says when it may be done again."""


class TenantMismatch(Declined):
    """The tenant that the request names is not the credential's."""


class BadJson(Declined):
    """The body is not one JSON object without repetitions."""


class InvalidRequest(Declined):
    """A field is missing, unknown, or of the wrong kind."""


class TicketUnknown(Declined):
    """There is no such ticket, or it is another tenant's, or too old: nobody may learn which."""


class SessionUnknown(Declined):
    """Nobody has ever logged this session in."""


class TransactionReused(Declined):
    """The same txn_id came with another body."""


class TransactionInWork(Declined):
    """The same request is being worked on."""


class AlreadyAuthorized(Declined):
    """There is nothing to log in to: the account is linked."""


class FloodWait(Declined):
    """Telegram asks to wait before it answers again."""


class UpstreamUnavailable(Declined):
    """Telegram has not answered in time. The login goes on."""


class PasswordInvalid(Declined):
    """The 2FA password was wrong; the login keeps its place."""


class LoginEnded(Declined):
    """The login is over; `reason` says why."""


class AppUnknown(Declined):
    """The tenant has nothing of its own at Telegram."""


class WebhookUnknown(Declined):
    """The tenant has no such webhook."""


class DeliveryUnknown(Declined):
    """The webhook has no such delivery, or it was forgotten."""


class DeliveryDue(Declined):
    """The delivery is yet to be tried, or tried again."""


class TooManyWebhooks(Declined):
    """The tenant has as many webhooks as it may have."""
