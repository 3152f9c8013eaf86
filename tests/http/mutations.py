"""Signed texts with something changed: a bit, a character, a field, the order, what signs for what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from urllib.parse import parse_qsl, urlencode

from api.signatures import Signed

FIELDS = ("method", "target", "signature", "timestamp", "request_id", "key_id")
ODD = "\x00\n=&,.;%+ é\u0410\u202e\u0663\U0001d7d8"


def mutated(request: Signed, chance: Random) -> Signed:
    """The same callback, but for one thing or a few that make another of it."""
    changed = request
    while _means(changed) >= _means(request):
        changed = request
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            changed = _changed(changed, chance)
    return changed


def _changed(request: Signed, chance: Random) -> Signed:
    if chance.random() < 0.25:
        return replace(request, body=mutated_bytes(request.body, chance))
    values = {name: getattr(request, name) for name in FIELDS}
    name = chance.choice(FIELDS)
    values[name] = mutated_text(values[name], chance)
    return Signed(body=request.body, **values)


def _means(request: Signed) -> set[object]:
    """A list of signatures that still holds the good one, once, is lawful, whatever else is in it."""
    parts = request.signature.split(",")
    once = {part for part in parts if parts.count(part) == 1}
    return {replace(request, signature=""), *once}


def mutated_text(text: str, chance: Random) -> str:
    """The text with one change."""
    change: Callable[[str, int, Random], str] = chance.choice(
        (_replaced, _removed, _inserted, _swapped, _cased, _cut, _odd, _doubled)
    )
    return change(text, chance.randrange(len(text) + 1), chance)


def mutated_bytes(raw: bytes, chance: Random) -> bytes:
    """The bytes with one bit turned, one more, or one less."""
    at = chance.randrange(len(raw))
    match chance.randrange(3):
        case 0:
            return raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]
        case 1:
            return raw[:at] + bytes([chance.randrange(256)]) + raw[at:]
        case _:
            return raw[:at] + raw[at + 1 :]


def mutated_init_data(text: str, chance: Random, *, unsigned: frozenset[str]) -> str:
    """Init data that means something else than this one.

    What only is written in another way means the same, and so does a change of what is not signed.
    """
    meaning = _meaning(text, unsigned)
    while True:
        changed = _field_changed(text, chance) if chance.random() < 0.5 else mutated_text(text, chance)
        if _meaning(changed, unsigned) != meaning:
            return changed


def _meaning(text: str, unsigned: frozenset[str]) -> object:
    pairs = parse_qsl(text, keep_blank_values=True)
    return sorted((name, value) for name, value in pairs if name not in unsigned)


def _field_changed(text: str, chance: Random) -> str:
    pairs = parse_qsl(text, keep_blank_values=True)
    at = chance.randrange(len(pairs))
    name, value = pairs[at]
    match chance.randrange(4):
        case 0:
            pairs[at] = (name, mutated_text(value, chance))
        case 1:
            pairs[at] = (mutated_text(name, chance), value)
        case 2:
            pairs.append((name, mutated_text(value, chance)))
        case _:
            del pairs[at]
    return urlencode(pairs)


def _replaced(text: str, at: int, chance: Random) -> str:
    return text[:at] + chance.choice("0123456789abcdefXYZ-_") + text[at + 1 :]


def _removed(text: str, at: int, _: Random) -> str:
    return text[:at] + text[at + 1 :]


def _inserted(text: str, at: int, chance: Random) -> str:
    return text[:at] + chance.choice("0123456789abcdefXYZ-_") + text[at:]


def _swapped(text: str, at: int, _: Random) -> str:
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


def _cased(text: str, at: int, _: Random) -> str:
    return text[:at] + text[at:].swapcase()


def _cut(text: str, at: int, _: Random) -> str:
    return text[:at]


def _odd(text: str, at: int, chance: Random) -> str:
    return text[:at] + chance.choice(ODD) + text[at:]


def _doubled(text: str, _: int, chance: Random) -> str:
    return text + chance.choice((text, "," + text, "\n", " "))
