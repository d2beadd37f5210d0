/**
 * @fileoverview What the server granted to a subscription, from the headers of
 * its receipt. A server that says nothing leaves every field undefined; nothing
 * is ever guessed.
 */

goog.module('qmq.granted');

const {Granted} = goog.requireType('qmq.options');

/**
 * @param {!Map<string, string>} headers
 * @return {!Granted}
 */
function read(headers) {
  const recovered = headers.get('recovered');
  return {
    maxMessages: number(headers.get('max-messages')),
    maxBytes: number(headers.get('max-bytes')),
    prefetch: number(headers.get('prefetch-count')),
    cursor: headers.get('cursor'),
    recovered: recovered === undefined ? undefined : recovered === 'true',
  };
}

/**
 * @param {string|undefined} text
 * @return {number|undefined}
 */
function number(text) {
  return text === undefined ? undefined : Number(text);
}

exports = {read};
