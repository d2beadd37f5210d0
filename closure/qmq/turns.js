/**
 * @fileoverview Keeps the order of what a page publishes while the body of
 * something earlier is still being read: a Blob is, and takes a while. It
 * encodes bodies, and hands them on at once as long as nothing is being read.
 */

goog.module('qmq.Turns');

const bodies = goog.require('qmq.body');
const {Payload} = goog.requireType('qmq.body');
const {quiet} = goog.require('qmq.Answers');

class Turns {
  constructor() {
    /** @private {?Promise<?>} Until all that came so far has been handed on. */
    this.reading_ = null;
  }

  /**
   * @param {*} body What the page publishes.
   * @param {string|undefined} type In place of its own.
   * @param {function(!Payload): !Promise<T>} send Called when its turn has come;
   *     may throw.
   * @return {!Promise<T>} What that answers. Rejects with a TypeError if the
   *     body is none; a page that does not look at it is not troubled.
   * @template T
   */
  take(body, type, send) {
    try {
      const payload = bodies.encode(body, type);
      return quiet(
          this.reading_ || payload instanceof Promise ?
              this.wait_(payload, send) :
              send(/** @type {!Payload} */ (payload)));
    } catch (error) {
      return quiet(Promise.reject(error));
    }
  }

  /**
   * @param {!Payload|!Promise<!Payload>} payload
   * @param {function(!Payload): !Promise<T>} send
   * @return {!Promise<T>}
   * @template T
   * @private
   */
  wait_(payload, send) {
    const ready = Promise.all([payload, this.reading_]);
    const sent = ready.then(([payload]) => send(payload));
    // One that cannot be read holds up nobody.
    const reading = this.reading_ = ready.catch(() => {}).then(() => {
      if (this.reading_ === reading) this.reading_ = null;
    });
    return sent;
  }
}

exports = Turns;
