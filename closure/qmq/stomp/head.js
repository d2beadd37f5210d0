/**
 * @fileoverview The command and headers of a frame, from the bytes before its
 * body. It reads whole heads only: finding where one ends is the decoder's job.
 * It never throws; a head that is wrong comes back with the code of the error.
 */

goog.module('qmq.stomp.head');

const {hasEscapes, unescape} = goog.require('qmq.stomp.escape');

/** Spaces and byte order marks are kept: STOMP 1.2 forbids trimming. */
const /** !TextDecoder */ UTF8 =
    new TextDecoder('utf-8', {fatal: true, ignoreBOM: true});

class Head {
  /** @param {string} command */
  constructor(command) {
    /** @const {string} */
    this.command = command;
    /** @const {!Map<string, string>} */
    this.headers = new Map();
    /** @type {number} What content-length says; -1 if there is none. */
    this.bodyLength = -1;
    /** @type {?string} */
    this.error = null;
  }

  /**
   * @param {string} line
   * @return {?string} The code of what is wrong with it, or null.
   */
  add(line) {
    const colon = line.indexOf(':');
    if (colon < 1 || line.includes('\0') || line.includes('\r')) {
      return 'bad-frame';
    }
    const plain = hasEscapes(this.command);
    const name = plain ? unescape(line.slice(0, colon)) : line.slice(0, colon);
    const value = plain ? unescape(line.slice(colon + 1)) : line.slice(colon + 1);
    if (name === null || value === null) return 'bad-escape';
    // Of a repeated header the first counts.
    if (!this.headers.has(name)) this.headers.set(name, value);
    return null;
  }

  /** @return {?string} The code of what is wrong with content-length. */
  readLength() {
    const length = this.headers.get('content-length');
    if (length === undefined) return null;
    if (!/^[0-9]+$/.test(length)) return 'bad-frame';
    this.bodyLength = Number(length);
    return null;
  }
}

/**
 * @param {!Uint8Array} bytes From the command to the blank line.
 * @param {number} maxHeaders
 * @return {!Head}
 */
function parse(bytes, maxHeaders) {
  const text = decode(bytes);
  const lines = text === null ? [''] : text.split(/\r?\n/);
  const head = new Head(lines[0]);
  // The last two are the blank line and what follows its line end.
  const headers = lines.slice(1, -2);
  head.error = text === null                ? 'bad-utf8' :
      !/^[A-Z]+$/.test(head.command)        ? 'bad-frame' :
      headers.length > maxHeaders           ? 'headers-too-large' :
                                              read(head, headers);
  return head;
}

/**
 * @param {!Head} head
 * @param {!Array<string>} lines
 * @return {?string}
 */
function read(head, lines) {
  for (const line of lines) {
    const error = head.add(line);
    if (error) return error;
  }
  return head.readLength();
}

/**
 * @param {!Uint8Array} bytes
 * @return {?string} Null if they are no UTF-8.
 */
function decode(bytes) {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    return null;
  }
}

exports = {Head, parse};
