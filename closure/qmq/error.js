/**
 * @fileoverview What went wrong, in a form a program can act on: a code of the
 * table that server and browser share, a sentence for people, what the server
 * added to it, and whether trying again is of use.
 *
 *     client.onerror = (e) => e.retry ? showWaiting() : showFailure(e.message);
 *
 * It is made and handed out, never thrown across the network code: trouble is
 * an event or a rejected promise. Only misuse (a header that no frame can
 * carry) is thrown at the caller.
 */

goog.module('qmq.Error');

const Frame = goog.requireType('qmq.stomp.Frame');
const errorcode = goog.require('qmq.errorcode');

/**
 * WebSocket close numbers that tell nothing: closed without fault, closed
 * without a number, broken off.
 * @const {!Set<number>}
 */
const SILENT = new Set([1000, 1005, 1006]);

/** @const {number} The close number of a message that is too large for somebody on the way. */
const TOO_LARGE = 1009;

/** @const {!TextDecoder} */
const UTF8 = new TextDecoder();

class QmqError extends Error {
  /**
   * @param {string} code One of qmq.errorcode, or what a newer server sent.
   * @param {string=} detail What this one case adds; may be empty.
   * @param {?string=} message In place of the table's sentence.
   * @param {?boolean=} retry In place of the table's advice.
   */
  constructor(code, detail = '', message = null, retry = null) {
    const row = errorcode.TABLE.get(code);
    super(message || (row && row.text) || code);
    /** @override */
    this.name = 'qmq.Error';
    /** @export @const {string} */
    this.code = code;
    /** @export @const {string} */
    this.detail = detail;
    /** @export {boolean} */
    this.retry = retry !== null ? retry : !!row && row.retry;
    /**
     * How long the server asks to wait before the next try, in milliseconds.
     * @type {number}
     */
    this.retryAfter = 0;
    /** @type {boolean} Whether the server refused one frame, and goes on. */
    this.isRefusal = false;
  }

  /**
   * An ERROR frame. Brokers other than ours send no code: to them every ERROR
   * is an internal one.
   * @param {!Frame} frame
   * @return {!QmqError}
   */
  static fromFrame(frame) {
    const headers = frame.headers;
    const retry = headers.get('retry');
    const error = new QmqError(
        headers.get('code') || 'internal-error', UTF8.decode(frame.body),
        headers.get('message') || null,
        retry === undefined ? null : retry === 'true');
    // An hour at most: a page is never lost to a wrong number.
    error.retryAfter = Math.min(Number(headers.get('retry-after')) || 0, 3600000);
    return error;
  }

  /**
   * A connection that ended without an ERROR frame. Our server gives the code
   * as the reason. Whatever else closes it, a proxy for example, with whatever
   * number, has cut it, and it is worth another try.
   * @param {number} close The WebSocket close number.
   * @param {string} reason
   * @param {boolean} wasOpen Whether the server had been reached at all.
   * @return {!QmqError}
   */
  static fromClose(close, reason, wasOpen) {
    const named = errorcode.TABLE.get(reason);
    if (close === TOO_LARGE) {
      // What was too large is not sent again; the rest may well be.
      return new QmqError('frame-too-large', named ? '' : reason, null, true);
    }
    if (named && named.close === close) return new QmqError(reason);
    for (const code of errorcode.TABLE.keys()) {
      const row = errorcode.TABLE.get(code);
      // Where it is of use to come back, the number alone says why.
      if (row.close === close && row.retry && !SILENT.has(close)) return new QmqError(code, reason);
    }
    const detail = SILENT.has(close) ? reason : `closed with ${close}: ${reason}`;
    return new QmqError(wasOpen ? 'connection-lost' : 'connect-failed', detail);
  }
}

exports = QmqError;
