/**
 * @fileoverview One subscription in the page's hands: when it was granted and
 * with which bounds, and how to end it. It holds no connection: the client
 * sends what it asks for, and calls deliver with what came.
 */

goog.module('qmq.Subscription');

const Frame = goog.requireType('qmq.stomp.Frame');
const Message = goog.requireType('qmq.Message');
const callback = goog.require('qmq.callback');
const {Granted} = goog.requireType('qmq.options');

class Subscription {
  /**
   * @param {string} destination
   * @param {function(!Message): void} onmessage
   * @param {!Promise<!Granted>} ready
   * @param {function(): !Promise<void>} unsubscribe
   * @param {function(!Frame): !Message} read
   */
  constructor(destination, onmessage, ready, unsubscribe, read) {
    /** @export @const {string} */
    this.destination = destination;
    /**
     * What the server granted. Rejects if the subscription never came to be;
     * whoever does not wait for it hears of that by the error event.
     * @export @const {!Promise<!Granted>}
     */
    this.ready = ready;
    /** @private @const {function(!Message): void} */
    this.onmessage_ = onmessage;
    /** @private @const {function(): !Promise<void>} */
    this.unsubscribe_ = unsubscribe;
    /** @private @const {function(!Frame): !Message} */
    this.read_ = read;
    /** @private {?Promise<void>} */
    this.ended_ = null;
  }

  /**
   * No message is delivered from the moment of the call.
   * @export
   * @return {!Promise<void>} Resolves on the server's receipt; the same promise
   *     for every call.
   */
  unsubscribe() {
    if (!this.ended_) this.ended_ = this.unsubscribe_();
    return this.ended_;
  }

  /** @param {!Frame} frame A MESSAGE of this subscription. */
  deliver(frame) {
    callback.run(this.onmessage_, this.read_(frame));
  }
}

exports = Subscription;
