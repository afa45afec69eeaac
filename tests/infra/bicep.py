"""Reads the Bicep of infra/: what a file declares, its values as plain Python, its expressions as small trees.

It knows the subset of Bicep that infra/ keeps to and raises BicepError, with file and line, at anything else: no
registry modules, spreads, lambdas, user-defined types or functions, no `for ... : if`, no nested resources (children
name their `parent`) and no expression that goes on in the next line outside of brackets. pycep-parser and checkov read
the same files with grammars of their own (test_bicep.py, test_checkov.py); they say that a file is Bicep, but their
trees know no precedence, keep `${...}` as text and drop the second of two nested resources.

A Value is
    str, int, bool, None     as written
    list, dict               of values; a key is a str, or a Text where it is interpolated
    Expression               whatever Bicep would have to compute
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"

Value = Any


class BicepError(Exception):
    """What is not in the subset, and where."""


class Expression:
    """A value that Bicep computes; one of the classes below."""


@dataclass(frozen=True)
class Name(Expression):
    """A parameter, variable, resource, module or loop variable."""

    name: str


@dataclass(frozen=True)
class Text(Expression):
    """An interpolated string: its literal parts and the values between them."""

    parts: tuple[Value, ...]


@dataclass(frozen=True)
class Call(Expression):
    """`function(arguments)`."""

    function: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True)
class Method(Expression):
    """`of.function(arguments)`, such as `account.listKeys()`."""

    of: Value
    function: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True)
class Member(Expression):
    """`of.name`, also as `of.?name` and `of!.name`."""

    of: Value
    name: str


@dataclass(frozen=True)
class Index(Expression):
    """`of[index]`."""

    of: Value
    index: Value


@dataclass(frozen=True)
class Unary(Expression):
    """`!operand` or `-operand`."""

    operator: str
    operand: Value


@dataclass(frozen=True)
class Binary(Expression):
    """`left operator right`."""

    operator: str
    left: Value
    right: Value


@dataclass(frozen=True)
class Choice(Expression):
    """`condition ? yes : no`."""

    condition: Value
    yes: Value
    no: Value


@dataclass(frozen=True)
class Loop(Expression):
    """`[for item in over: body]` or `[for (item, index) in over: body]`."""

    item: str
    index: str | None
    over: Value
    body: Value


@dataclass(frozen=True)
class Parameter:
    """`param name type = default`, with its decorators: name -> arguments, in the order written."""

    name: str
    type: str
    default: Value
    required: bool
    decorators: dict[str, tuple[Value, ...]]
    line: int

    @property
    def description(self) -> str:
        """The text of @description, or nothing."""
        return str(self.decorators.get("description", ("",))[0])

    @property
    def secure(self) -> bool:
        """Whether the deployment keeps the value out of its history."""
        return "secure" in self.decorators


@dataclass(frozen=True)
class Variable:
    """`var name = value`."""

    name: str
    value: Value
    line: int


@dataclass(frozen=True)
class Resource:
    """`resource symbol 'type@apiVersion' = body`; a loop's body is that of one round."""

    symbol: str
    type: str
    api_version: str
    existing: bool
    body: dict[Any, Value]
    condition: Value | None
    loop: Loop | None
    line: int

    @property
    def properties(self) -> dict[Any, Value]:
        """Its `properties`, or none."""
        return self.body.get("properties", {})


@dataclass(frozen=True)
class Module:
    """`module symbol 'path' = body`; the path is relative to the file."""

    symbol: str
    path: str
    body: dict[Any, Value]
    condition: Value | None
    loop: Loop | None
    line: int

    @property
    def params(self) -> dict[Any, Value]:
        """What the call passes, by parameter name."""
        return self.body.get("params", {})


@dataclass(frozen=True)
class Output:
    """`output name type = value`."""

    name: str
    type: str
    value: Value
    line: int
    decorators: dict[str, tuple[Value, ...]] = field(default_factory=dict[str, tuple[Value, ...]])


@dataclass(frozen=True)
class BicepFile:
    """What one file declares, by name and in the order written."""

    path: Path
    target_scope: str
    parameters: dict[str, Parameter]
    variables: dict[str, Variable]
    resources: dict[str, Resource]
    modules: dict[str, Module]
    outputs: dict[str, Output]

    def values(self) -> Iterator[tuple[str, Value]]:
        """Every value that the file gives to something, with the name of what it is given to."""
        for parameter in self.parameters.values():
            yield parameter.name, (parameter.default, *parameter.decorators.values())
        for variable in self.variables.values():
            yield variable.name, variable.value
        for declared in (*self.resources.values(), *self.modules.values()):
            yield declared.symbol, (declared.condition, declared.loop or declared.body)
        for output in self.outputs.values():
            yield f"output {output.name}", (output.value, *output.decorators.values())

    def resolved(self, value: Value) -> Value:
        """The value, or what the variable that it names holds."""
        while isinstance(value, Name) and value.name in self.variables:
            value = self.variables[value.name].value
        return value


def bicep_files() -> list[Path]:
    """Every Bicep file of infra/."""
    return sorted(INFRA.rglob("*.bicep"))


def read(path: Path) -> BicepFile:
    """What a file declares.

    Raises:
        BicepError: it holds what the subset has no room for.
    """
    return parse(path.read_text(), path)


def parse(text: str, path: Path = Path("sample.bicep")) -> BicepFile:
    """What a text declares; the path is for messages and for module paths."""
    return _Parser(text, path).file()


def parts_of(value: Value) -> Iterator[Value]:
    """A value and everything inside it."""
    yield value
    for part in direct_parts(value):
        yield from parts_of(part)


def direct_parts(value: Value) -> Iterator[Value]:
    """What a value is made of, one level down."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (key, item)
    elif isinstance(value, (list, tuple)):
        yield from value
    elif isinstance(value, Expression):
        yield from vars(value).values()


# How it is read: one method for each construct, each starting at its first character and stopping after its last.

_SKIPPED = re.compile(r"(?:[ \t]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_LINES = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"\d+")
_TYPE = re.compile(r"(?:string|int|bool|object|array)(?![A-Za-z0-9_\[?|])")
_LITERAL_PART = re.compile(r"(?:[^'\\$\n]|\\[\\'nrt$]|\\u\{[0-9a-fA-F]+\}|\$(?!\{))*")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|(.))")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_TYPE_AND_VERSION = re.compile(r"([A-Za-z0-9.]+(?:/[A-Za-z0-9]+)+)@(\d{4}-\d{2}-\d{2}(?:-preview)?)")
_SUFFIX = re.compile(r"\.\??|\[\??|!(?=[.\[])")

_BINARY = (
    re.compile(r"\?\?"),
    re.compile(r"\|\|"),
    re.compile(r"&&"),
    re.compile(r"==|!=|=~|!~"),
    re.compile(r"<=|>=|<|>"),
    re.compile(r"[+-]"),
    re.compile(r"[*/%]"),
)
"""The operators between two values, from the loosest to the tightest."""

_CONSTANTS = {"true": True, "false": False, "null": None}
_SYMBOLS = ("parameters", "variables", "resources", "modules")  # these share one room of names; outputs have their own
_SCOPES = ("resourceGroup", "subscription", "managementGroup", "tenant")


class _Parser:
    """One pass over a text."""

    def __init__(self, text: str, path: Path) -> None:
        self._text = text
        self._path = path
        self._at = 0
        self._scope: str | None = None
        self._declared: dict[str, dict[str, Any]] = {kind: {} for kind in (*_SYMBOLS, "outputs")}

    def file(self) -> BicepFile:
        """The whole text."""
        self._lines()
        while self._at < len(self._text):
            self._declaration()
            if not self._lines() and self._at < len(self._text):
                self._refuse("a declaration must end with its line")
        return BicepFile(self._path, self._scope or "resourceGroup", **self._declared)

    # Declarations

    def _declaration(self) -> None:
        decorators = self._decorators()
        line = self._line()
        keyword = self._word()
        match keyword:
            case "targetScope":
                self._target_scope()
            case "metadata":
                self._word()
                self._expect("=")
                self._literal()
            case "param":
                self._parameter(decorators, line)
            case "var":
                name = self._word()
                self._expect("=")
                self._declare("variables", Variable(name, self._value(), line), name)
            case "resource":
                self._resource(line)
            case "module":
                self._module(line)
            case "output":
                name, kind = self._word(), self._type()
                self._expect("=")
                self._declare("outputs", Output(name, kind, self._value(), line, decorators), name)
            case _:
                self._refuse(f"{keyword} declares nothing")

    def _decorators(self) -> dict[str, tuple[Value, ...]]:
        decorators: dict[str, tuple[Value, ...]] = {}
        while self._took("@"):
            self._took("sys.")
            name = self._word()
            self._expect("(")
            decorators[name] = self._arguments()
            self._lines()
        return decorators

    def _target_scope(self) -> None:
        self._expect("=")
        self._scope = self._literal()
        if self._scope not in _SCOPES:
            self._refuse(f"{self._scope} is no scope")

    def _parameter(self, decorators: dict[str, tuple[Value, ...]], line: int) -> None:
        name, kind = self._word(), self._type()
        required = not self._took("=")
        default = None if required else self._value()
        self._declare("parameters", Parameter(name, kind, default, required, decorators, line), name)

    def _resource(self, line: int) -> None:
        symbol, reference = self._word(), self._literal()
        typed = _TYPE_AND_VERSION.fullmatch(reference)
        if not typed:
            self._refuse(f"{reference} is no type with an API version")
        kind, version = typed.groups()
        existing = self._took("existing")
        body, condition, loop = self._body()
        self._declare("resources", Resource(symbol, kind, version, existing, body, condition, loop, line), symbol)

    def _module(self, line: int) -> None:
        symbol, path = self._word(), self._literal()
        body, condition, loop = self._body()
        self._declare("modules", Module(symbol, path, body, condition, loop, line), symbol)

    def _body(self) -> tuple[dict[Any, Value], Value | None, Loop | None]:
        """What follows a resource or module: `= {...}`, `= if (condition) {...}` or `= [for ...: {...}]`."""
        self._expect("=")
        condition = loop = None
        if self._took("if"):
            self._expect("(")
            condition = self._expression()
            self._expect(")")
        body = self._value()
        if isinstance(body, Loop):
            loop, body = body, body.body
        if not isinstance(body, dict):
            self._refuse("a resource or module is an object, or a loop of objects")
        return body, condition, loop

    def _type(self) -> str:
        kind = self._match(_TYPE)
        if kind is None:
            self._refuse("only string, int, bool, object and array are types here")
        return kind

    def _declare(self, kind: str, declaration: object, name: str) -> None:
        rivals = (kind,) if kind == "outputs" else _SYMBOLS
        if any(name in self._declared[rival] for rival in rivals):
            self._refuse(f"{name} is declared twice")
        self._declared[kind][name] = declaration

    # Values

    def _value(self) -> Value:
        """An expression or, where a value may stand alone, a loop."""
        start = self._at
        if self._took("["):
            self._lines()
            if self._took("for"):
                return self._loop()
            self._at = start
        return self._expression()

    def _loop(self) -> Loop:
        index = None
        if self._took("("):
            item = self._word()
            self._expect(",")
            index = self._word()
            self._expect(")")
        else:
            item = self._word()
        if not self._took("in"):
            self._refuse("a loop needs `in`")
        over = self._expression()
        self._expect(":")
        if self._took("if"):
            self._refuse("no `for ... : if`: checkov can't read it")
        body = self._value()
        self._lines()
        self._expect("]")
        return Loop(item, index, over, body)

    def _expression(self) -> Value:
        condition = self._binary(0)
        if self._took("?"):
            yes = self._expression()
            self._expect(":")
            return Choice(condition, yes, self._expression())
        return condition

    def _binary(self, level: int) -> Value:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while operator := self._match(_BINARY[level]):
            left = Binary(operator, left, self._binary(level + 1))
        return left

    def _unary(self) -> Value:
        for operator in ("!", "-"):
            if self._took(operator):
                return Unary(operator, self._unary())
        return self._suffixed()

    def _suffixed(self) -> Value:
        value = self._primary()
        while suffix := self._match(_SUFFIX):
            if suffix.startswith("["):
                value = Index(value, self._expression())
                self._expect("]")
            elif suffix.startswith("."):
                name = self._word()
                value = Method(value, name, self._arguments()) if self._took("(") else Member(value, name)
        return value

    def _primary(self) -> Value:
        for opening, read in (("'", self._string), ("{", self._object), ("[", self._array), ("(", self._bracketed)):
            if self._peek(opening):
                return read()
        if (number := self._match(_NUMBER)) is not None:
            return int(number)
        name = self._word()
        if name in ("sys", "az") and self._took("."):
            name = self._word()
        if self._took("("):
            return Call(name, self._arguments())
        return _CONSTANTS[name] if name in _CONSTANTS else Name(name)

    def _bracketed(self) -> Value:
        self._expect("(")
        self._lines()
        value = self._expression()
        self._lines()
        self._expect(")")
        return value

    def _arguments(self) -> tuple[Value, ...]:
        """What stands between the brackets of a call, of which the first is taken already."""
        arguments: list[Value] = []
        self._lines()
        while not self._took(")"):
            arguments.append(self._expression())
            self._lines()
            if not self._took(","):
                self._expect(")")
                break
            self._lines()
        return tuple(arguments)

    def _array(self) -> list[Value]:
        self._expect("[")
        items: list[Value] = []
        while not self._ended("]", first=not items):
            items.append(self._expression())
        return items

    def _object(self) -> dict[Any, Value]:
        self._expect("{")
        members: dict[Any, Value] = {}
        while not self._ended("}", first=not members):
            key = self._string() if self._peek("'") else self._word()
            if key == "resource" and not self._peek(":"):
                self._refuse("no nested resources: name the parent instead")
            if key in members:
                self._refuse(f"{key} is given twice")
            self._expect(":")
            members[key] = self._value()
        return members

    def _ended(self, end: str, first: bool) -> bool:
        """Whether an array or object ends here; if not, whether the next item is on a new line or after a comma."""
        separated = self._lines()
        if self._took(","):
            separated = True
            self._lines()
        if self._took(end):
            return True
        if not (first or separated):
            self._refuse(f"a comma, a new line or {end} is missing")
        return False

    def _literal(self) -> str:
        """A string that is known here and now."""
        text = self._string()
        if not isinstance(text, str):
            self._refuse("this can't be interpolated")
        return text

    def _string(self) -> str | Text:
        self._skip()
        if self._text.startswith("'''", self._at):
            return self._long_string()
        self._expect("'")
        parts: list[Value] = []
        while True:
            if literal := self._literal_part():
                parts.append(literal)
            if self._text.startswith("'", self._at):
                self._at += 1
                break
            if not self._text.startswith("${", self._at):
                self._refuse("the string does not end")
            self._at += 2
            parts.append(self._expression())
            self._expect("}")
        if all(isinstance(part, str) for part in parts) and len(parts) < 2:
            return "".join(parts)
        return Text(tuple(parts))

    def _literal_part(self) -> str:
        part = _LITERAL_PART.match(self._text, self._at)
        assert part
        self._at = part.end()
        return _ESCAPE.sub(lambda escape: _unescaped(*escape.groups()), part.group())

    def _long_string(self) -> str:
        start = self._at + 3
        end = self._text.find("'''", start)
        if end < 0:
            self._refuse("the string does not end")
        while self._text.startswith("'''", end + 1):  # quotes that belong to the text stand before the last three
            end += 1
        self._at = end + 3
        return self._text[start:end].removeprefix("\n")

    # Characters

    def _skip(self) -> None:
        """To the next thing on this line."""
        self._match_here(_SKIPPED)

    def _lines(self) -> bool:
        """To the next thing on whatever line; tells whether a line ended."""
        return "\n" in self._match_here(_LINES)

    def _peek(self, token: str) -> bool:
        self._skip()
        return self._text.startswith(token, self._at)

    def _took(self, token: str) -> bool:
        """Whether this comes next, and past it then. A word is taken whole, `?` never as half of `??`."""
        if not self._peek(token):
            return False
        after = self._text[self._at + len(token) : self._at + len(token) + 1]
        if (token.isalpha() and (after.isalnum() or after == "_")) or (token == "?" and after in "?."):
            return False
        self._at += len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._took(token):
            self._refuse(f"{token} is missing")

    def _word(self) -> str:
        word = self._match(_WORD)
        if word is None:
            self._refuse("a name or value is missing")
        return word

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        """The pattern's text where it comes next, and past it then."""
        self._skip()
        found = pattern.match(self._text, self._at)
        if not found:
            return None
        self._at = found.end()
        return found.group()

    def _match_here(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found
        self._at = found.end()
        return found.group()

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _refuse(self, why: str) -> NoReturn:
        raise BicepError(f"{self._path}:{self._line()}: {why}")


def _unescaped(code: str | None, character: str | None) -> str:
    """What an escape sequence of a string stands for."""
    return chr(int(code, 16)) if code else _ESCAPED.get(str(character), str(character))
