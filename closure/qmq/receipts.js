/**
 * @fileoverview The promises that wait for a RECEIPT of the server, by receipt
 * id. Each is settled once: by its receipt, by an ERROR that names it, or by
 * the end of the connection. It knows no connection and sends nothing.
 */

goog.module('qmq.Receipts');

const QmqError = goog.requireType('qmq.Error');

/**
 * Keeps the browser from reporting a rejection that nobody waits for.
 * @param {!Promise<T>} promise
 * @return {!Promise<T>} The same.
 * @template T
 */
function quiet(promise) {
  promise.catch(() => {});
  return promise;
}

/**
 * @record
 */
class Waiting {
  constructor() {
    /** @type {function(!Map<string, string>): void} */
    this.resolve;
    /** @type {function(!QmqError): void} */
    this.reject;
    /** @type {function(): void} Marks the promise as handled. */
    this.quiet;
  }
}

class Receipts {
  constructor() {
    /** @private {number} */
    this.next_ = 0;
    /** @private @const {!Map<string, !Waiting>} */
    this.waiting_ = new Map();
  }

  /** @return {string} An id that no frame of this client has carried yet. */
  nextId() {
    return String(this.next_++);
  }

  /**
   * @param {string} id
   * @param {function(!Map<string, string>): T} read Makes the promise's value
   *     from the receipt's headers.
   * @return {!Promise<T>}
   * @template T
   */
  expect(id, read) {
    const promise = new Promise((resolve, reject) => {
      this.waiting_.set(id, {
        resolve: (headers) => resolve(read(headers)),
        reject,
        quiet: () => void quiet(promise),
      });
    });
    return promise;
  }

  /**
   * @param {string} id
   * @param {!Map<string, string>} headers
   */
  settle(id, headers) {
    const waiting = this.take_(id);
    if (waiting) waiting.resolve(headers);
  }

  /**
   * @param {string} id
   * @param {!QmqError} error
   * @return {boolean} Whether anything waited for this id.
   */
  fail(id, error) {
    const waiting = this.take_(id);
    if (waiting) waiting.reject(error);
    return !!waiting;
  }

  /**
   * @param {!QmqError} error
   * @param {boolean} isExpected The page ended the connection itself, so a
   *     promise that it left alone is no news to it.
   */
  failAll(error, isExpected) {
    for (const waiting of this.waiting_.values()) {
      if (isExpected) waiting.quiet();
      waiting.reject(error);
    }
    this.waiting_.clear();
  }

  /**
   * @param {string} id
   * @return {!Waiting|undefined}
   * @private
   */
  take_(id) {
    const waiting = this.waiting_.get(id);
    this.waiting_.delete(id);
    return waiting;
  }
}

exports = {Receipts, quiet};
