/**
 * @fileoverview The client: what a page publishes, what it subscribes to, and
 * what it is told.
 *
 *     const client = new qmq.Client('/stomp', {token: () => fetchToken()});
 *     const sub = client.subscribe('/topic/prices.*', (m) => show(m.json()));
 *     await client.publish('/topic/chat', {text: 'hi'});
 *
 * Subscribing and publishing need not wait for the connection. When it ends
 * there is, in this order: every promise that waits is rejected, one error
 * event unless the page ended it, one state event, and the promise `closed`.
 * Nothing follows, and no event is fired before the constructor has returned.
 */

goog.module('qmq.Client');
goog.module.declareLegacyNamespace();

const Connection = goog.require('qmq.Connection');
const Emitter = goog.require('qmq.Emitter');
const Frame = goog.requireType('qmq.stomp.Frame');
const Message = goog.requireType('qmq.Message');
const Outbox = goog.require('qmq.Outbox');
const QmqError = goog.require('qmq.Error');
const State = goog.require('qmq.State');
const Subscription = goog.require('qmq.Subscription');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const address = goog.require('qmq.net.address');
const bodies = goog.require('qmq.body');
const frames = goog.require('qmq.stomp.frames');
const granted = goog.require('qmq.granted');
const login = goog.require('qmq.login');
const {ClientOptions, PublishOptions, SubscribeOptions} = goog.requireType('qmq.options');
const {Receipts, quiet} = goog.require('qmq.Receipts');

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
    /** @private @const {!Map<string, !Subscription>} */
    this.subscriptions_ = new Map();
    /** @private @const {!Receipts} */
    this.receipts_ = new Receipts();
    /** @private @const {!Outbox} */
    this.outbox_ = new Outbox(
        optional(options.maxQueued, 1000),
        optional(options.maxQueuedBytes, 1024 * 1024));
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
    const receipt = this.receipts_.nextId();
    const data = frames.subscribe(id, destination, receipt, options);
    this.nextSubscription_++;
    const ready = this.request_(data, receipt, granted.read, true);
    const subscription = new Subscription(
        destination, onmessage, ready, () => this.unsubscribe_(id, data, receipt));
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
    const receipt = options.receipt === false ? null : this.receipts_.nextId();
    try {
      const payload = bodies.encode(body);
      if (options.contentType !== undefined) payload.type = options.contentType;
      const data = frames.send(destination, payload, receipt, options.headers);
      return this.request_(data, receipt, () => {}, false);
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
    if (frame.command === 'MESSAGE') {
      const to = this.subscriptions_.get(headers.get('subscription') || '');
      // None if the page unsubscribed while the message was on its way.
      if (to) to.deliver(frame);
    } else if (frame.command === 'RECEIPT') {
      this.receipts_.settle(headers.get('receipt-id') || '', headers);
    }
  }

  /**
   * Sends a frame or queues it.
   * @param {string|!Uint8Array} data
   * @param {?string} receipt
   * @param {function(!Map<string, string>): T} read
   * @param {boolean} isSubscription
   * @return {!Promise<T>}
   * @template T
   * @private
   */
  request_(data, receipt, read, isSubscription) {
    if (this.final_) return Promise.reject(this.final_);
    if (this.state_ === State.OPEN) {
      this.connection_.send(data);
    } else if (!this.outbox_.offer(data, isSubscription)) {
      return Promise.reject(
          new QmqError('outbox-full', '', 'Too much waits for the connection'));
    }
    if (receipt === null) return Promise.resolve(read(new Map()));
    return this.receipts_.expect(receipt, read);
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
      const own = this.receipts_.nextId();
      return quiet(this.request_(
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
    if (culprit !== undefined && this.receipts_.fail(culprit, error)) {
      this.receipts_.failAll(
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
    this.receipts_.failAll(error, isExpected);
    this.subscriptions_.clear();
    if (!isExpected) this.errors_.emit(error, this.onerror);
    this.announceClosed_();
    this.resolveClosed_(error);
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
