# SPDX-License-Identifier: MIT
"""A headless Chromium for tests, by Playwright, which scripts/browser-driver installs."""

import json
import os
import shutil
import subprocess

import tap

HERE = os.path.dirname(os.path.abspath(__file__))


class Browser:
    """Its methods are those of browser.mjs: open, evaluate, wait, click, press, type, screenshot ..."""

    def __init__(self):
        node, chromium = shutil.which("node"), shutil.which("chromium")
        folder = os.environ.get("RHEA_PLAYWRIGHT", os.getcwd())
        if not node or not chromium:
            raise tap.Skip("nodejs and chromium are not both here (scripts/setup slow)")
        if not os.path.isdir(os.path.join(folder, "node_modules", "playwright-core")):
            raise tap.Skip("playwright-core is not here (scripts/browser-driver)")
        self.process = subprocess.Popen([node, os.path.join(HERE, "browser.mjs"), folder, chromium], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __getattr__(self, method):
        def call(*arguments):
            self.process.stdin.write(json.dumps([method, *arguments]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            assert line, f"the browser ended at {method}"
            answer = json.loads(line)
            assert "error" not in answer, f"{method}{arguments}: {answer['error']}"
            return answer["value"]
        return call
