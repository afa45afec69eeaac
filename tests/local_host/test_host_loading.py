"""Loading an app: settings, refusals, and the folder it lies in."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import pytest

from local_host.functions import Functions
from local_host.settings import AppNotLoaded, HostSettings, load_app


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty app folder; what importing from it changes is undone."""
    path, imported = list(sys.path), sys.modules.pop("function_app", None)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("function_app", None)
    if imported:  # by another test: the app itself
        sys.modules["function_app"] = imported


def test_reads_an_app_folder(folder: Path):
    """The app, the settings of host.json, and local.settings.json's Values, which override nothing."""
    (folder / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n")
    (folder / "host.json").write_text(
        '{"extensions": {"http": {"routePrefix": "/v1/"}, "durableTask": {"hubName": "H"}}}'
    )
    (folder / "local.settings.json").write_text('{"Values": {"NEW": 1, "SET": "file"}}')
    environ = {"SET": "environment"}
    app, settings = load_app(folder, environ)
    assert isinstance(app, func.FunctionApp)
    assert settings == HostSettings(route_prefix="v1", task_hub="H")
    assert environ == {"SET": "environment", "NEW": "1"}


def test_needs_neither_settings_file(folder: Path):
    """Without host.json the Functions host's defaults apply."""
    (folder / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n")
    assert load_app(folder, {})[1] == HostSettings(route_prefix="api", task_hub="LocalHub")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError('first line\\nVAULTS is missing')", "^The app can't be imported: VAULTS is missing$"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("app = 1", "no function app named 'app'"),
    ],
)
def test_says_in_a_sentence_why_an_app_is_not_loaded(folder: Path, source: str, reason: str):
    """An app that can't be imported is told by the last line of its error."""
    (folder / "function_app.py").write_text(source)
    with pytest.raises(AppNotLoaded, match=reason):
        load_app(folder, {})


def test_says_that_there_is_no_app(folder: Path):
    """A folder without function_app.py is named."""
    with pytest.raises(AppNotLoaded, match=r"There is no function_app\.py in"):
        load_app(folder, {})


def test_says_that_a_settings_file_is_not_json(folder: Path):
    """A settings file that can't be read is named."""
    (folder / "function_app.py").write_text("")
    (folder / "host.json").write_text("{")
    with pytest.raises(AppNotLoaded, match=r"host\.json is not valid JSON"):
        load_app(folder, {})


def an_app(bind: Any, function: Any) -> df.DFApp:
    """An app with one function, bound by `bind`."""
    app = df.DFApp()
    bind(app)(function)
    return app


def takes_nothing_but(msg: str) -> None: ...


def takes_more(step: str, context: func.Context) -> None: ...


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (
            an_app(lambda app: app.entity_trigger(context_name="context"), lambda context: None),
            "uses entityTrigger, which the local host does not support",
        ),
        (
            an_app(lambda app: app.queue_trigger("msg", "q", "c"), takes_nothing_but),
            "'takes_nothing_but' uses queueTrigger",
        ),
        (
            an_app(
                lambda app: lambda f: app.queue_output("out", "q", "c")(app.activity_trigger(input_name="msg")(f)),
                takes_nothing_but,
            ),
            "'takes_nothing_but' uses queue,",
        ),
        (
            an_app(lambda app: app.activity_trigger(input_name="step"), takes_more),
            "'takes_more' has parameters without a binding: context",
        ),
    ],
)
def test_refuses_functions_it_can_not_run(app: df.DFApp, reason: str):
    """Other triggers, output bindings and unbound parameters are refused when the app is loaded."""
    with pytest.raises(AppNotLoaded, match=reason):
        Functions(app)


def test_refuses_two_functions_of_one_name():
    """What the SDK refuses is told in the same way."""
    app = df.DFApp()
    for _ in range(2):
        app.activity_trigger(input_name="msg")(takes_nothing_but)
    with pytest.raises(AppNotLoaded, match="The SDK refuses the app"):
        Functions(app)


def test_reads_names_given_to_durable_functions():
    """An activity is called by the name its trigger gives it."""
    app = an_app(lambda app: app.activity_trigger(input_name="msg", activity="Other"), takes_nothing_but)
    assert list(Functions(app).activities) == ["Other"]
