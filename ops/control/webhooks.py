"""`sessionctl webhooks`: where a tenant is told what happens to its sessions, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from ops.control.asking import make_sure
from ops.control.errors import NotAsked

if TYPE_CHECKING:
    from ops.control.screen import Screen
    from ops.control.service import Json, Service

OK = 0
HERE = "http://127.0.0.1:8080"
COLUMNS = ("webhook_id", "status", "url", "apps", "states", "failing_since")
DELIVERY_COLUMNS = ("message_id", "status", "attempts", "answer", "trouble", "created_at", "next_at")
MOMENTS = {"failing_since", "created_at", "settled_at", "next_at"}

webhooks = App(name="webhooks", help="Where a tenant is told what happens to its sessions.")

Tenant = Annotated[str, Parameter(help="Whose.")]
WebhookId = Annotated[str, Parameter(help="Which, as list shows it.")]
Address = Annotated[str, Parameter(help="An https:// URL. If there is a key in it, rather type it unseen.")]
Apps = Annotated[
    tuple[str, ...], Parameter(name="--app", negative="", help="Tell of this app only; may be repeated.")
]
States = Annotated[
    tuple[str, ...],
    Parameter(name="--state", negative="", help="Tell only of what leads into this state; may be repeated."),
]
Url = Annotated[str, Parameter(env_var="SESSIONCTL_URL", help="Where the service is.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="JSON for programs.")]
Flag = Parameter(negative="")


@webhooks.command(name="list")
def list_webhooks(tenant: Tenant, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Show all of a tenant's webhooks."""
    screen, service = _reached(url, as_json=as_json)
    found = service.ask("GET", _path(tenant))["webhooks"]
    screen.table(found if as_json else map(_readable, found), COLUMNS)
    return OK


@webhooks.command
def add(
    tenant: Tenant,
    address: Address | None = None,
    *,
    app: Apps = (),
    state: States = (),
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Make a webhook, told of what happens from now on, and show its secret, this once.

    Without a URL it is asked for.
    """
    screen, service = _reached(url, as_json=as_json)
    body = {
        "url": _typed() if address is None else address,
        "apps": list(app) or None,
        "states": list(state) or None,
    }
    return _told_once(screen, service.ask("POST", _path(tenant), body))


@webhooks.command
def show(tenant: Tenant, webhook_id: WebhookId, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Tell how a webhook is."""
    screen, service = _reached(url, as_json=as_json)
    return _shown(screen, service.ask("GET", _path(tenant, webhook_id)))


@webhooks.command
def change(
    tenant: Tenant,
    webhook_id: WebhookId,
    address: Address | None = None,
    *,
    app: Apps = (),
    state: States = (),
    everything: Annotated[bool, Flag] = False,
    typed: Annotated[bool, Flag] = False,
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Give a webhook another URL, or have it told of something else; the rest stays as it is.

    Parameters
    ----------
    everything
        Tell of all apps and states, but for those that are named here.
    typed
        Ask for the URL.
    """
    if address is None and not (typed or app or state or everything):
        raise NotAsked("say what to change: another URL, --typed, --app, --state or --everything")
    address = _typed() if typed else address
    changes: Json = {} if address is None else {"url": address}
    changes |= {"apps": None, "states": None} if everything else {}
    changes |= {name: list(value) for name, value in (("apps", app), ("states", state)) if value}
    screen, service = _reached(url, as_json=as_json)
    return _shown(screen, _changed(service, tenant, webhook_id, changes))


@webhooks.command
def enable(tenant: Tenant, webhook_id: WebhookId, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Let a webhook be told again; it goes on where it had stopped."""
    screen, service = _reached(url, as_json=as_json)
    return _shown(screen, _changed(service, tenant, webhook_id, {"enabled": True}))


@webhooks.command
def disable(tenant: Tenant, webhook_id: WebhookId, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Let a webhook be told nothing until it is enabled; what happens is kept for it."""
    screen, service = _reached(url, as_json=as_json)
    return _shown(screen, _changed(service, tenant, webhook_id, {"enabled": False}))


@webhooks.command
def rotate(tenant: Tenant, webhook_id: WebhookId, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Make another secret, and show it, this once; for a day the one before it signs too."""
    screen, service = _reached(url, as_json=as_json)
    return _told_once(screen, service.ask("POST", f"{_path(tenant, webhook_id)}/rotate"))


@webhooks.command
def ping(tenant: Tenant, webhook_id: WebhookId, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Have a test sent; deliveries shows how it went."""
    screen, service = _reached(url, as_json=as_json)
    said = service.ask("POST", f"{_path(tenant, webhook_id)}/ping")
    screen.show(said, f"{said['message_id']} is on its way")
    return OK


@webhooks.command
def deliveries(
    tenant: Tenant,
    webhook_id: WebhookId,
    *,
    status: Literal["due", "delivered", "dead"] | None = None,
    limit: int = 50,
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Show what a webhook was told and is yet to be told, newest first.

    Parameters
    ----------
    status
        Only those that are so.
    limit
        How many at most.
    """
    screen, service = _reached(url, as_json=as_json)
    query = {} if status is None else {"status": status}
    found = islice(
        service.pages(f"{_path(tenant, webhook_id)}/deliveries", "deliveries", query), max(limit, 0)
    )
    screen.table(found if as_json else map(_readable, found), DELIVERY_COLUMNS)
    return OK


@webhooks.command
def resend(
    tenant: Tenant,
    webhook_id: WebhookId,
    message_id: str | None = None,
    *,
    dead_since: datetime | None = None,
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Send a delivery anew that is dead, or arrived; or all that died since a moment.

    Parameters
    ----------
    message_id
        Which, as deliveries shows it.
    dead_since
        Instead: all that were given up since then, such as 2026-11-25T08:00:00. Without a zone it is UTC.
    """
    if (message_id is None) == (dead_since is None):
        raise NotAsked("name a message, as deliveries shows it, or say --dead-since")
    screen, service = _reached(url, as_json=as_json)
    path = _path(tenant, webhook_id)
    if dead_since is None:
        said = service.ask("POST", f"{path}/deliveries/{_part(str(message_id))}/resend")
        screen.show(said, f"{said['message_id']} is on its way once more")
        return OK
    at = dead_since if dead_since.tzinfo else dead_since.replace(tzinfo=UTC)
    resent, more = 0, True
    while more:
        said = service.ask("POST", f"{path}/recover", {"since": max(at.timestamp(), 0.0)})
        resent, more = resent + said["resent"], said["more"]
    screen.show({"resent": resent}, f"{resent} on their way once more")
    return OK


@webhooks.command
def remove(
    tenant: Tenant,
    webhook_id: WebhookId,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask back.")] = False,
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Forget a webhook, and what it was yet to be told."""
    if not yes:
        make_sure(f"{webhook_id} will be told nothing more. Type its id to go on: ", webhook_id)
    screen, service = _reached(url, as_json=as_json)
    service.ask("DELETE", _path(tenant, webhook_id))
    screen.show({"removed": webhook_id}, f"{webhook_id} is removed")
    return OK


def _changed(service: Service, tenant: str, webhook_id: str, changes: Json) -> Json:
    """The webhook with these changes; a PUT is in full, so the rest is said as it is."""
    path = _path(tenant, webhook_id)
    now = service.ask("GET", path)
    same = {"url": now["url"], "apps": now["apps"], "states": now["states"]}
    return service.ask("PUT", path, same | {"enabled": now["status"] == "enabled"} | changes)


def _told_once(screen: Screen, made: Json) -> int:
    """A webhook with its secret: the sentence is for people, the secret stands alone on standard output."""
    if screen.as_json:
        screen.show(made, "")
        return OK
    screen.aside(f"{_line(made)}. Its secret is shown this once; give it to the server that verifies:")
    screen.show(made, made["secret"])
    return OK


def _shown(screen: Screen, webhook: Json) -> int:
    screen.show(webhook, _line(webhook))
    return OK


def _line(webhook: Mapping[str, Any]) -> str:
    words = [f"{webhook['webhook_id']} of {webhook['tenant_id']} is {webhook['status']}: {webhook['url']}"]
    words += [f"{name} {', '.join(webhook[name])}" for name in ("apps", "states") if webhook[name]]
    if webhook["failing_since"] is not None:
        words.append(f"failing since {_readable(webhook)['failing_since']}")
    return ", ".join(words)


def _readable(row: Mapping[str, Any]) -> Json:
    """The same for people: moments as dates, lists as words."""
    from ops.control.screen import moment  # noqa: PLC0415 - as below

    def text(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return ", ".join(value)
        return moment(value) if name in MOMENTS and value is not None else value

    return {name: text(name, value) for name, value in row.items()}


def _typed() -> str:
    from ops.control.login import typed_secret  # noqa: PLC0415 - as below

    return typed_secret("URL of the webhook")


def _path(tenant: str, webhook_id: str | None = None) -> str:
    from actors.core.names import InvalidName, check_name  # noqa: PLC0415 - as below

    try:
        base = f"/api/v1/tenants/{check_name('tenant', tenant)}/webhooks"
    except InvalidName as error:
        raise NotAsked(f"{error}: name the tenant first, then the webhook") from None
    return base if webhook_id is None else f"{base}/{_part(webhook_id)}"


def _part(text: str) -> str:
    """Something as one part of a path; nothing, or dots, would be another path."""
    from urllib.parse import quote  # noqa: PLC0415 - as below

    if not text.strip("."):
        raise NotAsked("name the webhook as list shows it, and the message as deliveries does")
    return quote(text, safe="")


def _reached(url: str, *, as_json: bool) -> tuple[Screen, Service]:
    """What shows, and what is asked. Imported late: who only wants a backup need not wait for HTTP."""
    from ops.control.screen import Screen  # noqa: PLC0415 - see above
    from ops.control.service import service_at  # noqa: PLC0415

    return Screen(as_json=as_json), service_at(url)
