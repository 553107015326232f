#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rhea-io: what it does and says, beside Debian's qemu-io where that is installed."""
import os
import re
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from images import HAVE_QEMU, IO, QEMU_IO, Workdir, img
from tap import Skip, Suite

suite = Suite()


def io(*argv, tool=IO, stdin=""):
    """(status, standard output, standard error), without the times."""
    done = subprocess.run([tool, *argv], input=stdin, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, re.sub(r" ops; .*", "", done.stdout), done.stderr


def commands(*lines):
    return [word for line in lines for word in ("-c", line)]


@suite.test
def says_what_the_other_says():
    if not HAVE_QEMU:
        raise Skip("no qemu-io (Debian package qemu-utils)")
    for lines in (("write -P 7 64k 128k", "read -P 7 64k 128k", "length", "map", "alloc 0 1M", "alloc 64k"),
                  ("write -P 0x41 0 20", "read -v 0 40", "read -v 10 6"),
                  ("write -z -u 64k 64k", "write -z 0 3000", "write -f -P 0x11 512 512", "write 5 5", "discard 64k 64k"),
                  ("truncate 11M", "length", "truncate -m falloc 20M", "length", "map"),
                  ("writev -P 3 1k 512 1k 1", "readv -P 3 1k 1k 513", "readv -P 3 1k 1k 514"),
                  ("write -P 1 0 1k", "write -P 2 1k 1k", "read -P 2 -s 1k -l 100 0 2k", "read -P 1 -s 1k 0 2k"),
                  ("write -q 0 1k", "read -q 0 1k", "flush"), ("read -P 300 0 1",), ("read 100M 1k", "length"),
                  ("aio_write -P 4 0 64k", "aio_flush", "aio_read -P 4 0 64k", "aio_flush")):
        answers = []
        with Workdir() as w:
            for tool in IO, QEMU_IO:
                img("create", "-q", "-f", "qcow2", w.file("i"), "10M")
                status, out, _ = io(*commands(*lines), w.file("i"), tool=tool)
                answers.append((status, out))
        assert answers[0] == answers[1], (lines, answers)


@suite.test
def lines_from_standard_input():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("i"), "10M")
        status, out, err = io(stdin=f"length\nopen -r {w.file('i')}\nlength\nwrite 0 1k\n\nreopen -w\nwrite 0 1k\n"
                              f"open {w.file('i')}\nclose\nopen -s {w.file('i')}\nwrite -P 9 0 1k\nquit\nbogus\n")
        assert status == 1 and "10 MiB" in out and out.count("wrote") == 2, (status, out)
        assert [line.split(": ", 1)[1] for line in err.splitlines()] == \
            ["no file open, try 'help open'", "Block node is read-only", "file open already, try 'help close'"], err
        assert io(*commands("read -P 0xcd 0 1k"), w.file("i"))[0] == 0


@suite.test
def what_is_forgotten_can_be_read_only():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("i"), "10M")
        lines = commands("write -P 7 0 64k", "reopen -r", "read -P 7 0 64k", "reopen -w", "write -P 8 0 1k",
                         "read -P 8 0 1k", "read -P 7 1k 63k")
        status, out, err = io("-s", *lines, w.file("i"))
        assert status == 0, (out, err)


@suite.test
def many_in_the_background():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("i"), "64M")
        writes = [f"aio_write -P {n} {n}M 1M" for n in range(1, 60)]
        status, out, _ = io(*commands(*writes, "aio_flush", *(f"aio_read -P {n} {n}M 1M" for n in range(1, 60))),
                            w.file("i"))
        assert status == 0 and out.count("wrote") == 59 and out.count("read") == 59
        assert io(*commands("aio_read -P 2 1M 1M"), w.file("i"))[0] == 1
        img("check", "-q", w.file("i"))


@suite.test
def what_is_wrong():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("i"), "10M")
        for line in ("bogus", "read", "read 0", "read 0 1 2", "read 0 x", "read -x 0 1", "read -s 5 0 10", "flush 1",
                     "read -P 1 -s 5 -l 10 0 10", "write -z -P 1 0 1", "write -u 0 1", "write -s /none 0 1", "sleep x",
                     "read 0 4G", "write -z 0 8E", "aio_write -z 0 7E 7E", "alloc 11M", "truncate -m some 1M", "truncate",
                     "help nothing", "read 10M 1", "write 18446744073709551615 1", 'read "0 1'):
            assert io(*commands(line, "length"), w.file("i"))[0] == 1, line
        for argv in (["none"], ["-f", "none", w.file("i")], [w.file("i"), w.file("i")], ["-x"], ["-t", "some", w.file("i")]):
            assert io(*argv)[0] == 1, argv
        assert io(*commands("abort"), w.file("i"))[0] == -6
        assert io(*commands("sigraise 9"), w.file("i"))[0] == -9
        with open(w.file("bytes"), "w", encoding="ascii") as f:
            f.write("abc")
        status, out, _ = io(*commands(f"write -s {w.file('bytes')} 1 8", "read -v 0 10"), w.file("i"))
        assert status == 0 and ".abcabcab." in out, out
        assert "write -z" in io("-c", "help")[1] and "reads" in io("-c", "help read")[1]
        assert io("--image-opts", "-c", "read 0 1k", f"driver=qcow2,file.filename={w.file('i')},read-only=on")[0] == 0


if __name__ == "__main__":
    sys.exit(suite.run())
