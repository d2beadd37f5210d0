/**
 * @fileoverview How long to wait before the next try: a random part of a time
 * that doubles with each failure, so that clients that were cut off together
 * do not come back together. It starts no timer.
 */

goog.module('qmq.Backoff');

/** The first try comes within this time, in milliseconds. */
const /** number */ FIRST = 500;

/** No try waits for longer, unless the server says so. */
const /** number */ CAP = 20000;

class Backoff {
  /** @param {function(): number=} random From 0 to 1; replaced in tests. */
  constructor(random = Math.random) {
    /** @private @const {function(): number} */
    this.random_ = random;
    /** @private {number} */
    this.cap_ = FIRST;
  }

  /**
   * @param {number} least What the server asked for, in milliseconds; 0 if nothing.
   * @param {boolean} isOffline Whether the browser thinks that there is no
   *     network: it may be wrong, so there are tries, but few.
   * @return {number} How many milliseconds to wait.
   */
  next(least, isOffline) {
    const cap = isOffline ? CAP : this.cap_;
    this.cap_ = Math.min(2 * this.cap_, CAP);
    const part = this.random_() * cap;
    return least + (isOffline ? (CAP + part) / 2 : part);
  }

  /** It worked: the next failure is the first. */
  reset() {
    this.cap_ = FIRST;
  }
}

exports = Backoff;
