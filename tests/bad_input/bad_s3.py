"""bad_s3.py PORT KIND: an S3 server that is none. KIND:
silent     takes connections and never answers       closes     closes each of them       html       says 200 and a page to everything
empty      200 without a body                        forbidden  AccessDenied              missing    NoSuchBucket
redirect   301 to itself                             500 503    those, for ever           garbage    no HTTP at all
endless    a body that never ends                    liar       keeps objects, and lets every conditional write through"""
import socket
import socketserver
import sys
import threading
import time
import urllib.parse

PORT, KIND = int(sys.argv[1]), sys.argv[2]
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message><RequestId>1</RequestId></Error>"
objects, lock = {}, threading.Lock()


def answer(status, body=b"", headers=()):
    if isinstance(body, str):
        body = body.encode()
    head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers)
    return head.encode() + b"\r\n" + body


def etag(data):
    return f'"{hash(data) & (2**63 - 1):x}"'


def lie(method, target, body):
    """An S3 of a kind: reads, writes, lists; conditions are not looked at."""
    path = urllib.parse.unquote(target.split("?")[0])
    query = urllib.parse.parse_qs(target.partition("?")[2])
    with lock:
        if method == "PUT":
            objects[path] = body
            return answer(200, headers=[("ETag", etag(body))])
        if method == "DELETE":
            objects.pop(path, None)
            return answer(204)
        if "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            keys = sorted(key.partition("/bucket/")[2] for key in objects)
            rows = "".join(f"<Contents><Key>{k}</Key><Size>1</Size></Contents>" for k in keys if k.startswith(prefix))
            return answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>")
        if path not in objects:
            return answer(404, ERROR.format("NoSuchKey", "none"))
        return answer(200, b"" if method == "HEAD" else objects[path], [("ETag", etag(objects[path]))])


def respond(connection, method, target, body):
    fixed = {
        "html": answer(200, "<html><body>Welcome to your router</body></html>", [("Content-Type", "text/html")]),
        "empty": answer(200),
        "forbidden": answer(403, ERROR.format("AccessDenied", "Access Denied")),
        "missing": answer(404, ERROR.format("NoSuchBucket", "The bucket does not exist")),
        "redirect": answer(301, ERROR.format("PermanentRedirect", "elsewhere"), [("Location", target)]),
        "500": answer(500, ERROR.format("InternalError", "we are sorry")),
        "503": answer(503, ERROR.format("SlowDown", "please")),
        "garbage": b"\x16\x03\x01 220 ready\r\n" * 20,
    }
    if KIND in fixed:
        connection.sendall(fixed[KIND])
        return KIND != "garbage"
    if KIND == "liar":
        connection.sendall(lie(method, target, body))
        return True
    if KIND == "endless":
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    time.sleep(3600)  # silent


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if KIND == "closes":
            return
        try:
            while self.one():
                pass
        except (OSError, ValueError):
            pass

    def one(self):
        first = self.rfile.readline().decode("latin-1").split()
        if len(first) < 2:
            return False
        length, waits = 0, False
        while (line := self.rfile.readline().strip().lower()) != b"":
            length = int(line.split(b":")[1]) if line.startswith(b"content-length") else length
            waits = waits or line.startswith(b"expect")
        if waits and KIND == "liar":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return respond(self.connection, first[0], first[1], self.rfile.read(length) if KIND != "silent" else b"")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64
    address_family = socket.AF_INET


Server(("127.0.0.1", PORT), Handler).serve_forever()
