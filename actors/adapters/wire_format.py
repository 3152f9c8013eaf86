"""What one node writes to another: a wish and its answer as JSON, and back to equal values.

The text holds in clear what was typed, so it only ever exists as a Secret, on its way into a seal. A class that is
added to `messages`, `states` or `errors` needs nothing here, as long as it looks like its neighbours; a node of an
older release, which has never heard of it, answers NotUnderstood.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from cattrs.errors import ForbiddenExtraKeysError
from cattrs.preconf.json import JsonConverter, make_converter
from cattrs.strategies import configure_tagged_union

from actors.core.messages import Command, Message
from actors.core.secret import Secret
from actors.core.states import Absent, Revoked, Stale, State
from actors.core.transitions import MustWait, Refused
from actors.errors import NotUnderstood, Unanswered
from actors.post import TELLABLE, Answer, Wish
from actors.published import Snapshot

TAG = "_type"


@dataclass(frozen=True, slots=True)
class Told:
    """One of `actors.errors`, as it travels."""

    error: str
    sentence: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Refused, as it travels."""

    error: str
    state: State
    message: Message
    retry_at: float | None = None


Travelling = State | Snapshot | Told | Refusal


def _converter() -> JsonConverter:
    converter = make_converter(
        # What is at its default is left out, so that a new field is no trouble to older nodes until it is used.
        omit_if_default=True,
        forbid_extra_keys=True,
        detailed_validation=False,
    )
    converter.register_unstructure_hook(Secret, Secret.reveal)
    converter.register_structure_hook(Secret, lambda text, _: Secret(_text(text)))
    for union in (Absent | Stale | Revoked, State, Command, Message, Wish, Travelling):
        configure_tagged_union(union, converter, tag_name=TAG)
    return converter


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a secret is a text")
    return value


_CONVERTER = _converter()


def write_wish(wish: Wish) -> Secret:
    """The wish as it travels."""
    return _write(wish, Wish)


def read_wish(text: Secret) -> Wish:
    """The wish that was written. Raises NotUnderstood."""
    wish: Wish = _read(text, Wish)
    return wish


def write_answer(answer: Answer) -> Secret:
    """The answer as it travels. Raises TypeError for an error of a class that does not."""
    return _write(_travelling(answer), Travelling)


def read_answer(text: Secret) -> Answer:
    """The answer that was written. Raises NotUnderstood, also for an error that this release does not know."""
    read: Travelling = _read(text, Travelling)
    match read:
        case Told() | Refusal():
            if read.error not in TELLABLE:
                raise _not_understood(read.error)
            return _error(read, TELLABLE[read.error])
        case _:
            return read


def _error(read: Told | Refusal, kind: type[Exception]) -> Exception:
    match read:
        case Refusal(_, state, message, None):
            return kind(state, message)
        case Refusal(_, state, message, retry_at):
            return kind(state, message, retry_at)
        case Told(_, sentence, retry_after) if issubclass(kind, Unanswered):
            return kind(sentence, retry_after)
        case Told(_, sentence):
            return kind(sentence)


def _travelling(answer: Answer) -> Travelling:
    match answer:
        case MustWait(retry_at=retry_at):
            return Refusal(type(answer).__name__, answer.state, answer.message, retry_at)
        case Refused():
            return Refusal(type(answer).__name__, answer.state, answer.message)
        case Exception() if type(answer) not in TELLABLE.values():
            raise TypeError(f"a {type(answer).__name__} cannot be told to another node")
        case Unanswered():
            return Told(type(answer).__name__, str(answer), answer.retry_after)
        case Exception():
            return Told(type(answer).__name__, str(answer))
        case _:
            return answer


def _write(value: object, union: Any) -> Secret:
    return Secret(_CONVERTER.dumps(value, unstructure_as=union))


def _read(text: Secret, union: Any) -> Any:
    tag = None
    try:
        tag = json.loads(text.reveal())[TAG]
        return _CONVERTER.loads(text.reveal(), union)
    except (ValueError, TypeError, KeyError, AttributeError, ForbiddenExtraKeysError):
        pass  # such an error has the text with it: nobody may get hold of it
    raise _not_understood(tag)


def _not_understood(tag: object) -> NotUnderstood:
    named = tag if isinstance(tag, str) and re.fullmatch(r"[A-Za-z]{1,40}", tag, re.ASCII) else "message"
    return NotUnderstood(
        f"this release cannot read the {named} of another node: let all nodes run the same release", 5.0
    )
