# SPDX-License-Identifier: MIT
"""Servers of the host's: a web server for guests, which reach it at 10.0.2.2, one that sends parts of files,
well or badly, and one for FTP."""

import contextlib
import functools
import http.server
import re
import socketserver
import threading


@contextlib.contextmanager
def web_server(folder):
    """The port where the folder's files are to be had, and what was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

        def copyfile(self, source, outputfile):
            with contextlib.suppress(ConnectionError):  # a guest may end in the middle
                super().copyfile(source, outputfile)

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                 functools.partial(Handler, directory=folder))) as port:
        yield port, asked


class Server(socketserver.ThreadingTCPServer):
    """One whose clients may hang up when they like."""

    def handle_error(self, request, client_address):
        pass


@contextlib.contextmanager
def running(server):
    """A socketserver in a thread; its port."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Parts:
    """Files that a web server sends in parts, as HTTP/1.1 has them, and how it misbehaves."""

    def __init__(self, files):
        self.files = files              # path: bytes
        self.behaviour = "well"
        self.asked = []                 # (path, first, last)
        self.cookies = set()
        self.count = 0

    def answer(self, handler):
        """(status, headers, body) of a request."""
        path = handler.path
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        self.count += 1
        self.cookies.add(handler.headers.get("Cookie"))
        if path.startswith("/moved/"):
            return 302, {"Location": path[len("/moved"):]}, b""
        if path not in self.files or self.behaviour == "missing":
            return 404, {}, b"<html>not here</html>"
        data = self.files[path]
        if self.behaviour == "whole" or not found:
            return 200, {}, data
        first, last = int(found[1]), min(int(found[2]), len(data) - 1)
        self.asked.append((path, first, last))
        if first >= len(data):
            return 416, {"Content-Range": f"bytes */{len(data)}"}, b""
        return self.part(data, first, last)

    def part(self, data, first, last):
        body, total, tag, shown = data[first:last + 1], len(data), '"1"', first
        if self.behaviour == "busy" and self.count % 3:
            return 503, {}, b"later"
        if self.behaviour == "shifted":
            shown += 1
        elif self.behaviour == "long":
            body += b"more"
        elif self.behaviour == "fewer":
            body = body[:-1]
        elif self.behaviour == "growing":
            total += self.count
        elif self.behaviour == "changing":
            tag = f'"{self.count}"'
        elif self.behaviour == "unknown":
            total = "*"
        return 206, {"Content-Range": f"bytes {shown}-{last}/{total}", "ETag": tag}, body


class PartsHandler(http.server.BaseHTTPRequestHandler):
    """Answers from self.server.parts."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):                   # pylint: disable=invalid-name
        parts = self.server.parts
        status, headers, body = parts.answer(self)
        if parts.behaviour == "hangs-up" and parts.count % 3 == 2:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if parts.behaviour == "endless":
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(body + bytes(65536))
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if parts.behaviour == "cuts-off":
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
        elif parts.behaviour != "silent" or parts.count < 2:
            self.wfile.write(body)
        else:
            self.rfile.read(1)          # until the client has had enough


@contextlib.contextmanager
def parts_server(files):
    """(port, Parts) of a web server that has the files (path: bytes)."""
    server = Server(("127.0.0.1", 0), PartsHandler)
    server.parts = Parts(files)
    with running(server) as port:
        yield port, server.parts


class FtpHandler(socketserver.StreamRequestHandler):
    """As much of FTP (RFC 959, 2428, 3659) as a client needs that reads parts of self.server.files."""

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def send_file(self, data):
        self.say("150 it comes")
        with contextlib.suppress(OSError):
            self.passive.settimeout(60)
            with self.passive.accept()[0] as s:
                s.sendall(data)
        self.passive.close()
        with contextlib.suppress(OSError):
            self.say("226 done")

    def handle(self):
        self.rest, files = 0, self.server.files
        self.say("220 ready")
        for line in self.rfile:
            verb, _, argument = line.decode().strip().partition(" ")
            data = files.get(argument.lstrip("/"))
            if verb in ("USER", "PASS", "TYPE", "CWD"):
                self.say("230 yes")
            elif verb == "PWD":
                self.say('257 "/"')
            elif verb == "EPSV":
                self.passive = socketserver.socket.create_server(("127.0.0.1", 0))
                self.say(f"229 here (|||{self.passive.getsockname()[1]}|)")
            elif verb == "SIZE" and data is not None:
                self.say(f"213 {len(data)}")
            elif verb == "REST":
                self.rest = int(argument)
                self.say("350 from there")
            elif verb == "RETR" and data is not None:
                self.send_file(data[self.rest:])
                self.rest = 0
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("550 no")


@contextlib.contextmanager
def ftp_server(files):
    """The port of an FTP server that has the files (name: bytes)."""
    server = Server(("127.0.0.1", 0), FtpHandler)
    server.files = files
    with running(server) as port:
        yield port
