"""What operators are told of a session."""

from __future__ import annotations

from typing import Literal

from actors.core.names import SessionKey
from actors.core.states import (
    Authorized,
    Reason,
    SessionState,
    Substate,
    UserAction,
    account_of,
    is_stopped,
    user_action,
)
from actors.published import Snapshot
from api.replies import Reply


class SessionReply(Reply):
    """How a session is, and whether it is meant to run.

    `retry_at` is when it is tried, asked or woken next. `version` counts what was saved; the ETag changes with every
    change.
    """

    tenant_id: str
    app_id: str
    state: SessionState
    substate: Substate | None
    reason: Reason | None
    user_action: UserAction
    desired_state: Literal["running", "stopped"]
    state_since: float
    retry_at: float | None
    telegram_user_id: int | None
    version: int


class SessionsReply(Reply):
    """Some sessions. With `next_cursor` as cursor the next request goes on after them; null means no more."""

    sessions: list[SessionReply]
    next_cursor: str | None


def session(key: SessionKey, snapshot: Snapshot) -> SessionReply:
    """This session as it was shown last."""
    state = snapshot.state
    return SessionReply(
        tenant_id=key.tenant_id,
        app_id=key.app_id,
        state=state.name,
        substate=state.substate if isinstance(state, Authorized) else None,
        reason=state.reason,
        user_action=user_action(state),
        desired_state="stopped" if is_stopped(state) else "running",
        state_since=snapshot.since,
        retry_at=state.deadline,
        telegram_user_id=account_of(state),
        version=snapshot.version,
    )
