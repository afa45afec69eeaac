"""Azure's published resource types, and what is wrong with a resource by them.

They come from `azmcp bicepschema` of the npm package @azure/mcp, which carries them inside: no network is used. It
knows one API version of each type, its latest, and that is the version that names and types are checked by. Types that
it does not serve are in transcribed_types.json, taken over in the same form, as far as infra/ uses them, from
https://github.com/Azure/bicep-types-az. The answers are kept in .local/bicep-types: to ask for all takes 5 seconds.
"""

import difflib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.infra.bicep import ROOT, BicepFile, Call, Choice, Expression, Loop, Resource, Text, Value
from tests.infra.kinds import kind_of

PACKAGES = ROOT / "node_modules" / "@azure"
CACHE = ROOT / ".local" / "bicep-types"
TRANSCRIBED = Path(__file__).with_name("transcribed_types.json")

OF_BICEP_ITSELF = ("parent", "scope", "dependsOn")
"""Members of every resource that are Bicep's, not the type's."""

_PRIMITIVES = ("string", "int", "bool", "object", "array")
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class NoTypes(Exception):
    """The types can't be had on this machine, or nobody publishes the type."""


@dataclass(frozen=True)
class Member:
    """One member of an object: its type as published, such as `string`, `Sku`, `IPRule[]` or `Hot | Cool | string`."""

    type: str
    required: bool
    read_only: bool


@dataclass(frozen=True)
class Shape:
    """An object type. One with a discriminator has variants instead, which hold the members that all share too."""

    members: dict[str, Member]
    others: str | None
    discriminator: str | None = None
    variants: dict[str, "Shape"] = field(default_factory=dict[str, "Shape"])


@dataclass(frozen=True)
class ResourceType:
    """A resource type: its version, its body, the shapes that it names, and the scopes that it is deployed to."""

    api_version: str
    body: Shape
    shapes: dict[str, Shape]
    scopes: str

    def complaints(self, resource: Resource, file: BicepFile) -> Iterator[str]:
        """What is wrong with a resource of this type; nothing where it is as published and tagged, or only named."""
        if resource.existing:
            return
        body = {key: value for key, value in resource.body.items() if key not in OF_BICEP_ITSELF}
        yield from self._of_object(body, self.body, resource.symbol, file, whole=True)
        if "tags" in self.body.members and "tags" not in body:
            yield f"{resource.symbol} has no tags"
        if "scope" not in resource.body and not self._deploys_to(file.target_scope):
            yield f"{resource.symbol} can't be deployed to a {file.target_scope}"

    def _deploys_to(self, scope: str) -> bool:
        return self.scopes.startswith("All") or scope.lower() in self.scopes.lower().split(", ")

    def _of_value(self, value: Value, published: str, where: str, file: BicepFile, whole: bool) -> Iterator[str]:
        """The complaints about a value; one that is not `whole` is merged with others, which have what it lacks."""
        value = file.resolved(value)
        if isinstance(value, Choice):
            for choice in (value.yes, value.no):
                yield from self._of_value(choice, published, where, file, whole)
        elif isinstance(value, Call) and value.function == "union":
            for argument in value.arguments:
                yield from self._of_value(argument, published, where, file, whole=False)
        elif published.endswith("[]"):
            yield from self._of_array(value, published.removesuffix("[]"), where, file)
        elif isinstance(value, dict) and published in self.shapes:
            yield from self._of_object(value, self.shapes[published], where, file, whole)
        else:
            yield from self._of_primitive(value, published, where, file)

    def _of_array(self, value: Value, item: str, where: str, file: BicepFile) -> Iterator[str]:
        if isinstance(value, Loop):
            yield from self._of_value(value.body, item, f"{where}[]", file, whole=True)
        elif isinstance(value, list):
            for index, element in enumerate(value):
                yield from self._of_value(element, item, f"{where}[{index}]", file, whole=True)
        elif kind_of(value, file) not in ("array", "null", None):
            yield f"{where} is an array, not {_shown(value)}"

    def _of_primitive(self, value: Value, published: str, where: str, file: BicepFile) -> Iterator[str]:
        alternatives = published.split(" | ")
        allowed = {self._kind_of_alternative(alternative) for alternative in alternatives}
        kind = kind_of(value, file)
        if kind in (None, "null") or None in allowed:
            return
        if kind not in allowed:
            yield f"{where} is {published}, not {_shown(value)}"
        elif isinstance(value, str) and "string" not in alternatives and value not in alternatives:
            yield f"{where} is one of {published}, not {value}"

    def _kind_of_alternative(self, alternative: str) -> str | None:
        """What kind of value an alternative takes: anything, an object, a primitive, or the very word."""
        if alternative == "any":
            return None
        if alternative in self.shapes:
            return "object"
        return alternative if alternative in _PRIMITIVES else "string"

    def _of_object(
        self, value: dict[Any, Value], shape: Shape, where: str, file: BicepFile, whole: bool
    ) -> Iterator[str]:
        if shape.discriminator:
            variant = file.resolved(value.get(shape.discriminator))
            if not isinstance(variant, str) or variant not in shape.variants:
                yield f"{where}.{shape.discriminator} is one of {', '.join(shape.variants)}, not {_shown(variant)}"
                return
            shape = shape.variants[variant]
        for key, item in value.items():
            place = f"{where}.{_shown(key)}"
            member = shape.members.get(key)
            if member and member.read_only:
                yield f"{place} is read-only"
            elif member or shape.others:
                published = member.type if member else str(shape.others)
                yield from self._of_value(item, published, place, file, whole)
            else:
                yield f"{place} does not exist{_meant(key, shape)}"
        for name, member in shape.members.items():
            if whole and member.required and name not in value:
                yield f"{where}.{name} is required"


def published(types: Iterable[str]) -> dict[str, ResourceType]:
    """The published types of these names.

    Raises:
        NoTypes: this machine can't tell, or a type is not published.
    """
    types = sorted(set(types))
    transcribed = json.loads(TRANSCRIBED.read_text())
    answers = {name: transcribed[name]["types"] for name in types if name in transcribed}
    answers |= ask([name for name in types if name not in transcribed])
    unknown = [name for name, answer in answers.items() if answer is None]
    if unknown:
        raise NoTypes(f"nobody publishes {', '.join(unknown)}")
    return {name: _resource_type(answer) for name, answer in answers.items()}


def ask(types: list[str]) -> dict[str, list[dict[str, Any]] | None]:
    """azmcp's answer for each type, from the cache where it is there; None where azmcp does not know the type.

    Raises:
        NoTypes: azmcp is not installed, or does not run.
    """
    version = json.loads((PACKAGES / "mcp" / "package.json").read_text())["version"]
    kept = {name: CACHE / version / f"{name.replace('/', '.').lower()}.json" for name in dict.fromkeys(types)}
    missing = [name for name, path in kept.items() if not path.exists()]
    if missing:
        (CACHE / version).mkdir(parents=True, exist_ok=True)
        for name, answer in _asked(missing):
            new = kept[name].with_suffix(".new")
            new.write_text(json.dumps(answer))
            new.replace(kept[name])
    return {name: json.loads(path.read_text()) for name, path in kept.items()}


def _program() -> Path:
    """The azmcp of this machine, which npm installs as an optional package."""
    system = {"windows": "win32"}.get(platform.system().lower(), platform.system().lower())
    package = PACKAGES / f"mcp-{system}-{_MACHINES.get(platform.machine().lower(), platform.machine())}"
    program = package / "dist" / ("azmcp.exe" if system == "win32" else "azmcp")
    if not program.exists():
        raise NoTypes(
            f"{program.relative_to(ROOT)} is missing: npm has no @azure/mcp for this machine, or `make install` failed"
        )
    return program


def _asked(types: list[str]) -> Iterator[tuple[str, list[dict[str, Any]] | None]]:
    """Ask one azmcp server for all types: each process of its own would take a second to start."""
    with subprocess.Popen(
        [_program(), "server", "start", "--namespace", "bicepschema", "--mode", "all"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "AZURE_MCP_COLLECT_TELEMETRY": "false"},
        text=True,
    ) as server:
        assert server.stdin and server.stdout

        def call(method: str, params: dict[str, Any]) -> dict[str, Any]:
            assert server.stdin and server.stdout
            print(
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
                file=server.stdin,
                flush=True,
            )
            line = server.stdout.readline()
            if not line:
                raise NoTypes("azmcp ended without an answer")
            return json.loads(line)["result"]

        client = {"name": "tests", "version": "1"}
        call("initialize", {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client})
        for name in types:
            result = call("tools/call", {"name": "bicepschema_get", "arguments": {"resource-type": name}})
            yield name, _types_in(result)


def _types_in(result: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The types in an answer; None where it says that there are none."""
    answer = json.loads(result["content"][0]["text"])
    return answer["results"]["BicepSchemaResult"] if answer["status"] == 200 else None


def _resource_type(types: list[dict[str, Any]]) -> ResourceType:
    resource = next(entry for entry in types if entry["$type"] == "Resource")
    shapes = {entry["name"]: _shape(entry) for entry in types if entry["$type"] in ("Object", "DiscriminatedObject")}
    version = resource["name"].partition("@")[2]
    return ResourceType(version, _shape(resource["bodyType"]), shapes, resource["writableScopes"])


def _shape(entry: dict[str, Any]) -> Shape:
    members = _members(entry.get("properties") or entry.get("baseProperties") or [])
    others = entry.get("additionalPropertiesType")
    discriminator = entry.get("discriminator")
    if not discriminator:
        return Shape(members, others)
    variants: dict[str, Shape] = {}
    for element in entry["elements"]:
        variant = _shape(element)
        variants[variant.members[discriminator].type] = Shape(members | variant.members, variant.others)
    return Shape(members, others, discriminator, variants)


def _members(entries: list[dict[str, Any]]) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for entry in entries:
        flags = entry.get("flags", "").split(", ")
        members[entry["name"]] = Member(entry["type"], "Required" in flags, "ReadOnly" in flags)
    return members


def _meant(key: Any, shape: Shape) -> str:
    """A hint at what a wrong name may have been meant to be."""
    by_lower = {name.lower(): name for name in shape.members}
    close = difflib.get_close_matches(str(key).lower(), by_lower, 1)
    return f"; {by_lower[close[0]]} does" if close else ""


def _shown(value: Value) -> str:
    """A value for a message."""
    if isinstance(value, Text):
        return "".join(part if isinstance(part, str) else "${...}" for part in value.parts)
    return "an expression of another type" if isinstance(value, Expression) else str(value)
