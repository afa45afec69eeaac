"""What the host is told from outside: host.json, local.settings.json, and the app folder they lie in."""

import importlib
import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func

APP_MODULE = "function_app"
APP_ATTRIBUTE = "app"


class AppNotLoaded(Exception):
    """The app can't be run. The text says why, in a sentence for the terminal; the cause is chained."""


@dataclass(frozen=True)
class HostSettings:
    """The settings of host.json that the local host honours."""

    route_prefix: str = "api"
    task_hub: str = "LocalHub"

    @classmethod
    def from_host_json(cls, document: Mapping[str, Any]) -> "HostSettings":
        """Pick them out of host.json's content; what it does not say keeps its default."""
        extensions = document.get("extensions", {})
        return cls(
            route_prefix=extensions.get("http", {}).get("routePrefix", cls.route_prefix).strip("/"),
            task_hub=extensions.get("durableTask", {}).get("hubName", cls.task_hub),
        )


def load_app(
    folder: Path, environ: MutableMapping[str, str] = os.environ
) -> tuple[func.FunctionRegister, HostSettings]:
    """Import the app of `folder` (attribute `app` of module `function_app`) and read its host.json.

    The Values of its local.settings.json become environment variables first, without overriding, as `func` does it.
    Raises AppNotLoaded.
    """
    if not (folder / f"{APP_MODULE}.py").is_file():
        raise AppNotLoaded(f"There is no {APP_MODULE}.py in {folder}.")
    for name, value in _read_json(folder / "local.settings.json").get("Values", {}).items():
        environ.setdefault(name, str(value))
    settings = HostSettings.from_host_json(_read_json(folder / "host.json"))
    sys.path.insert(0, str(folder.resolve()))
    try:
        app = getattr(importlib.import_module(APP_MODULE), APP_ATTRIBUTE, None)
    except Exception as error:
        last_line = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        raise AppNotLoaded(f"The app can't be imported: {last_line}") from error
    if not isinstance(app, func.FunctionRegister):
        raise AppNotLoaded(f"{APP_MODULE}.py has no function app named '{APP_ATTRIBUTE}'.")
    return app, settings


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise AppNotLoaded(f"{path} is not valid JSON: {error}.") from error
