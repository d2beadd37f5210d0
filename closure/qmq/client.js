/**
 * @fileoverview The client: what a page publishes, what it subscribes to, and
 * what it is told.
 *
 *     const client = new qmq.Client('/stomp', {token: () => fetchToken()});
 *     const sub = client.subscribe('/topic/prices.*', (m) => show(m.json()));
 *     await client.publish('/topic/chat', {text: 'hi'});
 *     const reply = await client.request('/queue/sums', [1, 2]);
 *
 * Subscribing, publishing and asking need not wait for the connection. When it
 * ends there is, in this order: what cannot be said again is rejected, one error
 * event, one state event; then it is made anew, the subscriptions go on where
 * they were, and what was published and not acknowledged is sent again. The
 * client is closed by the page, or by an error that trying again does not help:
 * then every promise that waits is rejected, and at last the promise `closed`
 * resolves. Nothing follows, and no event is fired before the constructor has
 * returned.
 */

goog.module('qmq.Client');
goog.module.declareLegacyNamespace();

const Emitter = goog.require('qmq.Emitter');
const Frame = goog.requireType('qmq.stomp.Frame');
const Journal = goog.require('qmq.Journal');
const Link = goog.require('qmq.Link');
const Message = goog.require('qmq.Message');
const QmqError = goog.require('qmq.Error');
const State = goog.require('qmq.State');
const Subscription = goog.require('qmq.Subscription');
const Subscriptions = goog.require('qmq.Subscriptions');
const Turns = goog.require('qmq.Turns');
const Unsettled = goog.require('qmq.Unsettled');
const address = goog.require('qmq.net.address');
const frames = goog.require('qmq.stomp.frames');
const {Answers, quiet} = goog.require('qmq.Answers');
const {ClientOptions, PublishOptions, RequestOptions, SubscribeOptions} = goog.requireType('qmq.options');
const {REPLIES, Requests} = goog.require('qmq.Requests');

class Client {
  /**
   * @param {string} url http, https, ws or wss, or relative to the page.
   * @param {!ClientOptions=} options
   * @throws {TypeError} If the URL is none, or a header is no text.
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
    /** @private {!State} */
    this.state_ = State.CONNECTING;
    /** @private {?QmqError} What ended it. */
    this.final_ = null;
    /** @private {number} */
    this.nextReceipt_ = 0;
    /** @private @const {string} What the names of its publishes begin with. */
    this.name_ = randomName();
    /** @private @const {!Subscriptions} */
    this.subscriptions_ = new Subscriptions(() => this.receiptId_());
    /** @private @const {!Answers<!Map<string, string>>} Publishes by receipt. */
    this.published_ = new Answers();
    /** @private @const {!Answers<!Map<string, string>>} The same of what is said once. */
    this.passing_ = new Answers();
    /** @private @const {!Journal} */
    this.journal_ = new Journal(options.maxQueued, options.maxQueuedBytes);
    /** @private @const {!Requests} */
    this.requests_ = new Requests(
        this.journal_, (id, data) => this.hand_(id, data, false));
    /** @private @const {!Turns} */
    this.turns_ = new Turns();
    /** @private @const {!Emitter<!State>} */
    this.states_ = new Emitter();
    /** @private @const {!Emitter<!QmqError>} */
    this.errors_ = new Emitter();
    /** @private @const {!Link} */
    this.link_ = new Link(address.resolve(url), options, {
      ondial: () => this.enter_(State.CONNECTING),
      onconnected: () => this.resume_(),
      onframe: (frame) => this.handle_(frame),
      onlost: (error, culprit, isFinal) => this.lose_(error, culprit, isFinal),
    });
    this.link_.dial();
  }

  /**
   * @export
   * @return {!State}
   */
  get state() {
    return this.state_;
  }

  /**
   * The name of the transport in use: websocket, streaming, long-polling, or
   * that of one of the page's own. Empty while there is no connection.
   * @export
   * @return {string}
   */
  get transport() {
    return this.link_.transport;
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
    const id = this.subscriptions_.nextId;
    const subscription = new Subscription(destination, onmessage, options, {
      unsubscribe: () => this.unsubscribe_(id),
      unsettled: () => this.unsettled_(options.ack === 'client'),
      refused: (error) => this.errors_.emit(error, this.onerror),
      read: (frame, unsettled) => this.message_(frame, unsettled),
    });
    const data = this.subscriptions_.add(subscription);
    if (this.final_) {
      this.subscriptions_.failAll(this.final_);
    } else if (this.state_ === State.OPEN) {
      this.link_.send(data);
    }
    return subscription;
  }

  /**
   * @export
   * @param {string} destination
   * @param {*} body Text, bytes, a Blob, or anything that JSON knows.
   * @param {!PublishOptions=} options
   * @return {!Promise<void>} Resolves when the server has it; rejects with a
   *     qmq.Error, or a TypeError if the body is none.
   */
  publish(
      destination, body, options = /** @type {!PublishOptions} */ ({})) {
    return this.turns_.take(body, options.contentType, (payload) => {
      const id = this.receiptId_();
      const isAnswered = options.receipt !== false;
      const refusal = this.hand_(id, isAnswered ?
          frames.send(destination, payload, id, options.headers, this.name_ + id) :
          frames.send(destination, payload, null, options.headers), isAnswered);
      if (refusal) throw refusal;
      return isAnswered ?
          this.published_.expect(id, () => {}, () => this.journal_.remove(id)) :
          Promise.resolve();
    });
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
    return this.turns_.take(
        body, options.contentType,
        (payload) => this.requests_.ask(
            this.receiptId_(), destination, payload, /** @type {!RequestOptions} */ (options)));
  }

  /**
   * Ends the client. What waits is rejected with the code closed, the state
   * event is fired once more, and nothing after it. May be called again.
   * @export
   */
  dispose() {
    if (this.state_ === State.OPEN) this.link_.send(frames.disconnect());
    this.finish_(new QmqError('closed'), true);
    this.announceClosed_();
  }

  /**
   * @param {!State} state
   * @private
   */
  enter_(state) {
    if (this.state_ === state) return;
    this.state_ = state;
    this.states_.emit(state, this.onstate);
  }

  /**
   * The server took the login. Subscriptions come first, so that the page hears
   * the answers to what it has published; then what was published, before the
   * page can say anything in answer to the event.
   * @private
   */
  resume_() {
    for (const data of this.subscriptions_.frames()) this.link_.send(data);
    this.journal_.flush((data) => this.link_.send(data));
    this.enter_(State.OPEN);
  }

  /**
   * @param {!Frame} frame
   * @private
   */
  handle_(frame) {
    const headers = frame.headers;
    if (frame.command === 'RECEIPT') {
      const receipt = headers.get('receipt-id') || '';
      this.subscriptions_.grant(receipt, headers);
      this.published_.settle(receipt, headers);
      this.passing_.settle(receipt, headers);
    } else if (frame.command === 'MESSAGE') {
      const id = headers.get('subscription') || '';
      const to = this.subscriptions_.get(id);
      if (to) {
        to.deliver(frame);
      } else if (id === REPLIES) {
        this.requests_.receive(this.message_(frame, this.unsettled_(false)));
      }
      // Otherwise the page unsubscribed while it was on its way.
    } else if (frame.command === 'ERROR') {
      this.refuse_(QmqError.fromFrame(frame), headers);
    }
  }

  /**
   * One frame was without effect; everything else goes on.
   * @param {!QmqError} error
   * @param {!Map<string, string>} headers
   * @private
   */
  refuse_(error, headers) {
    error.isRefusal = true;
    if (!this.blame_(headers.get('receipt-id') || '', error)) {
      // A publish without a receipt is heard of nowhere else.
      this.errors_.emit(error, this.onerror);
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
      return this.pass_(frames.settle(command, id, receipt, requeue), receipt);
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
   * Sends a message or keeps it for the next connection.
   * @param {string} id
   * @param {string|!Uint8Array} data
   * @param {boolean} isKept Whether it is sent again if its receipt is lost.
   * @return {?QmqError} Why that cannot be.
   * @private
   */
  hand_(id, data, isKept) {
    if (this.final_) return this.final_;
    const isOpen = this.state_ === State.OPEN;
    if (!isOpen && this.journal_.isTooMuch(data)) {
      return new QmqError('outbox-full', '', 'Too much waits for the connection');
    }
    if (isKept || !isOpen) this.journal_.add(id, data, isKept);
    if (isOpen) this.link_.send(data);
    return null;
  }

  /**
   * Sends what makes sense on this connection only.
   * @param {string|!Uint8Array} data
   * @param {string} receipt
   * @return {!Promise<void>}
   * @private
   */
  pass_(data, receipt) {
    this.link_.send(data);
    return this.passing_.expect(receipt, () => {}, () => {});
  }

  /**
   * @param {string} id
   * @return {!Promise<void>}
   * @private
   */
  unsubscribe_(id) {
    const subscription = this.subscriptions_.take(id);
    if (!subscription) return Promise.resolve();
    subscription.fail(new QmqError('closed', 'Unsubscribed'));
    if (this.state_ !== State.OPEN) return Promise.resolve();
    const receipt = this.receiptId_();
    return quiet(this.pass_(frames.unsubscribe(id, receipt), receipt).catch((reason) => {
      const error = /** @type {!QmqError} */ (reason);
      // The end of the connection is its end too.
      if (error.isRefusal && error.code !== 'unknown-id') throw error;
    }));
  }

  /**
   * The connection ended. Only the frame that the server names is to blame, and
   * it is not sent again; if something between found one too large and did not
   * say which, the largest is.
   * @param {!QmqError} error
   * @param {string|undefined} culprit
   * @param {boolean} isFinal
   * @private
   */
  lose_(error, culprit, isFinal) {
    if (error.code === 'frame-too-large' && !isFinal) culprit = this.journal_.largest;
    const isBlamed = culprit !== undefined && this.blame_(culprit, error);
    if (isFinal) {
      this.finish_(
          error, false,
          isBlamed ? new QmqError('connection-lost', error.code + ': ' + error.message) : error);
      return;
    }
    this.subscriptions_.lose();
    this.passing_.failAll(error);
    this.requests_.lose();
    const isNew = this.state_ !== State.WAITING;
    this.state_ = State.WAITING;
    this.errors_.emit(error, this.onerror);
    if (isNew && !this.final_) this.states_.emit(this.state_, this.onstate);
  }

  /**
   * @param {string} receipt
   * @param {!QmqError} error
   * @return {boolean} Whether anything waited for this receipt.
   * @private
   */
  blame_(receipt, error) {
    return [this.subscriptions_, this.published_, this.passing_, this.requests_].some(
        (waiting) => waiting.fail(receipt, error));
  }

  /**
   * @param {!QmqError} error
   * @param {boolean} isExpected
   * @param {!QmqError=} others What those are told that still wait.
   * @private
   */
  finish_(error, isExpected, others = error) {
    if (this.final_) return;
    this.final_ = error;
    this.link_.stop();
    this.journal_.clear();
    for (const waiting of [this.published_, this.passing_, this.requests_, this.subscriptions_]) {
      waiting.failAll(others);
    }
    this.state_ = State.CLOSED;
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

/** @return {string} One that no other client has. */
function randomName() {
  const numbers = crypto.getRandomValues(new Uint32Array(3));
  return Array.from(numbers, (number) => number.toString(36)).join('') + '-';
}

exports = Client;
