"""Where the server is and what proves who asks. A key travels in a header, never in a URL, and is never printed."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from operator_cli.exits import Exit
from operator_cli.trouble import Trouble, trouble


@dataclass(frozen=True, kw_only=True)
class Connection:
    """The API's root, which ends in /api, and the headers that prove who asks."""

    root: str
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)


def connection_of(url: str, key: str, token: str) -> Connection:
    """The connection that an operator means. Raises Trouble for what can't be one, without repeating a secret."""
    headers: dict[str, str] = {}
    if key:
        headers["x-functions-key"] = _secret(key, "key")
    if token:
        headers["Authorization"] = f"Bearer {_secret(token, 'token')}"
    root = _root(url)
    if headers and root.startswith("http:") and urlsplit(root).hostname not in LOOPBACK:
        raise trouble(Exit.USAGE, "A key or token is not sent over plain http", "Use the https URL of the server.")
    return Connection(root=root, headers=headers)


LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _root(url: str) -> str:
    if not url:
        raise trouble(Exit.USAGE, "No server is named", "Give --url, or set BACKUP_MIGRATE_URL.")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise _no_url() from None
    if parts.query or parts.fragment or parts.username is not None:
        raise trouble(
            Exit.USAGE, "The server's URL has more than scheme, host and path", "A key goes into BACKUP_MIGRATE_KEY."
        )
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise _no_url()
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/api') else path + '/api'}"


def _no_url() -> Trouble:
    return trouble(Exit.USAGE, "The server's URL is none", "It looks like https://myapp.azurewebsites.net.")


def _secret(value: str, what: str) -> str:
    """HTTP can't carry everything in a header, and its library's complaint would repeat the secret."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise trouble(Exit.USAGE, f"The {what} has characters that no {what} has", "Is there a line break in it?")
    return value
