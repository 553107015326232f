// SPDX-License-Identifier: MIT
// Places on the keyboard: what browsers call them, to the numbers of Linux's input-event-codes.h.

const rows = {
  1: "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab",
  16: "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft",
  30: "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash",
  44: "KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock",
  59: "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5",
  77: "Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal",
  86: "IntlBackslash F11 F12 IntlRo",
  92: "Convert KanaMode NonConvert",
  96: "NumpadEnter ControlRight NumpadDivide PrintScreen AltRight",
  102: "Home ArrowUp PageUp ArrowLeft ArrowRight End ArrowDown PageDown Insert Delete",
  113: "AudioVolumeMute AudioVolumeDown AudioVolumeUp Power NumpadEqual",
  119: "Pause",
  121: "NumpadComma Lang1 Lang2 IntlYen MetaLeft MetaRight ContextMenu",
  183: "F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24",
};

const numbers = new Map();
for (const [first, names] of Object.entries(rows)) {
  names.split(" ").forEach((name, i) => numbers.set(name, Number(first) + i));
}

// 0: no key of a PC.
export function keyNumber(code) {
  return numbers.get(code) ?? 0;
}
