"""The API's description: valid in both versions, complete, and in the words of the types."""

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


def test_both_are_valid() -> None:
    """By the published schemas of the two versions."""
    assert list(OpenAPIV31SpecValidator(OPENAPI).iter_errors()) == []
    assert list(OpenAPIV2SpecValidator(SWAGGER).iter_errors()) == []


@pytest.mark.parametrize("document", [OPENAPI, SWAGGER], ids=["3.1", "2.0"])
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
