"""What operators see: sessions one by one, and the tree."""

from __future__ import annotations

from tests.http.conftest import SERVICE_KEY, World

SESSION = "/api/v1/sessions/demo/main"


async def test_a_session_is_shown_as_it_is(world: World) -> None:
    await world.ticket()
    world.session.accept()
    await world.settle()

    shown = (await world.call("GET", SESSION)).json

    assert 0 < shown["state_since"] < shown["retry_at"]
    assert shown | {"state_since": 0, "retry_at": 0, "version": 0} == {
        "tenant_id": "demo",
        "app_id": "main",
        "state": "AUTHORIZED",
        "substate": "online",
        "reason": None,
        "user_action": "none",
        "desired_state": "running",
        "state_since": 0,
        "retry_at": 0,
        "telegram_user_id": 4242,
        "version": 0,
    }


async def test_a_session_that_has_not_changed_is_not_sent_again(world: World) -> None:
    await world.ticket()
    first = await world.call("GET", SESSION)

    same = await world.call("GET", SESSION, headers={"If-None-Match": first.headers["etag"]})
    world.session.accept()
    await world.settle()
    changed = await world.call("GET", SESSION, headers={"If-None-Match": first.headers["etag"]})

    assert (same.status, same.raw) == (304, b"")
    assert (changed.status, changed.json["state"]) == (200, "AUTHORIZED")
    assert first.headers["etag"].strip('"').startswith(f"{first.json['version']}-")


async def test_a_tenant_sees_its_own_sessions_only_and_the_service_all(world: World) -> None:
    await world.ticket()

    assert (await world.call("GET", SESSION, credential=world.token("other"))).code == "tenant_mismatch"
    assert (await world.call("GET", SESSION, headers={"Authorization": ""})).code == "unauthenticated"
    assert (await world.call("GET", SESSION, credential=SERVICE_KEY)).status == 200


async def test_a_session_that_never_was_is_unknown(world: World) -> None:
    assert (await world.call("GET", "/api/v1/sessions/demo/nobody")).code == "session_unknown"
    assert (await world.call("GET", "/api/v1/sessions/demo/a.b")).code == "invalid_name"


async def test_the_tree_is_for_the_service_key_only(world: World) -> None:
    world.change(tree=lambda: {"children": [{"name": "bridge"}]})

    seen = await world.call("GET", "/api/v1/tree", credential=SERVICE_KEY)

    assert seen.json == {"children": [{"name": "bridge"}]}
    assert (await world.call("GET", "/api/v1/tree")).code == "forbidden"


async def test_a_long_list_comes_in_pages_without_gaps_or_repetitions(world: World) -> None:
    apps = ["a", "a-b", "a0", "b", "main"]
    for app in reversed(apps):
        await world.start(app_id=app)
    await world.call("POST", "/api/qr/start", {"tenant_id": "other", "app_id": "x"}, credential=SERVICE_KEY)
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
        page = (await world.call("GET", f"/api/v1/sessions{query}", credential=SERVICE_KEY)).json
        seen += [f"{each['tenant_id']}/{each['app_id']}" for each in page["sessions"]]
        cursor = page["next_cursor"]
        pages += 1

    assert (seen, pages) == ([*sorted(f"demo/{app}" for app in apps), "other/x"], 3)


async def test_a_tenant_lists_its_own_sessions_only(world: World) -> None:
    await world.ticket()
    await world.call("POST", "/api/qr/start", {"tenant_id": "other", "app_id": "x"}, credential=SERVICE_KEY)

    page = (await world.call("GET", "/api/v1/sessions")).json

    assert [(each["tenant_id"], each["state"]) for each in page["sessions"]] == [("demo", "PENDING_QR")]
    assert page["next_cursor"] is None
    assert (await world.call("GET", "/api/v1/sessions?limit=0")).code == "invalid_request"
    assert (await world.call("GET", "/api/v1/sessions?limit=201")).code == "invalid_request"
    for cursor in ("demo", "demo/", "a.b/c", "demo/a/b", "demo%2Fa%0A"):
        answer = await world.call("GET", f"/api/v1/sessions?cursor={cursor}")
        assert answer.code == "invalid_request", cursor


async def test_a_list_leads_to_its_next_page_and_is_not_sent_again_unchanged(world: World) -> None:
    for app_id in ("a", "b"):
        await world.call("POST", "/api/qr/start", {"tenant_id": "demo", "app_id": app_id})
    first = await world.call("GET", "/api/v1/sessions?limit=1")
    link = first.headers["link"]
    assert link == '</api/v1/sessions?limit=1&cursor=demo%2Fa>; rel="next"'

    second = await world.call("GET", link[1 : link.index(">")])
    assert [session["app_id"] for session in second.json["sessions"]] == ["b"]
    assert "link" not in second.headers
    known = {"If-None-Match": first.headers["etag"]}
    assert (await world.call("GET", "/api/v1/sessions?limit=1", headers=known)).status == 304
    assert (await world.call("GET", "/api/v1/sessions?limit=2", headers=known)).status == 200
