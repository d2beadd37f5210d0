/**
 * @fileoverview What waits to be sent while there is no connection, with a
 * limit in messages and in bytes. Subscriptions leave before messages, so that
 * a page hears the answers to what it publishes. What does not fit is refused
 * and nothing is ever dropped: the page learns at once that it must wait.
 */

goog.module('qmq.Outbox');

const codec = goog.require('qmq.stomp.codec');

class Outbox {
  /**
   * @param {number} maxMessages
   * @param {number} maxBytes
   */
  constructor(maxMessages, maxBytes) {
    /** @private @const {number} */
    this.maxMessages_ = maxMessages;
    /** @private @const {number} */
    this.maxBytes_ = maxBytes;
    /** @private {number} */
    this.bytes_ = 0;
    /** @private {!Array<string|!Uint8Array>} */
    this.subscriptions_ = [];
    /** @private {!Array<string|!Uint8Array>} */
    this.messages_ = [];
  }

  /** @return {number} How many frames wait. */
  get length() {
    return this.subscriptions_.length + this.messages_.length;
  }

  /**
   * @param {string|!Uint8Array} data An encoded frame.
   * @param {boolean} isSubscription
   * @return {boolean} False if it is full and nothing was taken.
   */
  offer(data, isSubscription) {
    const bytes = this.bytes_ + codec.byteLength(data);
    if (this.length >= this.maxMessages_ || bytes > this.maxBytes_) {
      return false;
    }
    this.bytes_ = bytes;
    (isSubscription ? this.subscriptions_ : this.messages_).push(data);
    return true;
  }

  /**
   * Takes back what its page no longer wants. Does nothing if it has left.
   * @param {string|!Uint8Array} data What was offered.
   */
  withdraw(data) {
    for (const frames of [this.subscriptions_, this.messages_]) {
      const at = frames.indexOf(data);
      if (at < 0) continue;
      frames.splice(at, 1);
      this.bytes_ -= codec.byteLength(data);
    }
  }

  /**
   * Empties it.
   * @return {!Array<string|!Uint8Array>} In the order in which to send.
   */
  takeAll() {
    const all = this.subscriptions_.concat(this.messages_);
    this.subscriptions_ = [];
    this.messages_ = [];
    this.bytes_ = 0;
    return all;
  }
}

exports = Outbox;
