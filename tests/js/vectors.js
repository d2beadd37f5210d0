/**
 * @fileoverview The cases that the Python and the JavaScript codec share, for
 * tests that run on a page served from the root of the repository. It checks
 * nothing itself.
 */

goog.module('qmq.testing.vectors');
goog.setTestOnly();

/** @const {!TextEncoder} */
const UTF8 = new TextEncoder();

/**
 * Bytes are written in the vectors as one character each.
 * @param {string} text
 * @return {!Uint8Array}
 */
function toBytes(text) {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/**
 * @param {!Uint8Array} bytes
 * @return {string}
 */
function fromBytes(bytes) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/**
 * @param {string|!Uint8Array} data What an encoder gave.
 * @return {string} Its bytes, one character each.
 */
function written(data) {
  return fromBytes(typeof data === 'string' ? UTF8.encode(data) : data);
}

/**
 * @param {string} name Of the file.
 * @return {!Promise<!Array<?>>} Its cases.
 */
async function loadFile(name) {
  const response = await fetch(`/tests/vectors/${name}.json`);
  return (await response.json())['cases'];
}

/**
 * @param {string} version
 * @return {!Promise<!Array<?>>} The cases of that STOMP version.
 */
async function load(version) {
  return (await loadFile('stomp')).filter((c) => c['version'] === version);
}

exports = {fromBytes, load, loadFile, toBytes, written};
