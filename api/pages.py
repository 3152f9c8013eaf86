"""What a browser or a probe opens: the Mini App page, the operators' page, the manual, and the process's health."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Response, redirect, render_template, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as WerkzeugResponse

from actors.core.states import SessionState
from api import manual, openapi, problems, replies
from api.assets import assets
from api.doors import doors
from api.errors import NotReady

pages = Blueprint("pages", __name__)


def content_security_policy(ancestors: str) -> str:
    """What a page may load, all of it ours, and who may show it in a frame, which X-Frame-Options could not name."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
    )


MINI_APP_POLICY = content_security_policy("https://web.telegram.org https://*.telegram.org")
"""Of everything that does not say otherwise: Telegram Web shows Mini Apps in a frame."""


@pages.get("/")
async def home() -> WerkzeugResponse:
    """Lead people to the page."""
    return redirect("/miniapp")


@pages.get("/miniapp")
async def miniapp() -> str:
    """Show the page on which a person links an account."""
    return await render_template("miniapp.html", environment=doors().environment)


@pages.get("/operator")
async def operator() -> Response:
    """Show operators every session, and how the service is. Nobody may show it in a frame."""
    page = await render_template("operator.html", environment=doors().environment, states=list(SessionState))
    return Response(page, headers={"Content-Security-Policy": content_security_policy("'none'")})


@pages.get("/static/<path:name>")
async def static_file(name: str) -> Response:
    """Give one of the page's files, or say that the browser's copy is still good."""
    asset = assets().get(name)
    if asset is None:
        raise NotFound
    response = Response(asset.content, content_type=asset.media_type, headers={"Cache-Control": "no-cache"})
    response.set_etag(asset.etag)
    await response.make_conditional(request)
    return response


@pages.get("/docs")
async def docs() -> str:
    """List the routes for people."""
    return await render_template(
        "docs.html",
        info=openapi.document()["info"],
        chapters=manual.chapters(),
        things=manual.things(),
        environment=doors().environment,
    )


@pages.get("/docs/problems")
async def docs_problems() -> str:
    """List every no for people; the `type` of a problem leads here."""
    rows = {problem.code: problem for problem in problems.PROBLEMS.values()}
    return await render_template("problems.html", problems=rows.values(), environment=doors().environment)


@pages.get("/openapi.json")
async def openapi_json() -> dict[str, Any]:
    """List the routes for programs."""
    return openapi.document()


@pages.get("/healthz")
async def healthz() -> dict[str, Any]:
    """Tell that the process answers, and nothing else: whoever restarts it must not look further."""
    return replies.HealthReply(status="ok", environment=doors().environment).model_dump()


@pages.get("/readyz")
async def readyz() -> dict[str, Any]:
    """Tell whether the service takes work."""
    readiness = doors().ready()
    if not readiness.ready:
        raise NotReady(readiness.text)
    return replies.HealthReply(status=readiness.text, environment=doors().environment).model_dump()
