"""Kafka's protocol for the tests of bad input, in the standard library alone: messages of every API are made and read from the
facts in broker/wire/schemas, so an API that is new there is attacked from the same day. Has no code of the broker."""
import os
import socket
import struct
import time
import zlib

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../broker/wire/schemas")
INT32_MAX = 2**31 - 1


class Versions:
    def __init__(self, text):
        first, _, last = text.partition("-")
        self.first = int(first.rstrip("+"))
        self.last = int(last) if last else (10**6 if text.endswith("+") else self.first)

    def __contains__(self, version):
        return self.first <= version <= self.last


class Field:
    """One line of a schema."""

    def __init__(self, words):
        self.name, self.type, rest = words[0], words[1], words[2:]
        self.versions, self.nullable, self.tag = Versions("0+"), None, None
        self.fields = []
        if rest and rest[0][0].isdigit():
            self.versions = Versions(rest.pop(0))
        while rest:
            word = rest.pop(0)
            if word == "nullable":
                self.nullable = Versions(rest.pop(0) if rest and rest[0][0].isdigit() else "0+")
            elif word == "tag":
                self.tag = int(rest.pop(0))
            elif word == "=":
                rest.pop(0)


class Message:
    def __init__(self, words):
        self.versions, self.flexible = Versions(words[words.index("versions") + 1]), None
        if "flexible" in words:
            self.flexible = Versions(words[words.index("flexible") + 1])
        self.fields, self.structs = [], {}

    def is_flexible(self, version):
        return self.flexible is not None and version in self.flexible


class Api:
    def __init__(self, key, name):
        self.key, self.name, self.request, self.response = key, name, None, None


def schema_read(path):
    api, message, stack = None, None, []
    for line in open(path, encoding="ascii"):
        line = line.split("//")[0].rstrip()
        words = line.split()
        if not words:
            continue
        depth = (len(line) - len(line.lstrip())) // 4
        if words[0] == "api":
            api = Api(int(words[1]), words[2])
        elif depth == 0:
            message = Message(words)
            stack = [message.fields]
            if words[0] in ("request", "response"):
                setattr(api, words[0], message)
        elif words[0] == "struct":
            fields = []
            message.structs[words[1]] = fields
            stack = stack[:depth] + [fields]
        else:
            field = Field(words)
            stack = stack[:depth]
            stack[-1].append(field)
            stack.append(field.fields)
    return api


def schemas_read():
    """All APIs by key."""
    apis = [schema_read(os.path.join(SCHEMAS, name)) for name in sorted(os.listdir(SCHEMAS)) if name[0].isdigit()]
    return {api.key: api for api in apis}


def uvarint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def varint(n):
    return uvarint((n << 1) ^ (n >> 63) if n < 0 else n << 1)


INTS = {"bool": ">b", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "int64": ">q", "float64": ">d"}


class Writer:
    """Encodes a message with values that `choose` makes: choose.integer(field), text(field), count(field), null(field)..."""

    def __init__(self, message, version, choose):
        self.message, self.version, self.choose = message, version, choose
        self.flexible = message.is_flexible(version)

    def length(self, n, short):
        if self.flexible:
            return uvarint(n + 1)
        return struct.pack(">h" if short else ">i", n)

    def fields_of(self, field, kind):
        return field.fields or self.message.structs.get(kind, [])

    def value(self, field, kind):
        null = field.nullable is not None and self.version in field.nullable and self.choose.null(field)
        if kind.startswith("[]"):
            if null:
                return self.length(-1, False)
            count = self.choose.count(field)
            if count and self.choose.repeats():
                return self.length(count, False) + self.value_of(field, kind[2:]) * count
            return self.length(count, False) + b"".join(self.value_of(field, kind[2:]) for _ in range(count))
        if kind in ("string", "bytes", "records"):
            if null:
                return self.length(-1, kind == "string")
            data = getattr(self.choose, kind)(field)
            return self.length(len(data), kind == "string") + data
        if kind in INTS or kind == "uuid":
            return self.value_of(field, kind)
        return b"\xff" if null else (b"\x01" if field.nullable else b"") + self.fields(self.fields_of(field, kind))

    def value_of(self, field, kind):
        if kind in INTS:
            return struct.pack(INTS[kind], self.choose.number(field, kind))
        if kind == "uuid":
            return self.choose.uuid(field)
        if kind in ("string", "bytes", "records"):
            data = getattr(self.choose, kind)(field)
            return self.length(len(data), kind == "string") + data
        return self.fields(self.fields_of(field, kind))

    def fields(self, fields):
        here = [f for f in fields if self.version in f.versions]
        out = b"".join(self.value(f, f.type) for f in here if f.tag is None)
        if self.flexible:
            tagged = [f for f in here if f.tag is not None and self.choose.tagged(f)]
            out += uvarint(len(tagged))
            for f in sorted(tagged, key=lambda f: f.tag):
                data = self.value(f, f.type)
                out += uvarint(f.tag) + uvarint(len(data)) + data
        return out

    def body(self):
        return self.fields(self.message.fields)


class Exact(Writer):
    """Encodes nested dicts; what is not given is 0, empty or, where it may be, null."""

    def __init__(self, message, version):
        super().__init__(message, version, None)

    def encode(self, values):
        return self.struct(self.message.fields, values)

    def struct(self, fields, values):
        here = [f for f in fields if self.version in f.versions]
        unknown = set(values) - {f.name for f in fields}
        if unknown:
            raise KeyError(f"no such field: {sorted(unknown)}")
        out = b"".join(self.one(f, f.type, values.get(f.name)) for f in here if f.tag is None)
        return out + (b"\0" if self.flexible else b"")

    def one(self, field, kind, value):
        nullable = field.nullable is not None and self.version in field.nullable and kind == field.type
        if kind.startswith("[]"):
            if value is None:
                return self.length(-1 if nullable else 0, False)
            return self.length(len(value), False) + b"".join(self.one(field, kind[2:], v) for v in value)
        if kind in ("string", "bytes", "records"):
            if value is None and nullable:
                return self.length(-1, kind == "string")
            return self.length(len(value or b""), kind == "string") + (value or b"")
        if kind in INTS:
            return struct.pack(INTS[kind], value or 0)
        if kind == "uuid":
            return value or bytes(16)
        head = b"" if not nullable else b"\xff" if value is None else b"\x01"
        return head if value is None and nullable else head + self.struct(self.fields_of(field, kind), value or {})


class Reader:
    """Decodes an answer into dicts; an answer that doesn't fit its schema raises."""

    def __init__(self, message, version, data):
        self.message, self.version, self.data, self.at = message, version, data, 0
        self.flexible = message.is_flexible(version)

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise ValueError(f"answer ends at {len(self.data)}, {n} bytes wanted at {self.at}")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, fmt):
        return struct.unpack(fmt, self.take(struct.calcsize(fmt)))[0]

    def uvarint(self):
        n = shift = 0
        while True:
            byte = self.take(1)[0]
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    def length(self, short):
        return self.uvarint() - 1 if self.flexible else self.number(">h" if short else ">i")

    def value(self, field, kind):
        if kind.startswith("[]"):
            count = self.length(False)
            return None if count < 0 else [self.value(field, kind[2:]) for _ in range(count)]
        if kind in ("string", "bytes", "records"):
            size = self.length(kind == "string")
            return None if size < 0 else self.take(size)
        if kind in INTS:
            return self.number(INTS[kind])
        if kind == "uuid":
            return self.take(16)
        if field.nullable is not None and not field.type.startswith("[]") and self.number(">b") < 0:
            return None
        return self.fields(field.fields or self.message.structs.get(kind, []))

    def fields(self, fields):
        here = [f for f in fields if self.version in f.versions]
        out = {f.name: self.value(f, f.type) for f in here if f.tag is None}
        if self.flexible:
            by_tag = {f.tag: f for f in here if f.tag is not None}
            for _ in range(self.uvarint()):
                tag, size = self.uvarint(), self.uvarint()
                end = self.at + size
                if tag in by_tag:
                    out[by_tag[tag].name] = self.value(by_tag[tag], by_tag[tag].type)
                self.at = end
        return out

    def body(self):
        out = self.fields(self.message.fields)
        if self.at != len(self.data):
            raise ValueError(f"{len(self.data) - self.at} bytes behind the answer")
        return out


class Plain:
    """Zeros, empty texts and arrays, nulls where they may be; `given` has values by name of field."""

    def __init__(self, **given):
        self.given = given

    def get(self, field, other):
        value = self.given.get(field.name, other)
        return value.pop(0) if isinstance(value, list) else value

    def repeats(self):
        """All elements of an array are the same bytes."""
        return type(self) is Plain and not any(isinstance(value, list) for value in self.given.values())

    def number(self, field, kind):
        value = self.get(field, 0)
        of_array = field.type.startswith("[]") and isinstance(self.given.get(field.name), int)
        return 0 if of_array else value  # an array's name has its count

    def string(self, field):
        value = self.get(field, b"")
        return b"" if isinstance(value, int) else value  # the name of an array of texts, with its count

    bytes = records = string

    def uuid(self, field):
        return self.get(field, bytes(16))

    def count(self, field):
        return self.get(field, 1 if field.name in self.given.get("one_of", ()) else 0)

    def null(self, field):
        return field.name not in self.given and field.name not in self.given.get("one_of", ())

    def tagged(self, field):
        return False


def request_bytes(api, version, correlation, body, client=b"hostile", key=None):
    """A whole frame without its length."""
    head = struct.pack(">hhih", api.key if key is None else key, version, correlation, len(client)) + client
    return head + (b"\x00" if api and api.request.is_flexible(version) else b"") + body


def framed(frame):
    return struct.pack(">i", len(frame)) + frame


class Closed(Exception):
    pass


class Connection:
    def __init__(self, port, timeout=20, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed() from error

    def receive_exactly(self, n):
        out = b""
        while len(out) < n:
            try:
                part = self.socket.recv(min(n - len(out), 1 << 20))
            except ConnectionResetError as error:
                raise Closed() from error
            if not part:
                raise Closed()
            out += part
        return out

    def receive(self):
        return self.receive_exactly(struct.unpack(">i", self.receive_exactly(4))[0])

    def ask(self, frame):
        self.send(framed(frame))
        return self.receive()

    def call(self, api, version, choose, correlation=7):
        """The answer to a request, as dicts."""
        body = Writer(api.request, version, choose).body()
        return answer_read(api, version, correlation, self.ask(request_bytes(api, version, correlation, body)))

    def tell(self, api, version, values, correlation=7):
        """As call, with the request as nested dicts."""
        body = Exact(api.request, version).encode(values)
        return answer_read(api, version, correlation, self.ask(request_bytes(api, version, correlation, body)))

    def is_closed(self, seconds=10):
        """True when the broker closes it within the time, without another byte."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answer_read(api, version, correlation, data):
    got = struct.unpack(">i", data[:4])[0]
    if got != correlation:
        raise ValueError(f"{api.name}: the answer has correlation id {got}, not {correlation}")
    at = 4
    if api.key != 18 and api.response.is_flexible(version):
        if data[4] != 0:
            raise ValueError(f"{api.name}: tags in the answer's header")
        at = 5
    return Reader(api.response, version, data[at:]).body()


CRC_TABLE = []
for i in range(256):
    for _ in range(8):
        i = (i >> 1) ^ (0x82F63B78 if i & 1 else 0)
    CRC_TABLE.append(i)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def record(delta, value):
    body = b"\x00" + varint(0) + varint(delta) + varint(-1) + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


# Older records would go by retention, which looks at the partitions again whenever a log start moves.
NOW_MS = int(time.time() * 1000)


def batch(values=(b"hello",), compression=0, records=None, timestamp=NOW_MS, **other):
    """A record batch; `other` replaces fields of the header: magic, crc, count, last_delta, size, producer, epoch, sequence."""
    if records is None:
        records = b"".join(record(i, value) for i, value in enumerate(values))
        if compression == 1:
            pack = zlib.compressobj(9, zlib.DEFLATED, 31)
            records = pack.compress(records) + pack.flush()
    body = struct.pack(
        ">hiqqqhii",
        other.get("attributes", compression),
        other.get("last_delta", len(values) - 1),
        timestamp,
        timestamp,
        other.get("producer", -1),
        other.get("epoch", -1),
        other.get("sequence", -1),
        other.get("count", len(values)),
    )
    body += records
    crc = other.get("crc", crc32c(body))
    return struct.pack(">qiibI", 0, other.get("size", len(body) + 9), -1, other.get("magic", 2), crc) + body
