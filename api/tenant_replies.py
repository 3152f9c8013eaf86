"""What operators are told of a tenant's own app. An api_hash, or what logs in to a proxy, has no member here."""

from __future__ import annotations

from actors.ports import KeptApp
from api.replies import Reply


class AppReply(Reply):
    """What a tenant has of its own; null is where the service's is used. `proxy` is shown without its login."""

    tenant_id: str
    version: int
    api_id: int | None
    proxy: str | None
    proxy_login: bool
    device_model: str | None
    system_version: str | None
    app_version: str | None


def own_app(tenant_id: str, kept: KeptApp) -> AppReply:
    """This app, without its secrets."""
    app = kept.app
    return AppReply(
        tenant_id=tenant_id,
        version=kept.version,
        api_id=app.api_id,
        proxy=None if app.proxy is None else app.proxy.address,
        proxy_login=app.proxy is not None and app.proxy.username is not None,
        device_model=app.device_model,
        system_version=app.system_version,
        app_version=app.app_version,
    )
