/**
 * @fileoverview One subscription in the page's hands: when it was granted and
 * with which bounds, how far it has read, and how to end it. It holds no
 * connection: the client sends the frames that it makes, on each connection
 * anew, and tells it what came.
 */

goog.module('qmq.Subscription');

const Cursor = goog.require('qmq.Cursor');
const Frame = goog.requireType('qmq.stomp.Frame');
const Message = goog.requireType('qmq.Message');
const QmqError = goog.requireType('qmq.Error');
const Unsettled = goog.requireType('qmq.Unsettled');
const callback = goog.require('qmq.callback');
const frames = goog.require('qmq.stomp.frames');
const granted = goog.require('qmq.granted');
const {Granted, SubscribeOptions} = goog.requireType('qmq.options');
const {quiet} = goog.require('qmq.Answers');

/**
 * What a subscription needs of its client.
 * @record
 */
class Owner {
  constructor() {
    /** @type {function(): !Promise<void>} */
    this.unsubscribe;
    /** @type {function(): !Unsettled} */
    this.unsettled;
    /** @type {function(!Frame, !Unsettled): !Message} */
    this.read;
    /** @type {function(!QmqError): void} Hears why, where the page has no function for it. */
    this.refused;
  }
}

class Subscription {
  /**
   * @param {string} destination
   * @param {function(!Message): void} onmessage
   * @param {!SubscribeOptions} options
   * @param {!Owner} owner
   */
  constructor(destination, onmessage, options, owner) {
    /** @export @const {string} */
    this.destination = destination;
    /**
     * Told after each return whether everything since then is there.
     * @export {?function(boolean): void}
     */
    this.onrecovered = options.onrecovered || null;
    /**
     * Told if the server refuses it, now or after a return: then it has ended.
     * Without it the client's error event tells.
     * @export {?function(!QmqError): void}
     */
    this.onerror = options.onerror || null;
    /** @private {function(!Granted): void} */
    this.resolve_;
    /** @private {function(!QmqError): void} */
    this.reject_;
    /**
     * What the server granted. Rejects if the subscription never came to be.
     * @export @const {!Promise<!Granted>}
     */
    this.ready = quiet(new Promise((resolve, reject) => {
      this.resolve_ = resolve;
      this.reject_ = reject;
    }));
    /** @private @const {function(!Message): void} */
    this.onmessage_ = onmessage;
    /** @private @const {!SubscribeOptions} */
    this.options_ = options;
    /** @private @const {!Owner} */
    this.owner_ = owner;
    /** @private {!Unsettled} Of this connection. */
    this.unsettled_ = owner.unsettled();
    /** @private {!Cursor} */
    this.cursor_ = new Cursor(options.cursor || '');
    /** @private @const {boolean} Queues keep their own place. */
    this.hasCursor_ = destination.startsWith('/topic/') &&
        (options.ack || 'auto') === 'auto';
    /** @private {boolean} */
    this.isGranted_ = false;
    /** @private {?Promise<void>} */
    this.ended_ = null;
  }

  /**
   * How far it has read; for the option cursor of a later subscription. Empty
   * as long as nothing is known.
   * @export
   * @return {string}
   */
  get cursor() {
    return String(this.cursor_);
  }

  /**
   * No message is delivered from the moment of the call.
   * @export
   * @return {!Promise<void>} Resolves on the server's receipt; the same promise
   *     for every call.
   */
  unsubscribe() {
    if (!this.ended_) {
      this.unsettled_.clear();
      this.ended_ = this.owner_.unsubscribe();
    }
    return this.ended_;
  }

  /**
   * @param {string} id
   * @param {string} receipt
   * @return {string|!Uint8Array} The SUBSCRIBE frame for the next connection.
   * @throws {QmqError} bad-header, if a header cannot be sent.
   */
  frame(id, receipt) {
    // Once it has begun, it does not begin again.
    const options = this.isGranted_ ?
        /** @type {!SubscribeOptions} */ (
            Object.assign({}, this.options_, {from: undefined})) :
        this.options_;
    return frames.subscribe(
        id, this.destination, receipt, options, this.hasCursor_ ? this.cursor : '');
  }

  /** @param {!Map<string, string>} headers Of the receipt of that frame. */
  grant(headers) {
    if (this.hasCursor_) this.recover_(headers);
    this.isGranted_ = true;
    this.resolve_(granted.read(headers));
  }

  /**
   * @param {!Map<string, string>} headers
   * @private
   */
  recover_(headers) {
    const isReturn = this.isGranted_ || this.cursor || this.options_.from === 'earliest';
    this.cursor_ = new Cursor(headers.get('cursor') || this.cursor);
    if (isReturn && this.onrecovered) {
      callback.run(this.onrecovered, headers.get('recovered') === 'true');
    }
  }

  /**
   * It never came to be.
   * @param {!QmqError} error
   */
  fail(error) {
    this.reject_(error);
  }

  /**
   * The server does not want it, or not any more.
   * @param {!QmqError} error
   */
  refuse(error) {
    this.fail(error);
    if (this.onerror) {
      callback.run(this.onerror, error);
    } else if (error.isRefusal) {
      this.owner_.refused(error);
    }
  }

  /** The connection ended. */
  lose() {
    this.unsettled_.lose();
    this.unsettled_ = this.owner_.unsettled();
  }

  /** @param {!Frame} frame A MESSAGE of this subscription. */
  deliver(frame) {
    if (this.hasCursor_) this.cursor_.advance(frame.headers.get('message-id') || '');
    callback.run(this.onmessage_, this.owner_.read(frame, this.unsettled_));
  }
}

exports = Subscription;
