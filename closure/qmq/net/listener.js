/**
 * @fileoverview Who hears what happens on a transport. A record, so that any
 * object with these three functions will do.
 *
 * The order is a contract: onopen at most once and first, then any number of
 * ondata, then onclose exactly once, unless the owner closed the transport
 * itself: then nothing at all follows.
 */

goog.module('qmq.net.Listener');

/** @record */
class Listener {
  constructor() {
    /** @export {function(): void} */
    this.onopen;
    /**
     * Any part of the stream: several frames, or a piece of one.
     * @export {function((string|!Uint8Array)): void}
     */
    this.ondata;
    /**
     * The WebSocket close number (1006 if there is none) and its reason.
     * @export {function(number, string): void}
     */
    this.onclose;
  }
}

exports = Listener;
