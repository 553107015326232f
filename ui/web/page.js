// SPDX-License-Identifier: MIT
// The page: the connection to the emulator, and what the user does to the guest.  ui/web-int.h has the messages.

import {keyNumber} from "./keys.js";
import {Screen} from "./screen.js";
import {Terminal} from "./terminal.js";

const SIZE = 1, PICTURE = 2, CURSOR = 3, PLACE = 4, TERMINAL = 5;
const KEY = 1, POINT = 2, MOVE = 3, SEEN = 4, TYPED = 5, COMMAND = 6, HEAD = 7, WISH = 8;
const POWERDOWN = 0, RESET = 1, PAUSE = 2, CONTINUE = 3;
const PLACE_MAX = 0x7fff, WHEEL_STEP = 40, RETRY_MS = 1500, TYPED_MAX = 8192;

const $ = (id) => document.getElementById(id);
const canvas = $("screen");
const screen = new Screen(canvas, $("pointer"));
const terminals = []; // by their number; holes where there is none
const held = new Set(); // keys that are down
let state = {running: false, absolute: true, terminals: []};
let socket = null;
let actualSize = false;

// --- The connection ---

function send(type, ...bytes) {
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(Uint8Array.of(type, ...bytes));
  }
}

function u16(n) {
  return [n >> 8 & 255, n & 255];
}

function connect() {
  const url = new URL("socket" + location.search, location.href);

  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    terminals.forEach((t) => t.terminal.reset());
    tellRoom();
  };
  socket.onmessage = ({data}) => (typeof data === "string" ? takeState(JSON.parse(data)) : take(new Uint8Array(data)));
  socket.onclose = () => {
    held.clear();
    showState("not connected", "");
    setTimeout(connect, RETRY_MS);
  };
}

function take(bytes) {
  const rest = bytes.subarray(1);

  switch (bytes[0]) {
  case SIZE: {
    const view = new DataView(rest.buffer, rest.byteOffset);
    screen.resize(view.getUint16(0), view.getUint16(2));
    layOut();
    break;
  }
  case PICTURE:
    screen.draw(rest);
    requestAnimationFrame(() => send(SEEN)); // a page that nobody sees does not ask for more
    break;
  case CURSOR:
    screen.setCursor(rest);
    screen.showPointer(state.absolute);
    break;
  case PLACE:
    screen.setPlace(rest);
    screen.showPointer(state.absolute);
    break;
  case TERMINAL:
    terminals[rest[0]]?.terminal.write(rest.subarray(1));
    break;
  }
}

// --- State ---

function showState(text, kind) {
  $("state").className = `state ${kind}`;
  $("state-text").textContent = text;
}

function takeState(news) {
  state = news;
  document.title = `${state.name} (${state.state})`;
  $("name").textContent = state.name;
  showState(state.state, state.running ? "running" : "stopped");
  document.body.classList.toggle("stopped", !state.running);
  $("pause").title = state.running ? "Pause" : "Continue";
  $("power").disabled = !state.power;
  showHeads();
  state.terminals.forEach((label, i) => label && !terminals[i] && addTerminal(i, label));
  screen.showPointer(state.absolute);
  layOut();
}

function showHeads() {
  const names = state.heads ?? [];

  $("heads").hidden = names.length < 2;
  $("heads").replaceChildren(...names.map((name, i) => new Option(`${i + 1}: ${name}`, i, false, i === state.head)));
}

// --- Layout ---

function layOut() {
  const stage = $("stage"), visible = screen.width > 0 && screen.height > 0;
  const some = terminals.some((t) => t), side = $("side").getAttribute("aria-pressed") === "true";

  $("side").hidden = !some || !visible;
  $("terminals").hidden = !some || (visible && !side);
  document.querySelector("main").classList.toggle("alone", !visible && some);
  canvas.hidden = !visible;
  ["keys", "picture", "actual", "full"].forEach((id) => { $(id).hidden = !visible; });
  if (visible) {
    const fit = Math.min(stage.clientWidth / screen.width, stage.clientHeight / screen.height);
    const scale = actualSize ? 1 / devicePixelRatio : fit;
    canvas.style.width = `${Math.floor(screen.width * scale)}px`;
    canvas.style.height = `${Math.floor(screen.height * scale)}px`;
    canvas.style.imageRendering = scale * devicePixelRatio >= 2 ? "pixelated" : "";
  }
  showHint();
  screen.showPointer(state.absolute);
}

function showHint() {
  const locked = document.pointerLockElement === canvas;

  $("hint").hidden = state.absolute || locked || canvas.hidden;
  $("hint").textContent = "Click to give the guest the mouse; Esc takes it back";
}

let wishTimer = null;
function tellRoom() {
  clearTimeout(wishTimer);
  wishTimer = setTimeout(() => {
    const stage = $("stage");
    if (stage.clientWidth > 100 && stage.clientHeight > 100) {
      send(WISH, ...u16(Math.round(stage.clientWidth * devicePixelRatio)),
           ...u16(Math.round(stage.clientHeight * devicePixelRatio)));
    }
  }, 300);
}

new ResizeObserver(() => {
  layOut();
  tellRoom();
}).observe($("stage"));

// --- Terminals ---

function addTerminal(i, label) {
  const pane = document.createElement("div"), tab = document.createElement("button");

  pane.className = "terminal";
  pane.dataset.label = label;
  tab.textContent = label.replace(/^compat_/, "");
  tab.role = "tab";
  tab.addEventListener("click", () => {
    chooseTerminal(i);
    pane.focus();
  });
  $("panes").append(pane);
  $("tabs").append(tab);
  terminals[i] = {pane, tab, terminal: new Terminal(pane, (text) => typeInto(i, text))};
  chooseTerminal(terminals.findIndex((t) => t));
}

function chooseTerminal(chosen) {
  terminals.forEach((t, i) => {
    t.pane.hidden = i !== chosen;
    t.tab.setAttribute("aria-selected", i === chosen);
  });
}

function typeInto(i, text) {
  const bytes = new TextEncoder().encode(text);

  for (let at = 0; at < bytes.length; at += TYPED_MAX) {
    send(TYPED, i, ...bytes.subarray(at, at + TYPED_MAX));
  }
}

// --- Keyboard ---

function key(number, down) {
  if (number) {
    down ? held.add(number) : held.delete(number);
    send(KEY, ...u16(number), down ? 1 : 0);
  }
}

function releaseKeys() {
  [...held].forEach((number) => key(number, false));
}

canvas.addEventListener("keydown", (event) => {
  event.preventDefault();
  key(keyNumber(event.code), true);
});
canvas.addEventListener("keyup", (event) => {
  event.preventDefault();
  key(keyNumber(event.code), false);
});
canvas.addEventListener("blur", releaseKeys);

// --- Pointer ---

let wheel = 0;

function place(event) {
  const box = canvas.getBoundingClientRect();
  const at = (v, from, size) => Math.round(Math.max(0, Math.min(1, (v - from) / (size - 1))) * PLACE_MAX);

  return [...u16(at(event.clientX, box.left, box.width)), ...u16(at(event.clientY, box.top, box.height))];
}

function pointer(event, notches = 0) {
  if (state.absolute) {
    send(POINT, ...place(event), notches & 255, event.buttons & 31);
  } else if (document.pointerLockElement === canvas) {
    send(MOVE, ...u16(Math.round(event.movementX)), ...u16(Math.round(event.movementY)), notches & 255,
         event.buttons & 31);
  }
}

canvas.addEventListener("pointermove", (event) => pointer(event));
canvas.addEventListener("pointerdown", (event) => {
  canvas.focus();
  event.preventDefault();
  if (!state.absolute && document.pointerLockElement !== canvas) {
    canvas.requestPointerLock();
    return;
  }
  if (state.absolute) {
    canvas.setPointerCapture(event.pointerId);
  }
  pointer(event);
});
canvas.addEventListener("pointerup", (event) => pointer(event));
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  wheel += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * WHEEL_STEP;
  const notches = Math.max(-8, Math.min(8, Math.trunc(wheel / WHEEL_STEP)));
  if (notches) {
    wheel -= notches * WHEEL_STEP;
    pointer(event, notches);
  }
}, {passive: false});
document.addEventListener("pointerlockchange", showHint);

// --- Buttons ---

$("pause").addEventListener("click", () => send(COMMAND, state.running ? PAUSE : CONTINUE));
$("reset").addEventListener("click", () => send(COMMAND, RESET));
$("power").addEventListener("click", () => send(COMMAND, POWERDOWN));
$("heads").addEventListener("change", (event) => {
  send(HEAD, Number(event.target.value));
  canvas.focus();
});
$("keys").addEventListener("click", () => {
  const numbers = ["ControlLeft", "AltLeft", "Delete"].map(keyNumber);
  numbers.forEach((n) => key(n, true));
  numbers.reverse().forEach((n) => key(n, false));
  canvas.focus();
});
$("picture").addEventListener("click", () => canvas.toBlob((blob) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${state.name}.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}));
$("actual").addEventListener("click", (event) => {
  actualSize = !actualSize;
  event.currentTarget.setAttribute("aria-pressed", actualSize);
  layOut();
});
$("full").addEventListener("click", async () => {
  await $("stage").requestFullscreen();
  await navigator.keyboard?.lock?.();
  canvas.focus();
});
$("side").addEventListener("click", (event) => {
  const button = event.currentTarget, on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  layOut();
});

layOut();
connect();
