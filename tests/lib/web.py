# SPDX-License-Identifier: MIT
"""A web server of the host's for guests, which reach it at 10.0.2.2."""

import contextlib
import functools
import http.server
import threading


@contextlib.contextmanager
def web_server(folder):
    """The port where the folder's files are to be had, and what was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
