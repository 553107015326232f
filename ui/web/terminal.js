// SPDX-License-Identifier: MIT
// A terminal that is good enough for a shell and its editors: ECMA-48 sequences as xterm knows them, UTF-8,
// 256 colours, the alternate screen, and the lines that have scrolled away.

const COLUMNS = 80, ROWS = 24, KEPT_LINES = 2000;
const PLAIN = {ink: null, paper: null, bold: false, dim: false, underline: false, reverse: false};
const LINES = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"; // VT100's characters from ` to ~
const COLOURS = ["#282c34", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
                 "#5c6370", "#ff7b86", "#b5e890", "#ffd78a", "#7cc4ff", "#de8ff2", "#6fd3de", "#ffffff"];
const KEYS = {
  ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", Home: "H", End: "F",
  Insert: "2~", Delete: "3~", PageUp: "5~", PageDown: "6~", F1: "OP", F2: "OQ", F3: "OR", F4: "OS",
  F5: "15~", F6: "17~", F7: "18~", F8: "19~", F9: "20~", F10: "21~", F11: "23~", F12: "24~",
  Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b",
};

function indexedColour(n) {
  if (n < 16) {
    return COLOURS[n];
  }
  if (n >= 232) {
    const grey = 8 + (n - 232) * 10;
    return `rgb(${grey},${grey},${grey})`;
  }
  const steps = [0, 95, 135, 175, 215, 255], cube = n - 16;
  return `rgb(${steps[Math.floor(cube / 36)]},${steps[Math.floor(cube / 6) % 6]},${steps[cube % 6]})`;
}

function blankLine(style = PLAIN) {
  return {cells: Array.from({length: COLUMNS}, () => ({c: " ", style})), element: null};
}

export class Terminal {
  constructor(element, send) {
    this.element = element;
    this.send = send;
    this.decoder = new TextDecoder();
    this.kept = 0; // lines above the screen, in the element only
    this.dirty = new Set();
    this.reset();
    element.tabIndex = 0;
    element.addEventListener("keydown", (event) => this.keyDown(event));
    element.addEventListener("paste", (event) => {
      event.preventDefault();
      this.send(event.clipboardData.getData("text").replace(/\r?\n/g, "\r"));
    });
  }

  reset() {
    this.lines = Array.from({length: ROWS}, () => blankLine());
    this.other = null; // the main screen while the alternate one shows
    this.x = this.y = 0;
    this.top = 0;
    this.bottom = ROWS - 1;
    this.style = PLAIN;
    this.saved = null;
    this.wrap = true;
    this.cursorVisible = true;
    this.applicationKeys = false;
    this.graphics = [false, false]; // line drawing in G0 and G1
    this.shifted = 0;
    this.pending = ""; // of a sequence that has not come in full
    this.all();
  }

  all() {
    this.kept = 0;
    this.element.replaceChildren();
    this.lines.forEach((line) => {
      line.element = document.createElement("div");
      this.element.append(line.element);
      this.dirty.add(line);
    });
    this.schedule();
  }

  write(bytes) {
    let text = this.pending + this.decoder.decode(bytes, {stream: true});
    this.pending = "";
    this.dirty.add(this.lines[this.y]);
    for (let i = 0; i < text.length;) {
      const c = text.codePointAt(i);
      if (c === 0x1b) {
        const used = this.escape(text.slice(i));
        if (!used) {
          this.pending = text.slice(i);
          break;
        }
        i += used;
      } else {
        c < 32 || c === 127 ? this.control(c) : this.put(String.fromCodePoint(c));
        i += c > 0xffff ? 2 : 1;
      }
    }
    this.dirty.add(this.lines[this.y]);
    this.schedule();
  }

  // --- Output ---

  put(c) {
    if (this.x === COLUMNS) {
      if (this.wrap) {
        this.x = 0;
        this.lineFeed();
      } else {
        this.x = COLUMNS - 1;
      }
    }
    if (this.graphics[this.shifted] && c >= "`" && c <= "~") {
      c = LINES[c.charCodeAt(0) - 96];
    }
    this.lines[this.y].cells[this.x++] = {c, style: this.style};
    this.dirty.add(this.lines[this.y]);
  }

  control(c) {
    switch (c) {
    case 8: this.x = Math.max(0, Math.min(this.x, COLUMNS - 1) - 1); break;
    case 9: this.x = Math.min(COLUMNS - 1, (this.x & ~7) + 8); break;
    case 10: case 11: case 12: this.lineFeed(); break;
    case 13: this.x = 0; break;
    case 14: this.shifted = 1; break;
    case 15: this.shifted = 0; break;
    }
  }

  goto(x, y) {
    this.dirty.add(this.lines[this.y]);
    this.x = Math.max(0, Math.min(COLUMNS - 1, x));
    this.y = Math.max(0, Math.min(ROWS - 1, y));
    this.dirty.add(this.lines[this.y]);
  }

  lineFeed() {
    if (this.y === this.bottom) {
      this.scroll(1);
    } else {
      this.goto(this.x, this.y + 1);
    }
  }

  blank() {
    return blankLine({...PLAIN, paper: this.style.paper});
  }

  // Up by n lines, down when it is negative, between the margins.
  scroll(n) {
    for (; n > 0; n--) {
      const gone = this.lines.splice(this.top, 1)[0], fresh = this.blank();
      this.lines.splice(this.bottom, 0, fresh);
      this.dirty.delete(gone);
      this.insertElement(fresh, this.bottom);
      if (this.top === 0 && !this.other) {
        this.render(gone, -1);
        this.kept++;
      } else {
        gone.element.remove();
      }
    }
    for (; n < 0; n++) {
      const gone = this.lines.splice(this.bottom, 1)[0], fresh = this.blank();
      this.dirty.delete(gone);
      gone.element.remove();
      this.lines.splice(this.top, 0, fresh);
      this.insertElement(fresh, this.top);
    }
    for (; this.kept > KEPT_LINES; this.kept--) {
      this.element.firstChild.remove();
    }
  }

  insertElement(line, row) {
    line.element = document.createElement("div");
    this.element.insertBefore(line.element, this.lines[row + 1]?.element ?? null);
    this.dirty.add(line);
  }

  erase(row, from, to) {
    const style = {...PLAIN, paper: this.style.paper};
    this.lines[row].cells.fill({c: " ", style}, from, to);
    this.dirty.add(this.lines[row]);
  }

  eraseDisplay(how) {
    const from = how === 0 ? this.y + 1 : 0, to = how === 1 ? this.y : ROWS;
    for (let row = from; row < to; row++) {
      this.erase(row, 0, COLUMNS);
    }
    if (how < 2) {
      this.eraseLine(how);
    }
  }

  eraseLine(how) {
    const x = Math.min(this.x, COLUMNS - 1);
    this.erase(this.y, how === 0 ? x : 0, how === 1 ? x + 1 : COLUMNS);
  }

  shift(n) { // characters from the cursor on: right by n, left when it is negative
    const cells = this.lines[this.y].cells, x = Math.min(this.x, COLUMNS - 1), fresh = this.blank().cells;
    if (n > 0) {
      cells.splice(x, 0, ...fresh.slice(0, Math.min(n, COLUMNS - x)));
    } else {
      cells.splice(x, -n);
      cells.push(...fresh);
    }
    cells.length = COLUMNS;
    this.dirty.add(this.lines[this.y]);
  }

  alternate(on) {
    if (on === (this.other !== null)) {
      return;
    }
    const hidden = on ? this.lines : null;
    this.lines = on ? Array.from({length: ROWS}, () => blankLine()) : this.other;
    this.other = hidden;
    this.all();
  }

  // --- Sequences ---

  // The characters of the sequence at the beginning of text; 0: it goes on.
  escape(text) {
    const rules = [
      [/^\x1b\[([?>=!]?)([0-9;:]*)([ -/]*)([@-~])/, (m) => this.csi(m[1], m[2], m[4])],
      [/^\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)/, () => {}], // titles and the like
      [/^\x1b([()])(.)/, (m) => { this.graphics[m[1] === ")" ? 1 : 0] = m[2] === "0"; }],
      [/^\x1b[*+#%\/ -].?/, () => {}],
      [/^\x1b([0-OQ-WYZ`-~=>c\\])/, (m) => this.single(m[1])],
    ];
    for (const [pattern, action] of rules) {
      const match = pattern.exec(text);
      if (match) {
        action(match);
        return match[0].length;
      }
    }
    // Not a sequence, or one without an end: the escape alone is passed over.
    return text.length > 4096 || /^\x1b(\[[?>=!]?[0-9;:]*[ -/]*[^0-9;:?>=! -/]|[^[\]PX^_()])/.test(text) ? 1 : 0;
  }

  single(c) {
    switch (c) {
    case "7": this.saved = {x: this.x, y: this.y, style: this.style}; break;
    case "8": this.restore(); break;
    case "D": this.lineFeed(); break;
    case "E": this.x = 0; this.lineFeed(); break;
    case "M": this.y === this.top ? this.scroll(-1) : this.goto(this.x, this.y - 1); break;
    case "c": this.reset(); break;
    }
  }

  restore() {
    if (this.saved) {
      this.goto(this.saved.x, this.saved.y);
      this.style = this.saved.style;
    }
  }

  csi(mark, parameters, final) {
    const p = parameters.split(/[;:]/).map(Number), n = Math.min(p[0] || 1, 1000);

    if (mark === "?" && (final === "h" || final === "l")) {
      p.forEach((mode) => this.mode(mode, final === "h"));
      return;
    }
    if (mark) {
      return;
    }
    switch (final) {
    case "A": this.goto(this.x, this.y - n); break;
    case "B": case "e": this.goto(this.x, this.y + n); break;
    case "C": case "a": this.goto(this.x + n, this.y); break;
    case "D": this.goto(Math.min(this.x, COLUMNS - 1) - n, this.y); break;
    case "E": this.goto(0, this.y + n); break;
    case "F": this.goto(0, this.y - n); break;
    case "G": case "`": this.goto(n - 1, this.y); break;
    case "H": case "f": this.goto((p[1] || 1) - 1, n - 1); break;
    case "d": this.goto(this.x, n - 1); break;
    case "J": this.eraseDisplay(p[0]); break;
    case "K": this.eraseLine(p[0]); break;
    case "L": this.within(() => this.scroll(-Math.min(n, ROWS))); break;
    case "M": this.within(() => this.scroll(Math.min(n, ROWS))); break;
    case "P": this.shift(-Math.min(n, COLUMNS)); break;
    case "@": this.shift(Math.min(n, COLUMNS)); break;
    case "X": this.erase(this.y, this.x, Math.min(COLUMNS, this.x + n)); break;
    case "S": this.scroll(Math.min(n, ROWS)); break;
    case "T": this.scroll(-Math.min(n, ROWS)); break;
    case "m": this.rendition(p); break;
    case "n": this.report(p[0]); break;
    case "c": this.send("\x1b[?6c"); break;
    case "r": this.margins(n, p[1] || ROWS); break;
    case "s": this.single("7"); break;
    case "u": this.single("8"); break;
    }
  }

  // Lines inserted and deleted are those from the cursor to the margin.
  within(action) {
    const top = this.top;
    if (this.y >= top && this.y <= this.bottom) {
      this.top = this.y;
      const other = this.other; // no line goes to those that are kept
      this.other = other ?? this.lines;
      action();
      this.other = other;
      this.top = top;
      this.x = 0;
    }
  }

  margins(top, bottom) {
    if (top < bottom && bottom <= ROWS) {
      this.top = top - 1;
      this.bottom = bottom - 1;
      this.goto(0, 0);
    }
  }

  mode(mode, on) {
    switch (mode) {
    case 1: this.applicationKeys = on; break;
    case 7: this.wrap = on; break;
    case 25: this.cursorVisible = on; break;
    case 47: case 1047: this.alternate(on); break;
    case 1049:
      if (on) {
        this.single("7");
        this.alternate(true);
      } else {
        this.alternate(false);
        this.restore();
      }
      break;
    }
  }

  report(what) {
    if (what === 5) {
      this.send("\x1b[0n");
    } else if (what === 6) {
      this.send(`\x1b[${this.y + 1};${Math.min(this.x, COLUMNS - 1) + 1}R`);
    }
  }

  rendition(p) {
    let style = {...this.style};
    for (let i = 0; i < p.length; i++) {
      const n = p[i];
      if (n === 0) {
        style = {...PLAIN};
      } else if (n === 1) {
        style.bold = true;
      } else if (n === 2) {
        style.dim = true;
      } else if (n === 4) {
        style.underline = true;
      } else if (n === 7) {
        style.reverse = true;
      } else if (n === 22) {
        style.bold = style.dim = false;
      } else if (n === 24) {
        style.underline = false;
      } else if (n === 27) {
        style.reverse = false;
      } else if (n === 38 || n === 48) {
        const colour = p[i + 1] === 5 ? indexedColour(p[i + 2] & 255) : `rgb(${p.slice(i + 2, i + 5)})`;
        style[n === 38 ? "ink" : "paper"] = colour;
        i += p[i + 1] === 5 ? 2 : 4;
      } else if (n === 39) {
        style.ink = null;
      } else if (n === 49) {
        style.paper = null;
      } else if ((n >= 30 && n <= 37) || (n >= 90 && n <= 97)) {
        style.ink = COLOURS[n < 40 ? n - 30 : n - 82];
      } else if ((n >= 40 && n <= 47) || (n >= 100 && n <= 107)) {
        style.paper = COLOURS[n < 50 ? n - 40 : n - 92];
      }
    }
    this.style = style;
  }

  // --- Showing ---

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      const atEnd = this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight < 30;
      this.frame = null;
      this.dirty.forEach((line) => this.render(line, line === this.lines[this.y] ? this.x : -1));
      this.dirty.clear();
      if (atEnd) {
        this.element.scrollTop = this.element.scrollHeight;
      }
    });
  }

  render(line, cursor) {
    const parts = [];
    let run = null;
    line.cells.forEach((cell, x) => {
      const here = this.cursorVisible && x === Math.min(cursor, COLUMNS - 1) && cursor >= 0;
      if (!run || run.style !== cell.style || run.cursor || here) {
        run = {style: cell.style, cursor: here, text: ""};
        parts.push(run);
      }
      run.text += cell.c;
    });
    line.element.replaceChildren(...parts.map((part) => this.span(part)));
  }

  span({style, cursor, text}) {
    if (style === PLAIN && !cursor) {
      return document.createTextNode(text);
    }
    const span = document.createElement("span");
    let ink = style.ink, paper = style.paper;
    if (style.reverse !== cursor) {
      [ink, paper] = [paper ?? "var(--paper)", ink ?? "var(--ink)"];
    }
    span.textContent = text;
    span.style.color = ink ?? "";
    span.style.backgroundColor = paper ?? "";
    span.style.fontWeight = style.bold ? "bold" : "";
    span.style.opacity = style.dim ? "0.6" : "";
    span.style.textDecoration = style.underline ? "underline" : "";
    return span;
  }

  // --- Typing ---

  keyDown(event) {
    let text = "";
    if (event.isComposing || event.metaKey) {
      return;
    }
    if (event.ctrlKey && event.shiftKey && (event.code === "KeyC" || event.code === "KeyV")) {
      return; // the browser copies and pastes
    }
    if (event.ctrlKey && event.key.length === 1) {
      const c = event.key.toUpperCase().charCodeAt(0);
      text = event.key === " " ? "\0" : c >= 64 && c < 96 ? String.fromCharCode(c & 31) : "";
    } else if (KEYS[event.key]) {
      const key = KEYS[event.key];
      const introducer = /^[A-H]$/.test(key) && this.applicationKeys ? "\x1bO" : "\x1b[";
      text = key.length === 1 && key < " " || key === "\x7f" ? key : key[0] === "O" ? `\x1b${key}` : introducer + key;
    } else if (event.key.length === 1) {
      text = event.key;
    }
    if (text) {
      event.preventDefault();
      this.send(event.altKey ? `\x1b${text}` : text);
      this.element.scrollTop = this.element.scrollHeight;
    }
  }
}
