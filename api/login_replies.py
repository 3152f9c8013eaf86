"""What /api/v1/login answers, around its steps."""

from __future__ import annotations

from typing import Literal

from api.doors import Environment
from api.replies import Reply
from api.steps import LoginStep


class FlowField(Reply):
    """One field of the body that starts a flow, beside tenant_id and app_id."""

    name: str
    type: Literal["phone_number", "bot_token", "integer"]
    required: bool
    description: str


class Flow(Reply):
    """One way to log in: POST to /api/v1/login/start/ and its id."""

    id: Literal["qr", "code", "bot"]
    name: str
    description: str
    fields: list[FlowField]


class FlowsReply(Reply):
    """Every way to log in."""

    flows: list[Flow]


class LoginSummary(Reply):
    """Which login it is. `expires_at` is null once it is over."""

    ticket: str
    tenant_id: str
    app_id: str
    expires_at: float | None


class LoginReply(Reply):
    """Where a login stands. `sequence`, where it is not null, is what `since` and Last-Event-ID compare with."""

    login: LoginSummary
    step: LoginStep
    sequence: int | None = None
    server_time: float
    environment: Environment


_EXPECTED = FlowField(
    name="expected_telegram_user_id",
    type="integer",
    required=False,
    description="The only account to accept; any other that confirms is logged out again.",
)
_PHONE = FlowField(
    name="phone",
    type="phone_number",
    required=True,
    description="The account's number with its country code: '+' and 7 to 15 digits.",
)
_BOT_TOKEN = FlowField(
    name="bot_token", type="bot_token", required=True, description="What @BotFather gave the bot's owner."
)

FLOWS = (
    Flow(
        id="qr",
        name="QR code",
        description="Scan a QR with a phone on which the account is logged in.",
        fields=[_EXPECTED],
    ),
    Flow(
        id="code",
        name="Phone number",
        description="Type the code that Telegram sends to the account.",
        fields=[_PHONE, _EXPECTED],
    ),
    Flow(id="bot", name="Bot token", description="Log a bot in.", fields=[_BOT_TOKEN, _EXPECTED]),
)
