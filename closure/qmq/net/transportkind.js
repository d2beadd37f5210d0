/**
 * @fileoverview A kind of transport: what a client needs to know in order to
 * choose one and to make one. A class with these three as statics is one, and
 * so is any object that has them.
 */

goog.module('qmq.net.TransportKind');

const Listener = goog.requireType('qmq.net.Listener');
const Transport = goog.requireType('qmq.net.Transport');

/** @record */
class TransportKind {
  constructor() {
    /**
     * A name for people, such as websocket.
     * @export {string}
     */
    this.transportName;
    /**
     * Whether this browser can do it. Asked before every connection.
     * @export {function(): boolean}
     */
    this.enabled;
    /**
     * Whether it asks again and again for what there is, so that the server
     * knows that it is there.
     * @export {boolean|undefined}
     */
    this.isPolling;
    /**
     * The URL is absolute, http or https; the kind puts its own scheme in.
     * @export {function(string, !Listener): !Transport}
     */
    this.create;
  }
}

exports = TransportKind;
