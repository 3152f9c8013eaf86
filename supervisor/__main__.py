"""`python -m supervisor`: one process, from reading the environment to exit code 0 within 30 seconds of SIGTERM.

Exit codes: 0 stopped on request, 1 a part of the infrastructure failed, 2 the settings or their surroundings are
not fit to start with (the sentence on standard error names the fix), 3 others have taken this node's sessions over
(start it again).
"""

from __future__ import annotations

import gc
import json
import sys

import structlog
import trio

from actors.bridge import stop_signals
from actors.errors import StoreRefused
from supervisor import logs
from supervisor.descriptors import want_descriptors
from supervisor.owner.life import Superseded
from supervisor.process import Process
from supervisor.settings import Settings, SettingsError, load_settings


async def run(settings: Settings) -> None:
    """Stand until SIGTERM or SIGINT. Prints one line of JSON on standard output when everything is up."""
    with stop_signals() as wait_for_stop_signal:
        process = Process(settings)
        async with process.running() as addresses:
            _settle()
            ready = {"ready": True, "api_port": addresses.api_port, "metrics_port": addresses.metrics_port}
            print(json.dumps(ready), flush=True)  # noqa: T201 - whoever started us reads it
            name = await wait_for_stop_signal()
            structlog.get_logger(__name__).info("stopping", signal=name)


def _settle() -> None:
    """Take what the start has made, and what stays, out of the garbage collector's way.

    A full collection looked at all of it, for 90 ms, and everybody who asked meanwhile waited.
    """
    gc.freeze()


def main() -> int:
    """Read the settings, run, and say by the exit code how it ended."""
    exit_code = 0
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format, sandbox=settings.telegram_sandbox is not None)
        want_descriptors(settings.node_capacity)
        trio.run(run, settings)
    except* (SettingsError, StoreRefused) as refusals:
        exit_code = 2
        for refusal in _leaves(refusals):
            print(refusal, file=sys.stderr)  # noqa: T201 - for the operator, before there are logs
    except* Superseded as superseded:
        exit_code = 3
        for end in _leaves(superseded):
            print(end, file=sys.stderr)  # noqa: T201 - for the operator, beside the logs
    except* Exception:  # noqa: BLE001 - the last boundary: what got here has ended the process
        exit_code = 1
        structlog.get_logger(__name__).exception("the process failed")
    return exit_code


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


if __name__ == "__main__":
    sys.exit(main())
