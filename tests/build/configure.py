#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""configure: its options, what it writes, and what it says of wrong options and missing packages."""

import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def configure(folder, *args, **env):
    return subprocess.run([os.path.join(TOP, "configure"), *args], cwd=folder, text=True,
                          env=dict(os.environ, **env), capture_output=True, check=False)


def written(folder):
    """config.mk as a dictionary."""
    with open(os.path.join(folder, "config.mk"), encoding="utf-8") as f:
        return dict(re.findall(r"^(\w+) := (.*)$", f.read(), re.M))


def configured(*args):
    with rhea.scratch() as folder:
        done = configure(folder, *args)
        assert done.returncode == 0, f"{args}: {done.stderr}"
        return written(folder), done.stdout


def refused(reason, *args, **env):
    with rhea.scratch() as folder:
        done = configure(folder, *args, **env)
        assert done.returncode == 1, f"{args}: status {done.returncode}"
        assert reason in done.stderr, f"{args}: {done.stderr}"
        assert os.listdir(folder) == [], f"{args}: something was written"
        return done.stderr


@suite.test
def help_is_complete():
    """Every option of the text is taken, and every option that is taken is in the text."""
    with rhea.scratch() as folder:
        text = configure(folder, "--help").stdout
    offered = set(re.findall(r"--[a-z-]+", text))
    with open(os.path.join(TOP, "configure"), encoding="utf-8") as f:
        taken = set(re.findall(r"^    (--[a-z-]+)", f.read(), re.M))
    assert {o for o in taken if not o.startswith("--disable-")} <= offered, taken - offered
    assert offered <= taken, offered - taken


@suite.test
def options_do_what_they_say():
    plain, summary = configured()
    assert plain["PREFIX"] == "/usr/local" and plain["CONFIG_JIT"] in ("y", "")
    assert "-O2" in plain["CFLAGS"] and "-Werror" not in plain["CFLAGS"]
    assert summary.count("\n") < 30 and "accelerators" in summary
    config, _ = configured("--prefix=/opt/x", "--enable-debug", "--enable-werror",
                           "--extra-cflags=-DBARK=1", "--enable-sanitizers=address,undefined")
    assert config["PREFIX"] == "/opt/x"
    for flag in ("-O0", "-Werror", "-DBARK=1", "-fsanitize=address,undefined"):
        assert flag in config["CFLAGS"].split(), flag
    assert "-fsanitize=address,undefined" in config["LDFLAGS"]
    config, _ = configured("--disable-slirp", "--disable-werror", "--disable-debug",
                           "--target-list=riscv64", "--enable-sanitizers=thread")
    assert config["CONFIG_SLIRP"] == "" and config["TARGETS"] == "riscv64"
    assert "slirp" not in config["LIBS"] and "-fsanitize=thread" in config["CFLAGS"]


@suite.test
def compiler_with_words():
    config, summary = configured("--cc=env gcc -m64")
    assert config["CC"] == "env gcc -m64" and "env gcc -m64" in summary


@suite.test
def nothing_changes_when_nothing_changed():
    with rhea.scratch() as folder:
        assert configure(folder).returncode == 0
        names = sorted(os.listdir(folder))
        assert names == ["Makefile", "config.h", "config.mk"], names
        before = [os.stat(os.path.join(folder, n)).st_mtime_ns for n in names]
        assert configure(folder).returncode == 0
        assert before == [os.stat(os.path.join(folder, n)).st_mtime_ns for n in names]


@suite.test
def wrong_options():
    refused("unknown option '--bark'", "--bark")
    refused("--target-list: 'bark' is not known (accepted: ", "--target-list=riscv64,bark")
    refused("--enable-sanitizers: 'bark' is not known (accepted: ", "--enable-sanitizers=bark")
    refused("cannot be combined", "--enable-sanitizers=address,thread")
    refused("the compiler 'bark-cc' is not there (Debian package gcc", "--cc=bark-cc")
    refused("cannot make a program", "--cc=false")


@suite.test
def missing_packages_have_names():
    text = refused("configure: missing:", "--enable-slirp", PKG_CONFIG_LIBDIR="/nonexistent")
    for package in ("libglib2.0-dev", "libjson-glib-dev", "zlib1g-dev", "libpixman-1-dev", "libslirp-dev"):
        assert f"(Debian package {package}" in text, text


sys.exit(suite.run())
