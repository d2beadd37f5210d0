/**
 * @fileoverview What a page has published that the server may not have: what
 * waits for a connection, and what was sent and not acknowledged. All of it
 * goes out on the next connection, in the order in which the page said it.
 * While there is no connection it takes no more than its limits; nothing that
 * it took is ever dropped.
 */

goog.module('qmq.Journal');

const codec = goog.require('qmq.stomp.codec');

/** @record */
class Entry {
  constructor() {
    /** @type {string|!Uint8Array} */
    this.data;
    /** @type {boolean} */
    this.isKept;
  }
}

class Journal {
  /**
   * @param {number=} maxMessages
   * @param {number=} maxBytes
   */
  constructor(maxMessages = 1000, maxBytes = 1024 * 1024) {
    /** @private @const {number} */
    this.maxMessages_ = maxMessages;
    /** @private @const {number} */
    this.maxBytes_ = maxBytes;
    /** @private {number} */
    this.bytes_ = 0;
    /** @private @const {!Map<string, !Entry>} By id, in order. */
    this.entries_ = new Map();
  }

  /**
   * @param {string|!Uint8Array} data
   * @return {boolean} Whether this is more than it may hold.
   */
  isTooMuch(data) {
    return this.entries_.size >= this.maxMessages_ ||
        this.bytes_ + codec.byteLength(data) > this.maxBytes_;
  }

  /**
   * @param {string} id Of nothing else that is in it.
   * @param {string|!Uint8Array} data An encoded frame.
   * @param {boolean} isKept Whether it stays when it was sent, to be sent again.
   */
  add(id, data, isKept) {
    this.bytes_ += codec.byteLength(data);
    this.entries_.set(id, {data, isKept});
  }

  /**
   * @param {string} id
   * @return {boolean}
   */
  has(id) {
    return this.entries_.has(id);
  }

  /** @return {string} The id of the largest that it has; empty for none. */
  get largest() {
    let found = '';
    let most = 0;
    for (const [id, {data}] of this.entries_) {
      const size = codec.byteLength(data);
      if (size > most) [found, most] = [id, size];
    }
    return found;
  }

  /** @param {string} id Of what is done, or no longer wanted. */
  remove(id) {
    const entry = this.entries_.get(id);
    if (!entry) return;
    this.bytes_ -= codec.byteLength(entry.data);
    this.entries_.delete(id);
  }

  /** @param {function((string|!Uint8Array)): void} send Gets all that it has, in order. */
  flush(send) {
    for (const [id, {data, isKept}] of Array.from(this.entries_)) {
      if (!isKept) this.remove(id);
      send(data);
    }
  }

  clear() {
    this.entries_.clear();
    this.bytes_ = 0;
  }
}

exports = Journal;
