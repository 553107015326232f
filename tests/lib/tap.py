# SPDX-License-Identifier: MIT
"""Minimal test harness for integration tests: functions run in order, results printed as TAP 13."""

import sys
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here; the message is the reason."""


class Suite:
    """Collects tests by decorator; run() prints TAP and returns the exit status."""

    def __init__(self):
        self.tests = []

    def test(self, func):
        self.tests.append((func.__name__.replace("_", "-"), func))
        return func

    def add(self, name, func, *args, **options):
        self.tests.append((name, lambda: func(*args, **options)))

    def run(self, argv=None):
        """Runs all tests, or those whose name contains one of the arguments."""
        wanted = sys.argv[1:] if argv is None else argv
        chosen = [t for t in self.tests if not wanted or any(w in t[0] for w in wanted)]
        print(f"TAP version 13\n1..{len(chosen)}", flush=True)
        failed = 0
        for number, (name, func) in enumerate(chosen, 1):
            try:
                func()
            except Skip as e:
                print(f"ok {number} {name} # SKIP {e}", flush=True)
            except Exception as e:                      # pylint: disable=broad-except
                failed += 1
                for line in traceback.format_exc().splitlines():
                    print(f"# {line}")
                for line in getattr(e, "log", "").splitlines()[-25:]:
                    print(f"# | {line}")
                print(f"not ok {number} {name}", flush=True)
            else:
                print(f"ok {number} {name}", flush=True)
        return 1 if failed else 0
