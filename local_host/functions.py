"""The app's functions: what each is bound to, which of them this host can run, and how it is called.

Arguments and results pass through azure.functions' own converters, as in the Python worker. A feature the host does
not have is refused here, when the app is loaded, wherever the bindings show it.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum, _ConverterMeta

from local_host.actions import DurableNames
from local_host.executions import Executions
from local_host.settings import AppNotLoaded

HTTP = "httpTrigger"
TIMER = "timerTrigger"
EVENT_GRID = "eventGridTrigger"
ORCHESTRATION = "orchestrationTrigger"
ACTIVITY = "activityTrigger"
DURABLE_CLIENT = "durableClient"
HTTP_RESPONSE = "http"

TRIGGERS = (HTTP, TIMER, EVENT_GRID, ORCHESTRATION, ACTIVITY)
SUPPORTED_BINDINGS = (*TRIGGERS, DURABLE_CLIENT, HTTP_RESPONSE)

# The setting that names a durable function, where it is not called as its Python function is.
DURABLE_NAME_SETTINGS = {ORCHESTRATION: "orchestration", ACTIVITY: "activity"}


@dataclass(frozen=True)
class Function:
    """One function of the app.

    `trigger` and `bindings` are its entries of function.json; `parameter` receives the trigger's value,
    `client_parameters` a durable client each.
    """

    name: str
    durable_name: str
    kind: str
    parameter: str
    trigger: Mapping[str, Any]
    bindings: tuple[Mapping[str, Any], ...]
    client_parameters: tuple[str, ...]
    call: Callable[..., Any]
    is_async: bool


class Functions:
    """The functions of one app, by name; orchestrations and activities also by durable name."""

    def __init__(self, app: func.FunctionRegister) -> None:
        """Read the functions of `app`. Works once per app object: the SDK refuses to list them a second time.

        Raises AppNotLoaded for a function this host can't run.
        """
        try:
            registered = app.get_functions()
        except ValueError as invalid:  # two functions of one name, a function without a trigger
            raise AppNotLoaded(f"The SDK refuses the app: {invalid}") from invalid
        self.by_name = {function.name: function for function in map(_read_function, registered)}
        self.orchestrations = self._by_durable_name(ORCHESTRATION)
        self.activities = self._by_durable_name(ACTIVITY)
        self.durable_names = DurableNames(self.orchestrations.keys(), self.activities.keys())

    def of_kind(self, kind: str) -> list[Function]:
        return [function for function in self.by_name.values() if function.kind == kind]

    def _by_durable_name(self, kind: str) -> dict[str, Function]:
        return {function.durable_name: function for function in self.of_kind(kind)}


class Invoker:
    """Calls functions, and counts that: coroutines on the host's event loop, plain functions in its threads."""

    def __init__(self, threads: Executor, client_binding: str) -> None:
        """`client_binding` is the JSON a durable client parameter receives."""
        self._threads = threads
        self._client_binding = client_binding
        self.executions = Executions()

    async def invoke(self, function: Function, trigger_value: Datum) -> Any:
        """The function's return value. Raises whatever the function or the converter raises."""
        self.executions.ran(function.name)
        arguments = {function.parameter: converter(function.kind).decode(trigger_value, trigger_metadata=None)}
        arguments |= dict.fromkeys(function.client_parameters, self._client_binding)
        if function.is_async:
            return await function.call(**arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function.call(**arguments))


def converter(binding: str) -> Any:
    """azure.functions' own converter of a binding's values."""
    return _ConverterMeta.get(binding)


def _read_function(registered: Any) -> Function:
    name: str = registered.get_function_name()
    # Through JSON, as function.json: enums become their text.
    bindings = [json.loads(json.dumps(b.get_dict_repr(), default=str)) for b in registered.get_bindings()]
    for binding in bindings:
        if binding["type"] not in SUPPORTED_BINDINGS:
            raise AppNotLoaded(f"Function '{name}' uses {binding['type']}, which the local host does not support.")
    trigger = next(binding for binding in bindings if binding["type"] in TRIGGERS)
    kind = trigger["type"]
    call = registered.get_user_function()
    clients = tuple(binding["name"] for binding in bindings if binding["type"] == DURABLE_CLIENT)
    if kind != ORCHESTRATION:  # an orchestrator is wrapped by the SDK, whose wrapper names its parameter otherwise
        _require_bindings(name, call, {trigger["name"], *clients})
    return Function(
        name=name,
        durable_name=trigger.get(DURABLE_NAME_SETTINGS.get(kind, "")) or name,
        kind=kind,
        parameter=trigger["name"],
        trigger=trigger,
        bindings=tuple(bindings),
        client_parameters=clients,
        call=call,
        is_async=inspect.iscoroutinefunction(call),
    )


def _require_bindings(name: str, call: Callable[..., Any], bound: set[str]) -> None:
    if unbound := inspect.signature(call).parameters.keys() - bound:
        raise AppNotLoaded(
            f"Function '{name}' has parameters without a binding: {', '.join(sorted(unbound))}. "
            "(The invocation context is not supported by the local host.)"
        )
