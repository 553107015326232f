// SPDX-License-Identifier: MIT
// A browser for tests/lib/browser.py: one JSON array [method, argument...] a line comes in, one {value} or {error} goes
// out.  browser.mjs FOLDER-OF-NODE_MODULES CHROMIUM

import {createRequire} from "node:module";
import {createInterface} from "node:readline";

const {chromium} = createRequire(`${process.argv[2]}/x.js`)("playwright-core");
const browser = await chromium.launch({executablePath: process.argv[3], args: ["--no-sandbox"]});
const page = await browser.newPage({viewport: {width: 1280, height: 900}});
const PATIENCE = 110000; // milliseconds
const complaints = [];

page.setDefaultTimeout(PATIENCE);
page.on("pageerror", (error) => complaints.push(error.message));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));

const methods = {
  open: async (url) => void await page.goto(url),
  evaluate: (text) => page.evaluate(text),
  wait: async (text) => { // not waitForFunction(), whose eval() the page's policy forbids
    for (const end = Date.now() + PATIENCE; !await page.evaluate(text);) {
      if (Date.now() > end) {
        throw new Error("it has not come to that");
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  },
  click: (selector, x, y) => page.click(selector, x === undefined ? {} : {position: {x, y}}),
  hover: (selector, x, y) => page.hover(selector, {position: {x, y}}),
  press: (key) => page.keyboard.press(key),
  type: (text) => page.keyboard.type(text),
  screenshot: async (selector, path) => void await page.locator(selector).screenshot({path}),
  size: (width, height) => page.setViewportSize({width, height}),
  complaints: () => complaints,
};

for await (const line of createInterface({input: process.stdin})) {
  const [method, ...args] = JSON.parse(line);
  let answer;
  try {
    answer = {value: await methods[method](...args) ?? null};
  } catch (error) {
    answer = {error: error.message};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
