# SPDX-License-Identifier: MIT
"""A machine whose nodes a test makes, and writes to as an NBD client."""
import rhea
from nbdpeer import Client


class Rig:
    """A machine with the node n, exported."""

    def __init__(self, w, *nodes, args=()):
        self.w, self.nodes = w, nodes
        self.m = rhea.Machine("-bios", "none", "-S", *args, qmp=True)

    def __enter__(self):
        self.m.__enter__()
        self.q = self.m.qmp()
        self.q.__enter__()
        for node in self.nodes:
            self.q.command("blockdev-add", **node)
        return self

    def export(self, node="n"):
        socket = self.w.file("s")
        self.q.command("nbd-server-start", addr={"type": "unix", "data": {"path": socket}})
        self.q.command("block-export-add", type="nbd", id="e", node_name=node, name="n", writable=True)
        client = Client(socket)
        client.go(b"n")
        return client

    def refused(self, part, command, /, **arguments):
        """The command is refused with these words."""
        try:
            self.q.command(command, **arguments)
        except AssertionError as e:
            assert part in str(e), e
        else:
            raise AssertionError(f"{command} {arguments} is not refused")

    def __exit__(self, *what):
        self.q.__exit__(*what)
        self.m.__exit__(*what)

    def end(self):
        self.q.command("quit")
        self.m.wait()


def file_node(path):
    return {"driver": "file", "filename": path}
