// SPDX-License-Identifier: MIT
// The guest's screen on a canvas: pictures as the emulator sends them, and the pointer that the device draws.

const QOI = 1;

// The chunks of a Quite OK Image (qoiformat.org, version 1.0) without header, as RGBA.
function unpackQoi(data, count) {
  const out = new Uint32Array(count); // little-endian: red is lowest
  const seen = new Uint32Array(64);
  let r = 0, g = 0, b = 0, pixel = 0xff000000 | 0;
  let at = 0, i = 0;

  while (i < count && at < data.length) {
    const op = data[at++];

    if (op >= 0xc0 && op < 0xfe) {
      const end = Math.min(count, i + (op & 63) + 1);
      out.fill(pixel, i, end);
      i = end;
      continue;
    }
    if (op === 0xfe) {
      r = data[at++];
      g = data[at++];
      b = data[at++];
    } else if (op < 0x40) {
      pixel = seen[op];
      r = pixel & 255;
      g = pixel >>> 8 & 255;
      b = pixel >>> 16 & 255;
      out[i++] = pixel;
      continue;
    } else if (op < 0x80) {
      r = r + (op >> 4 & 3) - 2 & 255;
      g = g + (op >> 2 & 3) - 2 & 255;
      b = b + (op & 3) - 2 & 255;
    } else {
      const green = (op & 63) - 32, rest = data[at++];
      r = r + green + (rest >> 4) - 8 & 255;
      g = g + green & 255;
      b = b + green + (rest & 15) - 8 & 255;
    }
    pixel = 0xff000000 | b << 16 | g << 8 | r;
    seen[r * 3 + g * 5 + b * 7 + 255 * 11 & 63] = pixel;
    out[i++] = pixel;
  }
  return new Uint8ClampedArray(out.buffer);
}

export class Screen {
  constructor(canvas, pointer) {
    this.canvas = canvas;
    this.pointer = pointer; // a canvas above the other, for a pointer that moves by itself
    this.context = canvas.getContext("2d", {alpha: false, desynchronized: true});
    this.width = this.height = 0;
    this.hot = {x: 0, y: 0};
    this.place = {x: 0, y: 0, visible: false};
    this.cursor = ""; // the pointer's shape as CSS has it; "": the device has none
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    if (width && height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }

  // A message of rectangles, behind its type.
  draw(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 2;

    for (let n = view.getUint16(0); n; n--) {
      const x = view.getUint16(at), y = view.getUint16(at + 2);
      const w = view.getUint16(at + 4), h = view.getUint16(at + 6);
      const length = view.getUint32(at + 9);
      const data = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset + at + 13, length);
      const pixels = bytes[at + 8] === QOI ? unpackQoi(data, w * h) : data;

      this.context.putImageData(new ImageData(pixels, w, h), x, y);
      at += 13 + length;
    }
  }

  setCursor(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const w = view.getUint16(0), h = view.getUint16(2);

    this.hot = {x: view.getUint16(4), y: view.getUint16(6)};
    this.cursor = "";
    this.pointer.width = w || 1;
    this.pointer.height = h || 1;
    if (w && h) {
      const pixels = new Uint8ClampedArray(bytes.slice(8).buffer);
      this.pointer.getContext("2d").putImageData(new ImageData(pixels, w, h), 0, 0);
      this.cursor = `url(${this.pointer.toDataURL()}) ${this.hot.x} ${this.hot.y}, default`;
    }
  }

  setPlace(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.place = {x: view.getInt16(0), y: view.getInt16(2), visible: bytes[4] !== 0};
  }

  // With an absolute pointer the browser's own is the guest's; else a picture of it lies on the screen.
  showPointer(absolute) {
    const scale = this.canvas.clientWidth / (this.width || 1);
    const visible = this.cursor !== "" && this.place.visible;

    this.canvas.classList.toggle("bare", !(absolute && visible));
    this.canvas.style.cursor = absolute && visible ? this.cursor : "";
    this.pointer.hidden = absolute || !visible;
    this.pointer.style.left = `${this.canvas.offsetLeft + (this.place.x - this.hot.x) * scale}px`;
    this.pointer.style.top = `${this.canvas.offsetTop + (this.place.y - this.hot.y) * scale}px`;
    this.pointer.style.width = `${this.pointer.width * scale}px`;
  }
}
