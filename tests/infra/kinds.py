"""What kind of value a Bicep expression is, as far as its text tells: string, int, bool, object, array or null."""

from collections.abc import Callable
from functools import cache

from tests.infra.bicep import (
    BicepFile,
    Binary,
    Call,
    Choice,
    Index,
    Loop,
    Member,
    Method,
    Module,
    Name,
    Text,
    Unary,
    Value,
    read,
)

FUNCTIONS: dict[str, tuple[int, int | None, str | None]] = {
    "any": (1, 1, None),
    "array": (1, 1, "array"),
    "base64": (1, 1, "string"),
    "bool": (1, 1, "bool"),
    "coalesce": (1, None, None),
    "concat": (1, None, None),
    "contains": (2, 2, "bool"),
    "deployment": (0, 0, "object"),
    "empty": (1, 1, "bool"),
    "endsWith": (2, 2, "bool"),
    "environment": (0, 0, "object"),
    "extensionResourceId": (3, None, "string"),
    "first": (1, 1, None),
    "flatten": (1, 1, "array"),
    "format": (1, None, "string"),
    "guid": (1, None, "string"),
    "indexOf": (2, 2, "int"),
    "int": (1, 1, "int"),
    "intersection": (2, None, None),
    "items": (1, 1, "array"),
    "join": (2, 2, "string"),
    "json": (1, 1, None),
    "last": (1, 1, None),
    "length": (1, 1, "int"),
    "loadJsonContent": (1, 3, None),
    "loadTextContent": (1, 2, "string"),
    "max": (1, None, "int"),
    "min": (1, None, "int"),
    "objectKeys": (1, 1, "array"),
    "range": (2, 2, "array"),
    "reference": (1, 3, "object"),
    "replace": (3, 3, "string"),
    "resourceGroup": (0, 2, "object"),
    "resourceId": (2, None, "string"),
    "skip": (2, 2, None),
    "split": (2, 2, "array"),
    "startsWith": (2, 2, "bool"),
    "string": (1, 1, "string"),
    "subscription": (0, 1, "object"),
    "subscriptionResourceId": (2, None, "string"),
    "substring": (2, 3, "string"),
    "take": (2, 2, None),
    "tenant": (0, 0, "object"),
    "tenantResourceId": (2, None, "string"),
    "toLower": (1, 1, "string"),
    "toUpper": (1, 1, "string"),
    "trim": (1, 1, "string"),
    "union": (2, None, None),
    "uniqueString": (1, None, "string"),
    "uri": (2, 2, "string"),
    "uriComponent": (1, 1, "string"),
}
"""Bicep's functions that infra/ may use: fewest and most arguments, and the kind of the answer where it is always one.

From https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions. Left out on purpose: what a second
deployment would answer differently (newGuid, utcNow), what takes lambdas, and deployer()."""

_OPERATORS = {"+": "int", "-": "int", "*": "int", "/": "int", "%": "int", "??": None}  # all others compare or combine


def kind_of(value: Value, file: BicepFile) -> str | None:
    """The kind of a value that stands in a file; None where the text alone does not tell."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind(value, file) if callable(kind) else kind
    return None


def module_file(file: BicepFile, module: Module) -> BicepFile | None:
    """The file that a module call names; None where there is no such file."""
    path = file.path.parent / module.path
    return _read_once(path.resolve()) if path.is_file() else None


def output_of(value: Value, file: BicepFile) -> tuple[Module, str] | None:
    """The module and the output that `module.outputs.name` or `module[i].outputs.name` names."""
    match value:
        case Member(Member(Name(symbol) | Index(Name(symbol), _), "outputs"), name) if symbol in file.modules:
            return file.modules[symbol], name
        case _:
            return None


_read_once = cache(read)


def _kind_of_name(value: Name, file: BicepFile) -> str | None:
    if value.name in file.parameters:
        return file.parameters[value.name].type
    if value.name in file.variables:
        return kind_of(file.variables[value.name].value, file)
    declared = file.resources.get(value.name) or file.modules.get(value.name)
    return None if declared is None else ("array" if declared.loop else "object")


def _kind_of_member(value: Member, file: BicepFile) -> str | None:
    named = output_of(value, file)
    if named:
        callee = module_file(file, named[0])
        return callee.outputs[named[1]].type if callee and named[1] in callee.outputs else None
    of = file.resolved(value.of)
    if isinstance(of, dict):
        return kind_of(of.get(value.name), file)
    is_resource = isinstance(of, Name) and of.name in file.resources
    return "string" if is_resource and value.name in ("id", "name", "type", "location") else None


def _kind_of_choice(value: Choice, file: BicepFile) -> str | None:
    kinds = {kind_of(value.yes, file), kind_of(value.no, file)} - {"null"}
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of_call(value: Call, file: BicepFile) -> str | None:
    if value.function in ("union", "concat", "take", "skip", "intersection"):  # these answer what they are given
        return kind_of(value.arguments[0], file) if value.arguments else None
    return FUNCTIONS.get(value.function, (0, None, None))[2]


_KINDS: tuple[tuple[type | tuple[type, ...], str | None | Callable[..., str | None]], ...] = (
    (bool, "bool"),
    (int, "int"),
    ((str, Text), "string"),
    (dict, "object"),
    ((list, Loop), "array"),
    (type(None), "null"),
    (Unary, lambda value, _: "bool" if value.operator == "!" else "int"),
    (Binary, lambda value, _: _OPERATORS.get(value.operator, "bool")),
    (Choice, _kind_of_choice),
    (Name, _kind_of_name),
    (Member, _kind_of_member),
    (Call, _kind_of_call),
    ((Method, Index), None),
)
