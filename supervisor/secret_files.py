"""Secrets from files, as orchestrators mount them: NAME_FILE names one, SECRETS_DIR a folder of them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

LARGEST = 64 * 1024


@dataclass(slots=True)
class SecretFiles:
    """What the files hold, by the names of settings, and what is wrong with them, in sentences without a value.

    `missing` are the settings that would be here if their file could be read: no second complaint about those.
    """

    values: dict[str, str] = field(default_factory=dict, repr=False)
    faults: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def read_secret_files(environment: Mapping[str, str], names: AbstractSet[str]) -> SecretFiles:
    """Read every file that a variable NAME_FILE points to, for the settings of these names."""
    found = SecretFiles()
    for name in sorted(names):
        variable = f"{name.upper()}_FILE"
        if not environment.get(variable):
            continue
        try:
            found.values[name] = _secret(variable, Path(environment[variable]))
        except ValueError as fault:
            found.faults.append(str(fault))
            found.missing.add(name)
        if environment.get(name.upper()):
            found.faults.append(f"{variable} and {name.upper()} are both set; keep one of them")
    return found


def given_secret(environment: Mapping[str, str], name: str) -> str | None:
    """The secret of this variable, or of the file that its NAME_FILE names. Raises ValueError with a sentence."""
    found = read_secret_files(environment, {name.lower()})
    if found.faults:
        raise ValueError(found.faults[0])
    return found.values.get(name.lower()) or environment.get(name) or None


def secrets_directory(
    environment: Mapping[str, str], names: AbstractSet[str]
) -> tuple[Path | None, list[str]]:
    """The folder SECRETS_DIR, whose files have the names of settings, and what is wrong with it."""
    if not environment.get("SECRETS_DIR"):
        return None, []
    folder = Path(environment["SECRETS_DIR"])
    if not folder.is_dir():
        return None, [f"SECRETS_DIR: {folder} is no folder; mount it, or unset SECRETS_DIR"]
    faults = []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        return None, [f"SECRETS_DIR: {folder} cannot be read ({type(error).__name__}); check its rights"]
    for path in paths:
        if path.name.lower() in names:
            try:
                _secret(f"SECRETS_DIR, {path.name}", path)
            except ValueError as fault:
                faults.append(str(fault))
    return (None if faults else folder), faults


def _secret(named: str, path: Path) -> str:
    """What the file holds, without the newline that editors add. Raises ValueError with the sentence to show."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{named}: {path} cannot be read (no regular file); check path and rights")
        if status.st_size > LARGEST:
            raise ValueError(f"{named}: {path} is too large for a secret")
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(
            f"{named}: {path} cannot be read ({type(error).__name__}); check path and rights"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{named}: {path} is no text") from None
    if text.startswith("\ufeff"):
        raise ValueError(f"{named}: {path} begins with a byte order mark; save it without")
    if not text:
        raise ValueError(f"{named}: {path} is empty")
    return text
