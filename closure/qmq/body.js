/**
 * @fileoverview How a value that a page publishes becomes the body of a frame.
 * Text goes as text, bytes go as they are, and everything else goes as JSON. It
 * never guesses from the destination, and never lets JSON make something empty
 * of what is not.
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

/** @const {!RegExp} What loses what it is when it becomes JSON, whatever else is in it. */
const LOST = /Error|Exception|Promise|(Map|Set)]/;

/** @const {!RegExp} Objects that stand for a plain value. */
const BOXED = /(String|Number|Boolean)]/;

/**
 * @param {*} value
 * @param {string=} type In place of the one that it would have.
 * @return {!Payload|!Promise<!Payload>} A promise only for a Blob or a File.
 * @throws {TypeError} If the value is none that JSON knows (a function, a ring,
 *     a Map).
 */
function encode(value, type) {
  const typed = (data, own) => ({data, type: type === undefined ? own : type});
  if (value === undefined) return typed('', '');
  if (typeof value === 'string') return typed(value, 'text/plain');
  const kind = kindOf(value);
  if (/ArrayBuffer]/.test(kind)) {
    return typed(new Uint8Array(/** @type {!ArrayBuffer} */ (value)), '');
  }
  if (ArrayBuffer.isView(value)) {
    return typed(viewed(/** @type {!ArrayBufferView} */ (value)), '');
  }
  if (/ (Blob|File)]/.test(kind)) {
    const blob = /** @type {!Blob} */ (value);
    return blob.arrayBuffer().then((read) => typed(new Uint8Array(read), blob.type));
  }
  const json = /** @type {string|undefined} */ (JSON.stringify(value, (key, part) => checked(part)));
  if (json === undefined) throw new TypeError('the body is not JSON');
  return typed(json, 'application/json');
}

/**
 * @param {*} value
 * @return {string} Such as `[object Map]`; the same for those of other frames.
 */
function kindOf(value) {
  return Object.prototype.toString.call(value);
}

/**
 * @param {*} part Of what is to become JSON.
 * @return {*} The same.
 * @throws {TypeError} If JSON would make `{}` of it, and it is more.
 */
function checked(part) {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
  const kind = kindOf(part);
  if (LOST.test(kind) || (!Object.keys(part).length && !isPlain(part) && !BOXED.test(kind))) {
    throw new TypeError('JSON would lose it: ' + kind);
  }
  return part;
}

/**
 * @param {!Object} value
 * @return {boolean} Whether it is made by {}, in whatever frame.
 */
function isPlain(value) {
  const parent = Object.getPrototypeOf(value);
  return !parent || !Object.getPrototypeOf(parent);
}

/**
 * @param {!ArrayBufferView} view
 * @return {!Uint8Array}
 */
function viewed(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

exports = {Payload, encode};
