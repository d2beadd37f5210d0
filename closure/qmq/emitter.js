/**
 * @fileoverview The listeners of one event, called in the order in which they
 * came. It knows nothing of what it tells, and keeps nothing that it told: who
 * listens later hears the next one.
 */

goog.module('qmq.Emitter');

const callback = goog.require('qmq.callback');

/** @template T */
class Emitter {
  constructor() {
    /** @private @const {!Map<!Object, function(T): void>} */
    this.listeners_ = new Map();
    /** @private {boolean} */
    this.muted_ = false;
  }

  /**
   * The same function added twice is called twice, and each answer of add
   * removes its own.
   * @param {function(T): void} listener
   * @return {function(): void} Removes the listener; may be called again.
   */
  add(listener) {
    const key = {};
    this.listeners_.set(key, listener);
    return () => {
      this.listeners_.delete(key);
    };
  }

  /**
   * @param {T} value
   * @param {?function(T): void} first The page's on... property.
   */
  emit(value, first) {
    if (this.muted_) return;
    callback.run(first, value);
    for (const key of Array.from(this.listeners_.keys())) {
      // One listener may have removed another, or muted them all.
      callback.run(this.listeners_.get(key), value);
    }
  }

  /** Forgets every listener and is silent from now on. */
  mute() {
    this.muted_ = true;
    this.listeners_.clear();
  }
}

exports = Emitter;
