/**
 * @fileoverview Frames to what goes on the wire. Pure: no state, no I/O. The
 * way back is qmq.stomp.Decoder, which is exported here too, so that whoever
 * needs the codec names one module.
 *
 * It writes the headers that it is given and adds none; content-length and the
 * like are the business of qmq.stomp.frames.
 */

goog.module('qmq.stomp.codec');

const Decoder = goog.require('qmq.stomp.Decoder');
const QmqError = goog.require('qmq.Error');
const {escape, hasEscapes} = goog.require('qmq.stomp.escape');

/** @const {!TextEncoder} */
const UTF8 = new TextEncoder();

/**
 * @param {string} command
 * @param {!Map<string, string>} headers
 * @param {string|!Uint8Array=} body
 * @return {string|!Uint8Array} Text if the body is text, bytes if it is bytes:
 *     so a WebSocket carries it as a message of the same kind.
 * @throws {QmqError} bad-header, for a header that cannot be written.
 */
function encode(command, headers, body = '') {
  const lines = [command];
  for (const [name, value] of headers) {
    lines.push(headerLine(command, name, value));
  }
  const head = lines.join('\n') + '\n\n';
  return typeof body === 'string' ? head + body + '\0' : join(head, body);
}

/**
 * NUL has no escape in any frame, and CONNECT has none at all: written as they
 * are, such values would end the header and begin whatever their author likes.
 * @param {string} command
 * @param {string} name
 * @param {string} value
 * @return {string}
 */
function headerLine(command, name, value) {
  const line = hasEscapes(command) ? escape(name) + ':' + escape(value) :
                                     name + ':' + value;
  if (!name || /[\0\n\r]/.test(line)) {
    throw new QmqError('bad-header', 'The header ' + JSON.stringify(name));
  }
  return line;
}

/**
 * @param {string} head
 * @param {!Uint8Array} body
 * @return {!Uint8Array} Both, and the NUL that ends a frame.
 */
function join(head, body) {
  const start = UTF8.encode(head);
  const whole = new Uint8Array(start.length + body.length + 1);
  whole.set(start);
  whole.set(body, start.length);
  return whole;
}

/**
 * @param {string|!Uint8Array} data
 * @return {number} How many bytes it has on the wire.
 */
function byteLength(data) {
  return (typeof data === 'string' ? UTF8.encode(data) : data).length;
}

exports = {Decoder, byteLength, encode, join};
