"""The API's description: valid in both versions, complete, and in the words of the types."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV31SpecValidator

from migration.limits import Limits
from triggers.http import ROUTES
from triggers.openapi import openapi, swagger

SITE = "https://app.example"
OPENAPI: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(openapi(ROUTES, SITE)))
SWAGGER: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(swagger(ROUTES, SITE)))
BOTH = pytest.mark.parametrize("document", [OPENAPI, SWAGGER], ids=["3.1", "2.0"])


def test_both_are_valid() -> None:
    """By the published schemas of the two versions."""
    assert list(OpenAPIV31SpecValidator(OPENAPI).iter_errors()) == []
    assert list(OpenAPIV2SpecValidator(SWAGGER).iter_errors()) == []


@BOTH
def test_every_route_is_described(document: dict[str, Any]) -> None:
    """With the name of its function, a summary, and an answer for each of its status codes."""
    described = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert len(described) == len(ROUTES)
    for route in ROUTES:
        operation = described[route.method, "/" + route.path.replace("{*", "{")]
        assert operation["summary"].endswith((".", "migration `migrate`, carry it out."))
        assert {str(code) for code in route.answers} <= set(operation["responses"])
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)


def named(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Whatever callers see by a name: where it stands, its name, and what is said of it."""
    for name, schema in (document.get("definitions") or document["components"]["schemas"]).items():
        yield "schemas", name, schema
        yield from ((name, field, said) for field, said in schema.get("properties", {}).items())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            yield where, operation["operationId"], operation
            yield from ((where, one["name"], one) for one in operation["parameters"])
            yield from ((where, code, response) for code, response in operation["responses"].items())
            if "requestBody" in operation:
                yield where, "requestBody", operation["requestBody"]


@BOTH
def test_nothing_has_to_be_guessed_from_its_name(document: dict[str, Any]) -> None:
    """Every schema, property, operation, parameter, body and response says what it is, in more than its own name."""

    def words(text: str) -> list[str]:
        return re.findall(r"[a-z]+|\d+", re.sub(r"([A-Z])", r" \1", text).lower())

    unsaid = [
        f"{where}: {name}"
        for where, name, said in named(document)
        if len(words(said.get("description", ""))) < 2 or words(said["description"]) == words(name)
    ]
    assert unsaid == []


@BOTH
def test_every_value_of_an_enumeration_is_explained(document: dict[str, Any]) -> None:
    """States, modes and verdicts, where they are defined."""
    unsaid = [
        f"{where}: {name}: {value}"
        for where, name, said in named(document)
        for schema in (said, said.get("schema", {}), *said.get("anyOf", ()))
        for value in schema.get("enum", ())
        if isinstance(value, str) and f"`{value}`" not in said["description"]
    ]
    assert unsaid == []


def test_bounds_and_defaults_come_from_the_types() -> None:
    """What a request is checked by is what its description says."""
    limits = OPENAPI["components"]["schemas"]["Limits"]["properties"]
    assert limits["maxConcurrentPerVault"]["maximum"] == 100
    assert limits["pollSeconds"]["default"] == Limits().poll_seconds
    assert OPENAPI["components"]["schemas"]["MigrationStatus"]["properties"]["requestedAt"]["format"] == "date-time"
    query = OPENAPI["paths"]["/migrations/{id}/items"]["get"]["parameters"]
    assert {parameter["name"]: parameter["in"] for parameter in query} == {
        "id": "path",
        "state": "query",
        "vault": "query",
        "reason": "query",
        "finding": "query",
        "text": "query",
        "pageSize": "query",
        "continuation": "query",
    }


def test_the_older_version_has_none_of_the_newer_words() -> None:
    """Connectors refuse a description that says anyOf, or null, or anything beside a reference."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            assert not {"anyOf", "oneOf", "const", "propertyNames"} & set(node)
            assert "$ref" not in node or len(node) == 1
            assert node.get("type") != "null"
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(SWAGGER["definitions"])
    walk(SWAGGER["paths"])
