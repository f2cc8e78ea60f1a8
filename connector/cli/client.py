"""The operator's end of the wire: calls the node's operator listener and turns its answers into values or errors.

Knows where a home keeps the address and the token, nothing about what the node does with a request.
Plain `http.client`, so that no command has to import an HTTP framework.
"""

from __future__ import annotations

import json
import os
import ssl
import tomllib
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

from connector.errors import (
    Clash,
    Denied,
    Hidden,
    Illegal,
    Malformed,
    Misconfigured,
    PeerRefused,
    PeerUnreachable,
    SaltbridgeError,
    TooLarge,
    Unavailable,
    Unsupported,
)

BASE = "/management/saltbridge"
CONFIG = "saltbridge.toml"
TOKEN = "operator.token"  # noqa: S105 - a file name below the home, not a secret
LISTEN = "127.0.0.1:7402"

_BY_STATUS: dict[int, type[SaltbridgeError]] = {
    400: Malformed,
    403: Denied,
    404: Hidden,
    409: Clash,
    413: TooLarge,
    415: Unsupported,
    422: Malformed,
    503: Unavailable,
}


class NotRunning(SaltbridgeError):
    """Nobody answers at the operator address (exit code 1)."""

    default_code = "node.not-running"


def home_dir() -> Path:
    """The home in use: `--home` or SALTBRIDGE_HOME, else the working directory if it holds one, else ~/.saltbridge."""
    named = os.environ.get("SALTBRIDGE_HOME", "")
    if named:
        return Path(named)
    here = Path()
    return here if (here / CONFIG).is_file() else Path.home() / ".saltbridge"


@dataclass(frozen=True, slots=True)
class Client:
    """One node's operator API.  Every method raises SaltbridgeError with what, why and next."""

    host: str
    port: int
    token: str
    home: Path
    certificate: Path | None = None  # the listener's own; TLS when given
    timeout: float = 120.0

    @classmethod
    def from_home(cls, home: Path | None = None) -> Client:
        """The client of the node whose home this is; Misconfigured when there is none."""
        home = home or home_dir()
        operator = _operator_settings(home)
        host, port = _address(operator.get("listen", LISTEN))
        certificate = operator.get("tls_cert", "")
        return cls(
            host=host,
            port=port,
            token=_read_token(home / operator.get("token_file", TOKEN)),
            home=home,
            certificate=home / certificate if certificate else None,
        )

    def get(self, path: str, **query: object) -> Any:
        return self._json("GET", path, None, query)

    def post(self, path: str, body: object = None, **query: object) -> Any:
        return self._json("POST", path, {} if body is None else body, query)

    def put(self, path: str, body: object, **query: object) -> Any:
        return self._json("PUT", path, body, query)

    def delete(self, path: str, **query: object) -> Any:
        return self._json("DELETE", path, None, query)

    def upload(self, path: str, body: bytes, media_type: str, **query: object) -> Any:
        """POST bytes of another media type; the JSON answer."""
        return _read(self._call("POST", path, query, body, media_type)[2])

    def download(self, path: str, **query: object) -> tuple[bytes, str]:
        """GET bytes: (content, media type)."""
        _, media_type, content = self._call("GET", path, query, None, "")
        return content, media_type

    def save(self, path: str, to: Path, **query: object) -> None:
        """POST and write the answer's bytes to a file as they come; Unavailable when they break off."""
        with to.open("wb") as file:
            self._call("POST", path, query, b"{}", "application/json", file)
            file.flush()
            os.fsync(file.fileno())

    def _json(self, method: str, path: str, body: object, query: dict[str, object]) -> Any:
        sent = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return _read(self._call(method, path, query, sent, "application/json")[2])

    def _call(
        self, method: str, path: str, query: dict[str, object], body: bytes | None, media_type: str, to: IO[bytes] | None = None
    ) -> tuple[int, str, bytes]:
        asked = {name.rstrip("_"): _text(value) for name, value in query.items() if value not in (None, "", False)}
        target = BASE + path + (f"?{urlencode(asked)}" if asked else "")
        headers = {"X-Api-Key": self.token, "Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = media_type
        connection = self._connection()
        try:
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read() if to is None or response.status >= 400 else _save(response, to)
        except TimeoutError as error:
            raise Unavailable(
                f"The node at {self.host}:{self.port} did not answer within {self.timeout:.0f} s.",
                next="Look at its log; what it began goes on there: saltbridge status",
            ) from error
        except ssl.SSLError as error:
            raise NotRunning(
                f"No TLS with the node at {self.host}:{self.port}.",
                str(error.reason or error),
                "Check [operator] tls_cert in saltbridge.toml.",
            ) from error
        except (OSError, HTTPException) as error:
            raise NotRunning(
                f"No node answers at {self.host}:{self.port}.",
                f"{self.home} is set to that address, and {_plain(error)}.",
                f"saltbridge --home {self.home} serve",
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise _error(response, content, self)
        return response.status, response.headers.get_content_type(), content

    def _connection(self) -> HTTPConnection:
        if self.certificate is None:
            return HTTPConnection(self.host, self.port, timeout=self.timeout)
        context = ssl.create_default_context(cadata=_first_certificate(self.certificate))
        # The listener's own certificate is the whole trust here: pinned, so its names need not match a loopback address.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return HTTPSConnection(self.host, self.port, timeout=self.timeout, context=context)


def _save(response: HTTPResponse, to: IO[bytes]) -> bytes:
    try:
        while piece := response.read(1024 * 1024):
            _write(piece, to)
    except HTTPException as error:
        why = "the node ended it before its end"
        raise Unavailable("The answer broke off.", why, "Look at its log for the reason, then try again.") from error
    return b""


def _write(piece: bytes, to: IO[bytes]) -> None:
    try:
        to.write(piece)
    except OSError as error:
        raise Misconfigured(f"{to.name} cannot be written.", _plain(error), "Make room there, or name another place.") from error


def part(text: str) -> str:
    """One path segment of an operator address, whatever it contains."""
    return quote(text, safe="")


def exit_code(error: SaltbridgeError) -> int:
    """0 ok, 1 failed, 2 usage, 3 denied by policy, 4 invalid data, 5 peer unreachable."""
    if isinstance(error, Denied):
        return 3
    if isinstance(error, PeerUnreachable):
        return 5
    return 4 if isinstance(error, Malformed | TooLarge | Unsupported) else 1


def _operator_settings(home: Path) -> dict[str, str]:
    """`[operator]` of the home's file, environment over file; strings only."""
    path = home / CONFIG
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Misconfigured(f"There is no node at {home}.", f"{path} does not exist.", f"saltbridge --home {home} init") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read.", str(error), f"saltbridge --home {home} doctor") from error
    section = whole.get("operator", {})
    settings = {name: value for name, value in section.items() if isinstance(value, str)} if isinstance(section, dict) else {}
    prefix = "SALTBRIDGE_OPERATOR__"
    return settings | {name.removeprefix(prefix).lower(): value for name, value in os.environ.items() if name.startswith(prefix)}


def _address(listen: str) -> tuple[str, int]:
    """Where to call a listener: a wildcard bind is reached on loopback."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit():
        raise Misconfigured(f"[operator] listen is not an address: {listen}", next='Write it as "127.0.0.1:7402".')
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)  # noqa: S104 - read, not bound


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"The operator token cannot be read: {path}", _plain(error), "saltbridge doctor says how to repair it."
        ) from error


def _first_certificate(path: Path) -> str:
    """The listener's own certificate, without the authorities behind it in the chain."""
    end = "-----END CERTIFICATE-----"
    try:
        first, mark, _ = path.read_text(encoding="ascii").partition(end)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The certificate {path} cannot be read.", _plain(error), "saltbridge doctor says more.") from error
    if not mark:
        raise Misconfigured(f"{path} holds no certificate.", next="Set [operator] tls_cert to a PEM chain.")
    return first + mark


def _error(response: HTTPResponse, content: bytes, client: Client) -> SaltbridgeError:
    """The error that the node's answer stands for, in its own words."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if response.status == 401:
        return Misconfigured(
            "The node refuses this home's operator token.",
            f"{client.home} and the running node do not share one.",
            "Call the node from its own home (--home).",
        )
    if not isinstance(body, dict) or not body.get("what"):
        return SaltbridgeError(f"The node answered {response.status} {response.reason}.", next="Look at its log.")
    code = str(body.get("code", ""))
    kind = _BY_STATUS.get(response.status, SaltbridgeError)
    if code.startswith("state."):
        kind = Illegal
    elif kind is Unavailable and code.startswith("peer."):
        kind = PeerUnreachable
    error: SaltbridgeError
    if kind is Hidden:
        error = Hidden(str(body["what"]))
    elif kind is Denied and "by" in body:
        named = {name: str(body.get(name) or "") for name in ("by", "process_kind", "process")}
        error = PeerRefused(str(body["what"]), **named)
    else:
        error = kind(str(body["what"]), code=code)
    error.why, error.next, error.decision = (str(body.get(name) or "") for name in ("why", "next", "decision"))
    error.code = code or error.code
    error.where = str(body.get("where") or "")
    error.details = tuple(str(item) for item in body.get("details") or ())
    return error


def _read(content: bytes) -> Any:
    try:
        return json.loads(content) if content.strip() else None
    except (ValueError, RecursionError) as error:
        raise SaltbridgeError("The node's answer is not JSON.", str(error), "Is another program listening at that address?") from error


def _text(value: object) -> str:
    return "1" if value is True else str(value)


def _plain(error: BaseException) -> str:
    """An operating system's words without its numbers: `connection refused`."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
