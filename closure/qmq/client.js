/**
 * @fileoverview The client: what a page publishes, what it subscribes to, and
 * what it is told.
 *
 *     const client = new qmq.Client('/stomp', {token: () => fetchToken()});
 *     const sub = client.subscribe('/topic/prices.*', (m) => show(m.json()));
 *     await client.publish('/topic/chat', {text: 'hi'});
 *     const reply = await client.request('/queue/sums', [1, 2]);
 *
 * Subscribing, publishing and asking need not wait for the connection. When it ends
 * there is, in this order: every promise that waits is rejected, one error
 * event unless the page ended it, one state event, and the promise `closed`.
 * Nothing follows, and no event is fired before the constructor has returned.
 */

goog.module('qmq.Client');
goog.module.declareLegacyNamespace();

const Connection = goog.require('qmq.Connection');
const Emitter = goog.require('qmq.Emitter');
const Frame = goog.requireType('qmq.stomp.Frame');
const Message = goog.require('qmq.Message');
const Outbox = goog.require('qmq.Outbox');
const QmqError = goog.require('qmq.Error');
const State = goog.require('qmq.State');
const Subscription = goog.require('qmq.Subscription');
const Unsettled = goog.require('qmq.Unsettled');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const address = goog.require('qmq.net.address');
const bodies = goog.require('qmq.body');
const frames = goog.require('qmq.stomp.frames');
const granted = goog.require('qmq.granted');
const login = goog.require('qmq.login');
const {Answers, quiet} = goog.require('qmq.Answers');
const {ClientOptions, PublishOptions, RequestOptions, SubscribeOptions} = goog.requireType('qmq.options');
const {REPLIES, Requests} = goog.require('qmq.Requests');

class Client {
  /**
   * @param {string} url http, https, ws or wss, or relative to the page.
   * @param {!ClientOptions=} options
   * @throws {TypeError} If the URL is none.
   */
  constructor(url, options = /** @type {!ClientOptions} */ ({})) {
    /** @export {?function(!State): void} */
    this.onstate = options.onstate || null;
    /** @export {?function(!QmqError): void} */
    this.onerror = options.onerror || null;
    /** @private {function(!QmqError): void} */
    this.resolveClosed_;
    /**
     * Resolves when the client is closed for good, with what ended it.
     * @export @const {!Promise<!QmqError>}
     */
    this.closed = new Promise((resolve) => {
      this.resolveClosed_ = resolve;
    });
    /** @private @const {!URL} */
    this.url_ = address.resolve(url);
    /** @private @const {!ClientOptions} */
    this.options_ = options;
    /** @private {!State} */
    this.state_ = State.CONNECTING;
    /** @private {?QmqError} What ended it. */
    this.final_ = null;
    /** @private {?Connection} */
    this.connection_ = null;
    /** @private {number} The server shares work between equal ids. */
    this.nextSubscription_ = 0;
    /** @private {number} */
    this.nextReceipt_ = 0;
    /** @private @const {!Map<string, !Subscription>} */
    this.subscriptions_ = new Map();
    /** @private @const {!Answers<!Map<string, string>>} By receipt id. */
    this.receipts_ = new Answers();
    /** @private @const {!Outbox} */
    this.outbox_ = new Outbox(
        optional(options.maxQueued, 1000),
        optional(options.maxQueuedBytes, 1024 * 1024));
    /** @private @const {!Requests} */
    this.requests_ = new Requests(this.outbox_, (data) => this.hand_(data, false));
    /** @private @const {!Emitter<!State>} */
    this.states_ = new Emitter();
    /** @private @const {!Emitter<!QmqError>} */
    this.errors_ = new Emitter();
    this.start_();
  }

  /**
   * @export
   * @return {!State}
   */
  get state() {
    return this.state_;
  }

  /**
   * @export
   * @param {string} type state or error.
   * @param {function(?): void} listener Gets the new state, or the error.
   * @return {function(): void} Removes the listener.
   */
  on(type, listener) {
    if (type === 'state') return this.states_.add(listener);
    if (type === 'error') return this.errors_.add(listener);
    throw new TypeError('no such event: ' + type);
  }

  /**
   * @export
   * @param {string} destination
   * @param {function(!Message): void} onmessage
   * @param {!SubscribeOptions=} options
   * @return {!Subscription}
   * @throws {QmqError} bad-header, if a header cannot be sent.
   */
  subscribe(
      destination, onmessage, options = /** @type {!SubscribeOptions} */ ({})) {
    const id = String(this.nextSubscription_);
    const receipt = this.receiptId_();
    const data = frames.subscribe(id, destination, receipt, options);
    this.nextSubscription_++;
    const ready = this.expect_(data, receipt, granted.read, true);
    const unsettled = this.unsettled_(options.ack === 'client');
    const subscription = new Subscription(
        destination, onmessage, ready,
        () => {
          unsettled.clear();
          return this.unsubscribe_(id, data, receipt);
        },
        (frame) => this.message_(frame, unsettled));
    this.subscriptions_.set(id, subscription);
    ready.catch(() => this.subscriptions_.delete(id));
    return subscription;
  }

  /**
   * @export
   * @param {string} destination
   * @param {*} body Text, bytes, or anything that JSON knows.
   * @param {!PublishOptions=} options
   * @return {!Promise<void>} Resolves when the server has it; rejects with a
   *     qmq.Error, or a TypeError if the body is none.
   */
  publish(
      destination, body, options = /** @type {!PublishOptions} */ ({})) {
    const receipt = options.receipt === false ? null : this.receiptId_();
    try {
      const payload = bodies.encode(body, options.contentType);
      const data = frames.send(destination, payload, receipt, options.headers);
      return this.expect_(data, receipt, () => {}, false);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Publishes a message and waits for the reply to it. Any number may wait at
   * the same time.
   * @export
   * @param {string} destination
   * @param {*=} body
   * @param {!RequestOptions=} options
   * @return {!Promise<!Message>} The reply. Rejects as publish does, and with
   *     request-timeout if no reply came; a later one is dropped.
   */
  request(
      destination, body, options = /** @type {!RequestOptions} */ ({})) {
    try {
      return this.requests_.ask(this.receiptId_(), destination, body, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Ends the client. What waits is rejected with the code closed, the state
   * event is fired once more, and nothing after it. May be called again.
   * @export
   */
  dispose() {
    if (this.state_ === State.OPEN) this.connection_.send(frames.disconnect());
    this.finish_(new QmqError('closed'), true);
    this.announceClosed_();
  }

  /**
   * Fetches the login and connects. The page has its client in hand, and its
   * listeners on it, before anything can happen.
   * @return {!Promise<void>}
   * @private
   */
  async start_() {
    try {
      const headers = await login.headers(this.options_);
      const hello =
          frames.connect(this.url_.hostname, headers, this.options_.headers);
      if (this.state_ !== State.CLOSED) this.open_(hello);
    } catch (error) {
      this.finish_(
          error instanceof QmqError ?
              error :
              new QmqError('connect-failed', String(error)),
          false);
    }
  }

  /**
   * @param {string|!Uint8Array} hello The CONNECT frame.
   * @private
   */
  open_(hello) {
    const kinds = this.options_.transports || [WebSocketTransport];
    const kind = kinds.find((kind) => kind.enabled());
    if (!kind) throw new QmqError('connect-failed', 'No transport works here');
    this.connection_ = new Connection(kind, this.url_.href, hello, {
      onconnected: () => this.flush_(),
      onframe: (frame) => this.handle_(frame),
      onend: (error, culprit) => this.lose_(error, culprit),
    });
    this.connection_.open();
  }

  /**
   * The server took the login: what waited goes out, before the page can send
   * anything in answer to the event.
   * @private
   */
  flush_() {
    if (this.state_ !== State.CONNECTING) return;
    this.state_ = State.OPEN;
    for (const data of this.outbox_.takeAll()) this.connection_.send(data);
    this.states_.emit(this.state_, this.onstate);
  }

  /**
   * @param {!Frame} frame
   * @private
   */
  handle_(frame) {
    const headers = frame.headers;
    if (frame.command === 'RECEIPT') {
      this.receipts_.settle(headers.get('receipt-id') || '', headers);
    } else if (frame.command === 'MESSAGE') {
      const id = headers.get('subscription') || '';
      const to = this.subscriptions_.get(id);
      if (to) {
        to.deliver(frame);
      } else if (id === REPLIES) {
        // Of none that waits if its request timed out while it was on its way.
        this.requests_.settle(
            headers.get('correlation-id') || '',
            this.message_(frame, this.unsettled_(false)));
      }
      // Otherwise the page unsubscribed while it was on its way.
    }
  }

  /**
   * @param {!Frame} frame
   * @param {!Unsettled} unsettled
   * @return {!Message}
   * @private
   */
  message_(frame, unsettled) {
    return new Message(
        frame, unsettled, (to, body, options) => this.publish(to, body, options));
  }

  /**
   * @param {boolean} isCumulative
   * @return {!Unsettled}
   * @private
   */
  unsettled_(isCumulative) {
    return new Unsettled(isCumulative, (command, id, requeue) => {
      const receipt = this.receiptId_();
      // If the connection ends, the message goes back, and the page is told.
      return quiet(this.expect_(
          frames.settle(command, id, receipt, requeue), receipt, () => {}, false));
    });
  }

  /**
   * @return {string} An id that no frame of this client has carried yet.
   * @private
   */
  receiptId_() {
    return String(this.nextReceipt_++);
  }

  /**
   * Sends a frame or queues it.
   * @param {string|!Uint8Array} data
   * @param {boolean} isSubscription
   * @return {?QmqError} Why that cannot be.
   * @private
   */
  hand_(data, isSubscription) {
    if (this.final_) return this.final_;
    if (this.state_ === State.OPEN) {
      this.connection_.send(data);
    } else if (!this.outbox_.offer(data, isSubscription)) {
      return new QmqError('outbox-full', '', 'Too much waits for the connection');
    }
    return null;
  }

  /**
   * Sends a frame or queues it, and waits for its receipt.
   * @param {string|!Uint8Array} data
   * @param {?string} receipt
   * @param {function(!Map<string, string>): T} read
   * @param {boolean} isSubscription
   * @return {!Promise<T>}
   * @template T
   * @private
   */
  expect_(data, receipt, read, isSubscription) {
    const refusal = this.hand_(data, isSubscription);
    if (refusal) return Promise.reject(refusal);
    if (receipt === null) return Promise.resolve(read(new Map()));
    return this.receipts_.expect(receipt, read, () => {});
  }

  /**
   * @param {string} id
   * @param {string|!Uint8Array} data The SUBSCRIBE frame, which may still wait.
   * @param {string} receipt Its receipt.
   * @return {!Promise<void>}
   * @private
   */
  unsubscribe_(id, data, receipt) {
    const wasThere = this.subscriptions_.delete(id);
    if (this.state_ === State.OPEN && wasThere) {
      const own = this.receiptId_();
      return quiet(this.expect_(
          frames.unsubscribe(id, own), own, () => {}, false));
    }
    this.outbox_.withdraw(data);
    this.receipts_.fail(receipt, new QmqError('closed', 'Unsubscribed'));
    return Promise.resolve();
  }

  /**
   * The connection ended. Only the frame that the server names is to blame;
   * what else waited may be sent again by whoever sent it.
   * @param {!QmqError} error
   * @param {string|undefined} culprit
   * @private
   */
  lose_(error, culprit) {
    if (culprit !== undefined &&
        (this.receipts_.fail(culprit, error) || this.requests_.fail(culprit, error))) {
      this.failAll_(
          new QmqError('connection-lost', error.code + ': ' + error.message),
          false);
    }
    this.finish_(error, false);
  }

  /**
   * @param {!QmqError} error
   * @param {boolean} isExpected
   * @private
   */
  finish_(error, isExpected) {
    if (this.final_) return;
    this.final_ = error;
    this.state_ = State.CLOSED;
    if (this.connection_) this.connection_.close();
    this.outbox_.takeAll();
    this.failAll_(error, isExpected);
    this.subscriptions_.clear();
    if (!isExpected) this.errors_.emit(error, this.onerror);
    this.announceClosed_();
    this.resolveClosed_(error);
  }

  /**
   * @param {!QmqError} error
   * @param {boolean} isExpected
   * @private
   */
  failAll_(error, isExpected) {
    this.receipts_.failAll(error, isExpected);
    this.requests_.failAll(error, isExpected);
  }

  /**
   * Once; a page may dispose of the client while it is told of its error.
   * @private
   */
  announceClosed_() {
    this.states_.emit(this.state_, this.onstate);
    this.states_.mute();
    this.errors_.mute();
  }
}

/**
 * @param {number|undefined} value
 * @param {number} fallback
 * @return {number}
 */
function optional(value, fallback) {
  return value === undefined ? fallback : value;
}

exports = Client;
