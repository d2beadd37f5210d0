/**
 * @fileoverview Requests on their way and the replies to them: many at once,
 * told apart by their correlation ids. A request that nobody answered in time
 * is forgotten, and what comes for it later is dropped.
 */

goog.module('qmq.Requests');

const Journal = goog.requireType('qmq.Journal');
const Message = goog.requireType('qmq.Message');
const QmqError = goog.require('qmq.Error');
const frames = goog.require('qmq.stomp.frames');
const {Answers} = goog.require('qmq.Answers');
const {Payload} = goog.requireType('qmq.body');
const {RequestOptions} = goog.requireType('qmq.options');

/**
 * Where replies come: a name of the client's own, for which the server has a
 * private address. Nobody subscribes to it: the server knows from the request.
 * @const {string}
 */
const REPLIES = '/temp-queue/qmq.replies';

/** @const {number} In milliseconds. */
const DEFAULT_TIMEOUT = 10000;

/** @const {number} In milliseconds; a timer cannot wait for longer. */
const LONGEST_TIMEOUT = 2147483647;

/** @const {!Array<string>} What a reply may say of itself: that there is none. */
const FAILURES = ['no-consumer', 'handler-failed'];

/** @extends {Answers<!Message>} */
class Requests extends Answers {
  /**
   * @param {!Journal} journal Where a request may still wait when it is too late.
   * @param {function(string, (string|!Uint8Array)): ?QmqError} send Answers why not.
   */
  constructor(journal, send) {
    super();
    /** @private @const {!Journal} */
    this.journal_ = journal;
    /** @private @const {function(string, (string|!Uint8Array)): ?QmqError} */
    this.send_ = send;
  }

  /**
   * @param {string} id Its correlation id, and that of its receipt: the receipt
   *     says nothing new, but makes an ERROR name this request.
   * @param {string} destination
   * @param {!Payload} payload
   * @param {!RequestOptions} options
   * @return {!Promise<!Message>}
   * @throws {TypeError} If the timeout is none, or a header.
   * @throws {QmqError} bad-header, if a header cannot be sent, or why it cannot be
   *     sent at all.
   */
  ask(id, destination, payload, options) {
    const timeout = milliseconds(options.timeout);
    // Whoever takes it from a queue later could not answer in time; so much
    // earlier the server can say that nobody has.
    const useful = Math.ceil(timeout - Math.min(timeout / 4, 1000));
    const headers = Object.assign(
        {'expiration': String(useful)}, options.headers,
        {'reply-to': REPLIES, 'correlation-id': id});
    const data = frames.send(destination, payload, id, headers);
    const refusal = this.send_(id, data);
    if (refusal) throw refusal;
    const timer = setTimeout(() => {
      this.journal_.remove(id);
      this.fail(id, new QmqError(
          'request-timeout', `none from ${destination} in ${timeout} ms`));
    }, timeout);
    return this.expect(id, (message) => message, () => clearTimeout(timer));
  }

  /**
   * @param {!Message} reply To none that waits if it comes too late.
   */
  receive(reply) {
    const id = reply.headers['correlation-id'] || '';
    const code = reply.headers['code'] || '';
    if (FAILURES.includes(code)) {
      this.fail(id, new QmqError(code, reply.text() || reply.headers['request-destination']));
    } else {
      this.settle(id, reply);
    }
  }

  /** The address of the replies has gone with its connection. */
  lose() {
    this.failAll(
        new QmqError('connection-lost', 'The reply cannot come any more'),
        (id) => this.journal_.has(id));
  }
}

/**
 * @param {number|undefined} timeout
 * @return {number} As a timer and the server take it.
 * @throws {TypeError} If it is none.
 */
function milliseconds(timeout) {
  if (timeout === undefined) return DEFAULT_TIMEOUT;
  if (!(timeout > 0)) throw new TypeError('no such timeout: ' + timeout);
  return Math.min(Math.ceil(timeout), LONGEST_TIMEOUT);
}

exports = {REPLIES, Requests};
