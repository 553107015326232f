# SPDX-License-Identifier: MIT
"""Debian's packages for guests, through this machine's own apt, whose state is not touched."""

import os
import re
import subprocess
import sys

UNAVAILABLE = 77  # exit status of what needs packages and cannot have them
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """The packages cannot be had on this machine."""


def output(*argv, env=None):
    """Runs a command and returns its standard output; a failure is Unavailable with its message."""
    p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, text=True, capture_output=True)
    if p.returncode != 0:
        last = (p.stderr.strip() or p.stdout.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"{argv[0]} {argv[1]} failed: {last}")
    return p.stdout


def archives(security=False):
    """The archives (or those of security updates) this machine's apt is configured for, in its order."""
    lines = output("apt-get", "indextargets", "Created-By: Packages",
                   "--format", "$(REPO_URI) $(RELEASE)").splitlines()
    uris = []
    for line in lines:
        uri, release = line.rsplit(" ", 1)
        if ("security" in uri + release) == security and uri not in uris:
            uris.append(uri)
    if not uris and not security:
        raise Unavailable("this machine's apt names no archive")
    return uris


class Apt:
    """apt with its own state, sources and architecture; proxies and keys are the machine's."""

    def __init__(self, root, arch, suites, component="main"):
        self.root = root
        self.component = component
        self.arch = arch
        self.suites = suites
        for d in ("state/lists/partial", "cache/archives/partial", "cache/none/partial"):
            os.makedirs(os.path.join(root, d), exist_ok=True)
        open(os.path.join(root, "status"), "a", encoding="ascii").close()
        conf = os.path.join(root, "apt.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f'Dir::State "{root}/state";\nDir::State::status "{root}/status";\n'
                    f'Dir::Cache "{root}/cache";\nDir::Etc::SourceList "{root}/sources.list";\n'
                    f'Dir::Etc::SourceParts "-";\nAPT::Architecture "{arch}";\n'
                    f'APT::Architectures {{ "{arch}"; }};\nAcquire::Languages "none";\n'
                    'APT::Sandbox::User "root";\nAPT::Keep-Downloaded-Packages "true";\n'
                    'Debug::NoLocking "true";\nAcquire::Retries "3";\n')
        self.env = dict(os.environ, APT_CONFIG=conf, LC_ALL="C")

    def update(self, package):
        """Finds the first of the suites that an archive has whole (a mirror may be in the middle of a
        sync) and that has the package; a suite's security updates stand in for it."""
        signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
        reason = None
        for uri, suite in self.sources():
            print(f"apt: reading the package lists of {suite}/{self.arch}", file=sys.stderr, flush=True)
            with open(os.path.join(self.root, "sources.list"), "w", encoding="ascii") as f:
                f.write(f"deb {signed}{uri} {suite} {self.component}\n")
            try:
                output("apt-get", "update", "--error-on=any", env=self.env)
                output("apt-cache", "show", package, env=self.env)
                return
            except Unavailable as e:
                reason = e
        raise Unavailable(f"no configured archive has {package} for {self.arch} in "
                          f"{', '.join(self.suites)} ({reason})")

    def sources(self):
        """(archive, suite) in the order in which they are tried."""
        for suite in self.suites:
            yield from ((uri, suite) for uri in archives())
            yield from ((uri, f"{suite}-security") for uri in archives(security=True))

    def depends(self, package, pattern):
        text = output("apt-cache", "depends", package, env=self.env)
        return re.findall(rf"^ *Depends: ({pattern})$", text, re.M)

    def kernel_packages(self, meta):
        """What the kernel metapackage stands for: one package, or its parts in newer releases."""
        images = self.depends(meta, r"linux-image-\S+")
        if not images:
            raise Unavailable(f"{meta} names no kernel package")
        return images[:1] + self.depends(images[0], r"linux-(?:binary|modules)-\S+")

    def fetch(self, packages, dependencies):
        """Downloads packages (and what they depend on); returns the .deb paths."""
        if dependencies:
            argv = ["apt-get", "install", "-y", "--no-install-recommends"]
        else:
            argv = ["apt-get", "download"]
        # What is in the store already would not be printed, so apt looks at an empty one here.
        uris = output(*argv, "-o", f"Dir::Cache::archives={self.root}/cache/none", "--print-uris",
                      *packages, env=self.env)
        names = re.findall(r"^'[^']*' (\S+) \d+", uris, re.M)
        store = os.path.join(self.root, "cache", "archives")
        paths = [os.path.join(store, n) for n in names]
        if not all(os.path.exists(p) for p in paths):
            argv += ["--download-only"] if dependencies else []
            subprocess.run(argv + list(packages), env=self.env, cwd=store, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return paths
