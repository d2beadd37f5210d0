/**
 * @fileoverview One way to reach a server, for one connection. It carries text
 * and bytes both ways and knows nothing of STOMP. It never reconnects: who
 * wants another try asks the qmq.net.TransportKind for another transport.
 */

goog.module('qmq.net.Transport');

/** @record */
class Transport {
  constructor() {
    /**
     * Starts. Trouble is told to the listener, later; nothing is thrown.
     * @export {function(): void}
     */
    this.open;
    /**
     * Sends a whole frame, in the order of the calls. Only between onopen and
     * onclose.
     * @export {function((string|!Uint8Array)): void}
     */
    this.send;
    /**
     * Ends it, after what was sent has gone out. The listener hears nothing
     * more from this moment on. May be called at any time, and again.
     * @export {function(): void}
     */
    this.close;
  }
}

exports = Transport;
