/**
 * @fileoverview The promises that wait for an answer, by its id: a RECEIPT of
 * the server, or the reply to a request. Each is settled once: by its answer,
 * by an ERROR that names it, by its time-out, or by the end of the connection;
 * after that nothing of it is kept. It knows no connection and sends nothing.
 */

goog.module('qmq.Answers');

const QmqError = goog.requireType('qmq.Error');

/**
 * Keeps browsers from reporting a rejection that nobody waits for, and node from
 * ending the program; whoever waits hears of it all the same.
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
 * @template A
 */
class Waiting {
  constructor() {
    /** @type {function(A): void} */
    this.resolve;
    /** @type {function(!QmqError): void} */
    this.reject;
    /** @type {function(): void} Gives back what it took to wait. */
    this.release;
  }
}

/** @template A */
class Answers {
  constructor() {
    /** @private @const {!Map<string, !Waiting<A>>} */
    this.waiting_ = new Map();
  }

  /**
   * @param {string} id
   * @param {function(A): T} read Makes the promise's value from the answer.
   * @param {function(): void} release Called once, when it waits no more.
   * @return {!Promise<T>} A page need not look at it.
   * @template T
   */
  expect(id, read, release) {
    return quiet(new Promise((resolve, reject) => {
      this.waiting_.set(id, {
        resolve: (answer) => resolve(read(answer)),
        reject,
        release,
      });
    }));
  }

  /**
   * @param {string} id If nothing waits for it, nothing happens.
   * @param {A} answer
   */
  settle(id, answer) {
    const waiting = this.take_(id);
    if (waiting) waiting.resolve(answer);
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
   * @param {function(string): boolean=} isSpared Whether this id goes on waiting.
   */
  failAll(error, isSpared = () => false) {
    for (const id of Array.from(this.waiting_.keys())) {
      if (isSpared(id)) continue;
      this.fail(id, error);
    }
  }

  /**
   * @param {string} id
   * @return {!Waiting<A>|undefined}
   * @private
   */
  take_(id) {
    const waiting = this.waiting_.get(id);
    if (waiting) waiting.release();
    this.waiting_.delete(id);
    return waiting;
  }
}

exports = {Answers, quiet};
