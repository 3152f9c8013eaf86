"""The running service, as the command line asks it over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from actors.core.names import InvalidName, SessionKey
from ops.control.errors import Declined, NoAnswer, NoCredential, NotAsked
from supervisor.secret_files import given_secret

URL = "http://127.0.0.1:8080"
PATIENCE = 60.0
QUIET = 60.0
"""Seconds without a word, four pings' worth, after which a stream is as good as dead."""

CREDENTIALS = ("SESSIONCTL_KEY", "SUPABASE_SERVICE_ROLE_KEY")

Json = dict[str, Any]


class Service:
    """One service with one credential. Every method may raise Declined and NoAnswer."""

    def __init__(self, url: str, credential: str, patience: float = PATIENCE) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {credential}", "User-Agent": "sessionctl"}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=patience, trust_env=False)
        except httpx.InvalidURL as error:
            raise NotAsked(f"--url is no URL ({error}): write it as http://127.0.0.1:8080") from None

    def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """What it answers."""
        try:
            answer = self._http.request(method, path, json=body, params=query, headers=headers)
        except httpx.HTTPError as error:
            raise self._lost(error) from None
        return self._read(answer)

    def pages(self, path: str, member: str, query: Mapping[str, str | int] | None = None) -> Iterator[Json]:
        """Every item of a list that comes in pages."""
        cursor: str | None = None
        while True:
            begins: dict[str, str | int] = {} if cursor is None else {"cursor": cursor}
            page = self.ask("GET", path, query={"limit": 200} | dict(query or {}) | begins)
            yield from page[member]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def events(
        self, tenant: str | None, after: int | None, apps: Sequence[str] = (), states: Sequence[str] = ()
    ) -> Iterator[Json]:
        """What happens, for ever: when a stream ends, the next one goes on after what was told last."""
        query: dict[str, Any] = {"app": list(apps), "state": list(states)}
        query |= {} if tenant is None else {"tenant": tenant}
        while True:
            known: dict[str, str | int] = {} if after is None else {"after": after}
            try:
                with self._http.stream(
                    "GET", "/api/v1/events", params=query | known, timeout=QUIET
                ) as answer:
                    if answer.is_error:
                        answer.read()
                        self._read(answer)
                    for number, name, data in _events(answer.iter_lines()):
                        after = number if number is not None else after
                        if name == "session":
                            yield data
            except httpx.HTTPError as error:
                if after is None:
                    raise self._lost(error) from None

    def _read(self, answer: httpx.Response) -> Json:
        try:
            said = answer.json() if answer.content else {}
        except ValueError:
            said = None
        if not isinstance(said, dict) or (answer.is_error and "code" not in said):
            raise NoAnswer(f"what answers at {self._url} is not this service (HTTP {answer.status_code})")
        if answer.is_error:
            raise Declined(f"{said.get('detail', said.get('title'))} ({said['code']})", said)
        return said

    def _lost(self, error: httpx.HTTPError) -> NoAnswer:
        return NoAnswer(
            f"nobody answers at {self._url} ({type(error).__name__}): is it running, is --url right?"
        )


def _events(lines: Iterator[str]) -> Iterator[tuple[int | None, str, Json]]:
    """The id, name and data of each event, as they come; an id alone moves on past what is not told."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            number = int(fields["id"]) if "id" in fields else None
            yield number, fields.get("event", ""), json.loads(fields.get("data", "{}"))
            fields = {}


def service_at(url: str) -> Service:
    """The service there, with the credential of the environment. Raises NotAsked."""
    for name in CREDENTIALS:
        try:
            credential = given_secret(os.environ, name)
        except ValueError as fault:
            raise NotAsked(str(fault)) from None
        if credential:
            return Service(url, credential)
    raise NoCredential(
        "set SESSIONCTL_KEY or SESSIONCTL_KEY_FILE to an API key, see: sessionctl api-keys create --help"
    )


def session_named(text: str) -> SessionKey:
    """The session of `tenant/app`, or `tenant:app`. Raises NotAsked."""
    tenant, _, app = text.replace(":", "/", 1).partition("/")
    try:
        return SessionKey(tenant, app)
    except InvalidName as error:
        raise NotAsked(f"{error}: name a session as tenant/app") from None


def session_of(tenant_id: str, app_id: str) -> SessionKey:
    """The session of these two names. Raises NotAsked."""
    try:
        return SessionKey(tenant_id, app_id)
    except InvalidName as error:
        raise NotAsked(f"--tenant-id or --app-id: {error}") from None


def path_of(key: SessionKey) -> str:
    """Where the service has this session."""
    return f"/api/v1/sessions/{key.tenant_id}/{key.app_id}"
