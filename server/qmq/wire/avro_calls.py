"""Avro calls: handshake, message, parameters, and the answer (Avro specification, "Protocol Wire Format").

Every request begins with a handshake, because HTTP remembers nothing: the client says by
which hash it knows its own protocol and ours, and gives the text of its own if we do not
know it. What a client sends is read as its own protocol declares it and becomes what ours
declares; what we send is as ours declares it, and the client does the same. fastavro
encodes and decodes.

A client's octets are read by what a client's protocol says about them, so both are
hostile: see `avro_protocol` for what is not read at all. Nothing here knows what the
messages of our protocol mean, or HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType

from qmq import native
from qmq.errors import QmqError
from qmq.wire.avro_protocol import Message, read, spelled

_HASH = {"type": "fixed", "name": "MD5", "size": 16}
_META = ["null", {"type": "map", "values": "bytes"}]

# Handshake and Call Format, in the words of the specification.
HANDSHAKE_REQUEST = parse_schema(
    {
        "type": "record",
        "name": "HandshakeRequest",
        "namespace": "org.apache.avro.ipc",
        "fields": [
            {"name": "clientHash", "type": _HASH},
            {"name": "clientProtocol", "type": ["null", "string"]},
            {"name": "serverHash", "type": "MD5"},
            {"name": "meta", "type": _META},
        ],
    }
)
HANDSHAKE_RESPONSE = parse_schema(
    {
        "type": "record",
        "name": "HandshakeResponse",
        "namespace": "org.apache.avro.ipc",
        "fields": [
            {
                "name": "match",
                "type": {"type": "enum", "name": "HandshakeMatch", "symbols": ["BOTH", "CLIENT", "NONE"]},
            },
            {"name": "serverProtocol", "type": ["null", "string"]},
            {"name": "serverHash", "type": ["null", _HASH]},
            {"name": "meta", "type": _META},
        ],
    }
)
_CALL = parse_schema(
    {
        "type": "record",
        "name": "Call",
        "fields": [{"name": "meta", "type": {"type": "map", "values": "bytes"}}, {"name": "message", "type": "string"}],
    }
)

_EMPTY = b"\x00\x00"  # a response: no metadata, no error, nothing
_DETAIL = 300  # characters that a client is told about what fastavro could not read

# What fastavro raises when octets are not what they should be.
_UNREADABLE = (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError)

_KNOWN_OCTETS = 1 << 20  # of texts of clients' protocols
_KNOWN_COST = 1000  # octets that each counts for besides its text


@dataclass(slots=True)
class Call:
    """A request.

    Attributes:
        message: The name of the message; empty if nothing is to be done.
        parameters: By name, as our protocol declares them. Not to be changed.
        error: Why nothing is to be done, if it is the client's fault.

    """

    message: str
    parameters: dict[str, Any]
    error: QmqError | None
    _handshake: bytes
    _own: _Own | None
    _silent: bool = False
    _declares: bool = True

    def answer(self, value: object = None) -> bytes:
        """The response.

        Args:
            value: As our protocol declares it.

        """
        if self._own is None or self._silent:
            return self._handshake
        return self._handshake + _written(self._own.reply, False, value)

    def refuse(self, error: QmqError) -> bytes:
        """The response that says why there is none.

        It is the error that our protocol declares, if the client's declares it too; else
        it is text, which every message has as its first error.
        """
        if self._silent:
            return self._handshake
        if self._own is None or not self._declares:
            return self._handshake + _written(_FAILURE, True, str(error))
        code = error.code
        told = {"code": code.name, "title": code.text, "detail": error.detail, "retry": code.retry}
        return self._handshake + _written(self._own.failure, True, told)


class Responder:
    """The server's side of a protocol.

    May be used by several threads at a time.

    Args:
        text: Our protocol. Errors of messages, if any, are one record for all of them, with
            the fields `code`, `title`, `detail` and `retry`.

    Attributes:
        text: As given.
        hash: Its MD5.

    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.hash = _md5(text)
        named: dict[str, Any] = {}
        declared = native.loads(text)
        for each in declared["types"]:
            _give_octets(parse_schema({"namespace": declared["namespace"], **each}, named))
        self._own = {
            name: _Own(message, declared["messages"][name], declared["namespace"], named)
            for name, message in read(text).items()
        }
        self._known = _Known()
        self._known.put(self.hash, _Client(text), len(text))
        more = {"serverProtocol": text, "serverHash": self.hash}
        self._both = _handshake({"match": "BOTH"})
        self._client = _handshake({"match": "CLIENT", **more})
        # The text is given even to those who have it: reference implementations expect it.
        self._none = _handshake({"match": "NONE", **more})

    def read(self, octets: bytes) -> Call:
        """Reads a request, which is a message as `wire.avro` frames them.

        Raises:
            QmqError: `bad-avro` if not even its handshake can be read; any other error is
                in the call that is returned.

        """
        source = BytesIO(octets)
        try:
            shake: Any = schemaless_reader(source, HANDSHAKE_REQUEST, None)
        except _UNREADABLE as error:
            raise _unreadable("the handshake", error) from None
        handshake = self._both if shake["serverHash"] == self.hash else self._client
        try:
            client = self._client_of(shake)
        except QmqError as error:
            return Call("", {}, error, handshake, None)
        if client is None:
            return Call("", {}, None, self._none, None)
        return self._read_call(source, len(octets), client, handshake)

    def _client_of(self, shake: Mapping[str, Any]) -> _Client | None:
        """What the client's protocol is; None if it is to be asked for it."""
        client, text = self._known.get(shake["clientHash"]), shake["clientProtocol"]
        if client is None and text is not None:
            if _md5(text) != shake["clientHash"]:
                raise QmqError("bad-protocol", "the client's protocol: its hash is not the MD5 of its text")
            client = _Client(text)
            self._known.put(shake["clientHash"], client, len(text))
        return client

    def _read_call(self, source: BytesIO, size: int, client: _Client, handshake: bytes) -> Call:
        if source.tell() == size:  # a handshake and nothing else
            return Call("", {}, None, handshake, None)
        try:
            head: Any = schemaless_reader(source, _CALL, None)
        except _UNREADABLE as error:
            return Call("", {}, _unreadable("the call", error), handshake, None)
        name = head["message"]
        if not name:  # a ping, whatever follows
            return Call("", {}, None, handshake + _EMPTY, None)
        own, theirs = self._own.get(name), client.messages.get(name)
        call = Call(name, {}, None, handshake, own)
        try:
            if own is None or theirs is None:
                whose = "server's" if own is None else "client's"
                raise QmqError("bad-protocol", f"there is no message {name[:64]!r} in the {whose} protocol")
            call._declares = own.error in theirs.errors
            if theirs.one_way:
                call._silent, call._handshake = True, handshake + _EMPTY
            call.parameters = client.decode(source, name, own)
            if source.tell() != size:
                raise QmqError("bad-avro", f"{size - source.tell()} octets follow the parameters")
        except QmqError as error:
            call.error = error
        return call


class _Own:
    """A message of our own protocol."""

    def __init__(self, message: Message, declared: dict[str, Any], namespace: str, named: dict[str, Any]) -> None:
        self.form = message.request.form
        self.error = message.errors[0] if message.errors else ""
        parameters = {"type": "record", "name": "the request", "namespace": namespace, "fields": declared["request"]}
        self.request = _give_octets(parse_schema(parameters, dict(named)))
        self.reply = _reply(declared["response"], namespace, named)
        self.failure = _reply(["string", *declared.get("errors", [])], namespace, named)


class _Client:
    """A client's protocol, and how its messages are read."""

    def __init__(self, text: str) -> None:
        self.messages = read(text)
        self._writers: dict[str, Any] = {}  # by message, made when it is first called

    def decode(self, source: BytesIO, name: str, own: _Own) -> dict[str, Any]:
        """Reads the parameters of a message of ours.

        Raises:
            QmqError: `bad-protocol` if the client's do not fit ours; `bad-avro`.

        """
        request = self.messages[name].request
        try:
            if request.form == own.form:
                return dict(schemaless_reader(source, own.request, None))  # type: ignore[arg-type]
            if request.trouble:
                raise QmqError("bad-protocol", f"the client's message {name} is not read: {request.trouble}")
            writer = self._writers.get(name)
            if writer is None:
                writer = self._writers[name] = parse_schema(spelled(request.form))
            exact = _Exact(source.getbuffer()[source.tell() :])
            found = schemaless_reader(exact, writer, own.request)
            source.seek(exact.tell(), 1)
            return dict(found)  # type: ignore[arg-type]
        except (SchemaResolutionError, SchemaParseException, UnknownType) as error:
            raise QmqError("bad-protocol", f"{name}: {str(error)[:_DETAIL]}") from None
        except _UNREADABLE as error:
            raise _unreadable(f"the parameters of {name}", error) from None


class _Exact(BytesIO):
    """Octets that are not read beyond their end. fastavro looks there when it reads, but not when it skips."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if len(found) != size:
            raise EOFError
        return found


@dataclass(slots=True)
class _Kept:
    """A client's protocol, what it costs, and when it was used last."""

    client: _Client
    octets: int
    used: int


class _Known:
    """Clients' protocols by their hashes; those that were not used for longest are forgotten.

    There is no lock, because each operation on the dictionary is whole. If two threads add at
    once, more may be forgotten than need be: then a client is asked for its protocol again.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}
        self._now = 0

    def get(self, hash: bytes) -> _Client | None:
        kept = self._kept.get(hash)
        if kept is None:
            return None
        self._now = kept.used = self._now + 1
        return kept.client

    def put(self, hash: bytes, client: _Client, octets: int) -> None:
        self._now += 1
        self._kept[hash] = _Kept(client, octets + _KNOWN_COST, self._now)
        by_age = sorted(self._kept.copy().items(), key=lambda item: item[1].used)
        octets = sum([kept.octets for _, kept in by_age])
        for old, kept in by_age:
            if octets <= _KNOWN_OCTETS:
                return
            self._kept.pop(old, None)
            octets -= kept.octets


def _give_octets(schema: Any) -> Any:
    """The same schema, with octets as defaults of octets: fastavro would give the text that stands for them."""
    for field in schema.get("fields", ()):
        if field["type"] == "bytes" and isinstance(field.get("default"), str):
            field["default"] = field["default"].encode("latin-1")
    return schema


def _reply(value: Any, namespace: str, named: dict[str, Any]) -> Any:
    """A whole response, with whatever `value` is ("Call Format")."""
    fields = [
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "error", "type": "boolean"},
        {"name": "value", "type": value},
    ]
    return parse_schema({"type": "record", "name": "Reply", "namespace": namespace, "fields": fields}, dict(named))


_FAILURE = _reply(["string"], "", {})


def _written(reply: Any, error: bool, value: object) -> bytes:
    out = BytesIO()
    schemaless_writer(out, reply, {"meta": {}, "error": error, "value": value})
    return out.getvalue()


def _handshake(response: dict[str, Any]) -> bytes:
    out = BytesIO()
    schemaless_writer(out, HANDSHAKE_RESPONSE, response)
    return out.getvalue()


def _md5(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()


def _unreadable(what: str, error: Exception) -> QmqError:
    return QmqError("bad-avro", f"{what} cannot be read: {type(error).__name__} {str(error)[:_DETAIL]}".rstrip())
