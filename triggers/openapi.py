"""The API's description, made from the table of endpoints and from the very types that check requests.

OpenAPI 3.1 for people and programs; Swagger 2.0 for custom connectors of Logic Apps and Power Platform, which take
nothing newer.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from migration.model import Value
from migration.request import MIGRATION_ID
from triggers.documents import MigrationStatus, ProblemDocument
from triggers.route import Route

Json = dict[str, Any]

TITLE = "Backup policy migration"
ABOUT = "Moves Azure VM backups from Standard to Enhanced backup policies across whole estates."
VERSION = "1.0"
MEANINGS: Mapping[int, str] = {
    202: "Taken; ask again at Location after Retry-After seconds.",
    400: "The request is not valid; `errors` name what is wrong where.",
    401: "The caller is not known.",
    404: "There is no such migration, or none has planned this VM.",
    409: "Not as things stand; `title` and `detail` say why.",
    413: "The request is too large.",
    503: "The ledger or Azure does not answer now.",
}
"""What an answer means by its status code; 200 comes with what was asked for, whose type says what that is."""
ENDS: Mapping[int, str] = {
    409: "The migration was halted, cancelled or rejected.",
    500: "The migration has failed.",
}
"""What the code means where the answer is a migration's status."""
PARAMETERS: Mapping[str, Json] = {
    "id": {"type": "string", "pattern": MIGRATION_ID, "description": "Which migration"},
    "resourceId": {
        "type": "string",
        "description": "Resource id of a virtual machine or a protected item, without its first slash",
    },
}
PROBLEM = "application/problem+json"
KEY: Json = {"type": "apiKey", "in": "header", "name": "x-functions-key"}


def openapi(routes: Iterable[Route], site: str, easy_auth: bool = False) -> Json:
    """The OpenAPI 3.1 document of these endpoints, served under `site`/api to who has a key, or is signed in."""
    table = tuple(routes)
    types, schemas = _schemas(table, "#/components/schemas/{name}")
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route, types)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "description": ABOUT, "version": VERSION},
        "servers": [{"url": f"{site}/api"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}} if easy_auth else {"key": KEY},
        },
        "security": [{"token" if easy_auth else "key": []}],
    }


def swagger(routes: Iterable[Route], site: str, easy_auth: bool = False) -> Json:
    """The same as Swagger 2.0."""
    table = tuple(routes)
    types, schemas = _schemas(table, "#/definitions/{name}")
    scheme, _, host = site.partition("://")
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation_2(route, types)
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "description": ABOUT, "version": VERSION},
        "schemes": [scheme],
        "host": host,
        "basePath": "/api",
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": paths,
        "definitions": {name: _older(schema) for name, schema in schemas.items()},
        "securityDefinitions": {"token": {**KEY, "name": "Authorization"}} if easy_auth else {"key": KEY},
        "security": [{"token" if easy_auth else "key": []}],
    }


def _schemas(routes: Iterable[Route], template: str) -> tuple[dict[type, Json], dict[str, Json]]:
    """The schema of each body, query and answer, and the definitions they refer to."""
    named = {kind: None for route in routes for kind in (route.body, route.query, *route.answers.values()) if kind}
    kinds = [*named, ProblemDocument]
    schemas, definitions = msgspec.json.schema_components(kinds, ref_template=template)
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = _said(definition["description"])
    queries = {route.query for route in routes if route.query}
    by_kind = {
        kind: definitions[kind.__name__] if kind in queries else schema
        for kind, schema in zip(kinds, schemas, strict=True)
    }
    return by_kind, {name: one for name, one in definitions.items() if name not in {kind.__name__ for kind in queries}}


def _said(docstring: str | None) -> str:
    """A docstring for callers: its `field_names` as the wire spells them."""
    text = inspect.cleandoc(docstring or "")
    return re.sub(r"`\w+`", lambda name: re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name[0]), text)


def _paragraphs(docstring: str | None) -> tuple[str, str]:
    """A docstring's first paragraph and what follows it, each in one line."""
    first, _, more = _said(docstring).partition("\n\n")
    return " ".join(first.split()), " ".join(more.split())


def _path(route: Route) -> str:
    return "/" + route.path.replace("{*", "{")


def _answers(route: Route) -> dict[int, type]:
    """Every status code of a route, those that any endpoint may answer included."""
    common = [400]
    if not route.anonymous:
        common += [401, 503]
    if route.body:
        common += [413]
    answers = {**dict.fromkeys(common, ProblemDocument), **route.answers}
    return dict(sorted((answers if route.answers else {**answers, 200: dict}).items()))


def _words(route: Route) -> Json:
    summary, more = _paragraphs(route.endpoint.__doc__)
    return {"operationId": cast(Any, route.endpoint).__name__, "summary": summary, "description": more}


def _parameters(route: Route, types: Mapping[type, Json]) -> list[tuple[Json, Json]]:
    """Each parameter, and its schema apart."""
    return [
        (
            {"name": name, "in": place, "required": required, "description": schema["description"]},
            {word: value for word, value in schema.items() if word != "description"},
        )
        for name, place, schema, required in _fields(route, types)
    ]


def _fields(route: Route, types: Mapping[type, Json]) -> list[tuple[str, str, Json, bool]]:
    """Name, place, schema and whether it is required."""
    found = [(name, "path", PARAMETERS[name], True) for name in re.findall(r"{\*?(\w+)}", route.path)]
    if route.query:
        query = types[route.query]
        required = query.get("required", [])
        found += [(name, "query", schema, name in required) for name, schema in query["properties"].items()]
    if route.idempotency_key:
        said = {"description": "The new migration's id, where the body has none"}
        found.append(("Idempotency-Key", "header", {"type": "string", "pattern": MIGRATION_ID, **said}, False))
    return found


def _operation(route: Route, types: Mapping[type, Json]) -> Json:
    operation = _words(route)
    operation["parameters"] = [{**parameter, "schema": schema} for parameter, schema in _parameters(route, types)]
    if route.body:
        content = {"application/json": {"schema": types[route.body]}}
        operation["requestBody"] = {**_body(route.body), "content": content}
    operation["responses"] = {str(code): _response(route, code, kind, types) for code, kind in _answers(route).items()}
    return {**operation, "security": []} if route.anonymous else operation


def _body(kind: type[Value]) -> Json:
    needed = any(field.required for field in msgspec.structs.fields(kind))
    return {"required": needed, "description": _paragraphs(kind.__doc__)[0]}


def _meaning(route: Route, code: int, kind: type) -> str:
    if kind is dict:
        return "The description."
    meanings = {**MEANINGS, **ENDS} if kind is MigrationStatus else MEANINGS
    meaning = meanings.get(code) or _paragraphs(kind.__doc__)[0]
    return f"{meaning} As CSV a line for each VM." if route.csv and code == 200 else meaning


def _response(route: Route, code: int, kind: type, types: Mapping[type, Json]) -> Json:
    response: Json = {"description": _meaning(route, code, kind)}
    if code == 202:
        response["headers"] = {
            "Location": {"schema": {"type": "string"}, "description": "Where its status lives."},
            "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before asking."},
        }
    if code == 401:
        return response  # with function keys the Functions host answers, without a document
    if kind is dict:
        return {**response, "content": {"application/json": {"schema": {"type": "object"}}}}
    content = {PROBLEM if kind is ProblemDocument else "application/json": {"schema": types[kind]}}
    if route.csv and code == 200:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {**response, "content": content}


# --- Swagger 2.0


def _operation_2(route: Route, types: Mapping[type, Json]) -> Json:
    operation = _words(route)
    parameters = [{**parameter, **_plain(_older(schema))} for parameter, schema in _parameters(route, types)]
    if route.body:
        parameters.append({"name": "body", "in": "body", **_body(route.body), "schema": types[route.body]})
    operation["parameters"] = parameters
    operation["responses"] = {
        str(code): {
            "description": _meaning(route, code, kind),
            **({"schema": types[kind]} if code != 401 and kind in types else {}),
        }
        for code, kind in _answers(route).items()
    }
    return {**operation, "security": []} if route.anonymous else operation


def _plain(schema: Json) -> Json:
    """A parameter can't refer to a definition; every one that does is a state, which is a text."""
    return {"type": "string"} if "$ref" in schema or "allOf" in schema else schema


def _older(schema: Any) -> Any:
    """A JSON schema in the words of Swagger 2.0: no null, no anyOf, nothing beside a $ref."""
    if isinstance(schema, list):
        return [_older(one) for one in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    words = {key: _older(value) for key, value in cast(Json, schema).items() if key not in _UNKNOWN}
    if isinstance(words.get("default"), dict):
        words["default"] = {name: value for name, value in words["default"].items() if value is not None}
    if "anyOf" in words:
        [one] = [option for option in words.pop("anyOf") if option != {"type": "null"}]
        words = {**one, **words, "x-nullable": True}
    if words.get("default", ...) is None:
        del words["default"]
    if "enum" in words and isinstance(words["enum"], list):
        words.setdefault("type", "string")
    if words.get("required") == []:
        del words["required"]
    if "$ref" in words and len(words) > 1:
        words = {"allOf": [{"$ref": words.pop("$ref")}], **words}
    return words


_UNKNOWN = frozenset({"propertyNames"})
