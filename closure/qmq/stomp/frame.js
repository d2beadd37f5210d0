/**
 * @fileoverview One STOMP frame as values. It never holds escaped text, and its
 * headers keep the order of the wire.
 */

goog.module('qmq.stomp.Frame');

class Frame {
  /**
   * @param {string} command
   * @param {!Map<string, string>} headers
   * @param {!Uint8Array} body
   */
  constructor(command, headers, body) {
    /** @export @const {string} */
    this.command = command;
    /** @export @const {!Map<string, string>} */
    this.headers = headers;
    /** @export @const {!Uint8Array} */
    this.body = body;
  }
}

exports = Frame;
