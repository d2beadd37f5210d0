/**
 * @fileoverview The escapes of STOMP 1.2 headers: \n \r \c \\ and no other.
 * CONNECT and CONNECTED have none, for the sake of 1.0; the callers here ask
 * hasEscapes first.
 */

goog.module('qmq.stomp.escape');

/** @const {!Map<string, string>} */
const ESCAPED = new Map([['\n', '\\n'], ['\r', '\\r'], [':', '\\c'], ['\\', '\\\\']]);

/** @const {!Map<string, string>} */
const PLAIN = new Map([['n', '\n'], ['r', '\r'], ['c', ':'], ['\\', '\\']]);

/**
 * @param {string} command
 * @return {boolean}
 */
function hasEscapes(command) {
  return command !== 'CONNECT' && command !== 'CONNECTED';
}

/**
 * @param {string} text
 * @return {string}
 */
function escape(text) {
  return text.replace(/[\n\r:\\]/g, (c) => ESCAPED.get(c) || '');
}

/**
 * @param {string} text
 * @return {?string} Null if it holds an escape that STOMP 1.2 does not define.
 */
function unescape(text) {
  if (!text.includes('\\')) return text;
  let isGood = true;
  const plain = text.replace(/\\([^]?)/g, (whole, letter) => {
    const to = PLAIN.get(letter);
    isGood = isGood && to !== undefined;
    return to || '';
  });
  return isGood ? plain : null;
}

exports = {escape, hasEscapes, unescape};
