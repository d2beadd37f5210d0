/**
 * @fileoverview How a value that a page publishes becomes the body of a frame.
 * Text goes as text, bytes go as they are and without a type of their own, and
 * everything else goes as JSON. It never guesses from the destination.
 */

goog.module('qmq.body');

/**
 * @record
 */
class Payload {
  constructor() {
    /** @type {string|!Uint8Array} */
    this.data;
    /** @type {string} The content type; empty for none. */
    this.type;
  }
}

/**
 * @param {*} value
 * @param {string=} type In place of the one that it would have.
 * @return {!Payload}
 * @throws {TypeError} If the value is none that JSON knows (a function, a ring).
 */
function encode(value, type) {
  const payload = encodeAs(value);
  return type === undefined ? payload : {data: payload.data, type};
}

/**
 * @param {*} value
 * @return {!Payload}
 */
function encodeAs(value) {
  if (value === undefined) return {data: '', type: ''};
  if (typeof value === 'string') return {data: value, type: 'text/plain'};
  if (value instanceof ArrayBuffer) {
    return {data: new Uint8Array(value), type: ''};
  }
  if (ArrayBuffer.isView(value)) {
    return {data: viewed(/** @type {!ArrayBufferView} */ (value)), type: ''};
  }
  const json = /** @type {string|undefined} */ (JSON.stringify(value));
  if (json === undefined) throw new TypeError('the body is not JSON');
  return {data: json, type: 'application/json'};
}

/**
 * @param {!ArrayBufferView} view
 * @return {!Uint8Array}
 */
function viewed(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

exports = {Payload, encode};
