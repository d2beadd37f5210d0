/**
 * @fileoverview A transport without a network, for the tests of pages that use
 * the client, and for our own. It is its own kind, and the test plays the
 * server's part:
 *
 *     const fake = new qmq.testing.FakeTransport();
 *     const client = new qmq.Client('/stomp', {transports: [fake]});
 *     await fake.accept();
 *     const sub = client.subscribe('/topic/a', (m) => seen.push(m.text()));
 *     fake.answer(fake.takeSent());
 *     fake.message('0', '/topic/a', 'hi');
 *
 * Nothing in it waits or takes time: what the test does has happened when the
 * call returns, except that promises are settled in their own turn.
 */

goog.module('qmq.testing.FakeTransport');

const Frame = goog.requireType('qmq.stomp.Frame');
const Listener = goog.requireType('qmq.net.Listener');
const Transport = goog.requireType('qmq.net.Transport');
const codec = goog.require('qmq.stomp.codec');

/** @implements {Transport} */
class FakeTransport {
  constructor() {
    /** @export {string} */
    this.transportName = 'fake';
    /** @export {string} The URL of the last connection. */
    this.url = '';
    /** @export {number} How many connections were tried. */
    this.opens = 0;
    /** @export {boolean} Whether there is a connection now. */
    this.isOpen = false;
    /** @private {?Listener} */
    this.listener_ = null;
    /** @private {!codec.Decoder} */
    this.decoder_ = new codec.Decoder();
    /** @private @const {!Array<!Frame>} */
    this.sent_ = [];
    /** @private @const {!Array<function(): void>} Who waits for a connection. */
    this.waiting_ = [];
  }

  /**
   * @export
   * @return {boolean}
   */
  enabled() {
    return true;
  }

  /**
   * @export
   * @param {string} url
   * @param {!Listener} listener
   * @return {!Transport}
   */
  create(url, listener) {
    this.url = url;
    this.listener_ = listener;
    this.decoder_ = new codec.Decoder();
    return this;
  }

  /**
   * @export
   * @override
   */
  open() {
    this.opens++;
    this.isOpen = true;
    for (const resolve of this.waiting_.splice(0)) resolve();
  }

  /**
   * @export
   * @override
   * @param {string|!Uint8Array} data
   */
  send(data) {
    if (!this.isOpen) throw new Error('sent on a closed transport');
    this.sent_.push(...this.decoder_.feed(data));
    if (this.decoder_.error) throw new Error(this.decoder_.error);
  }

  /**
   * @export
   * @override
   */
  close() {
    this.isOpen = false;
    this.listener_ = null;
  }

  /**
   * The client connects in its own time: it may have to fetch a token first.
   * @export
   * @return {!Promise<void>} Resolves when it does, at once if it has.
   */
  opened() {
    if (this.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting_.push(() => resolve());
    });
  }

  /**
   * Lets the client in.
   * @export
   * @param {!Object<string, string>=} headers More headers of CONNECTED.
   * @return {!Promise<!Frame>} The CONNECT frame.
   */
  async accept(headers = {}) {
    await this.opened();
    this.listener().onopen();
    const connect = this.takeSent();
    this.receive('CONNECTED', Object.assign({'version': '1.2'}, headers));
    return connect;
  }

  /**
   * The server cannot be reached, or does not let the client in. It tries again
   * after a while, unless the code says that there is no use.
   * @export
   * @param {number=} code The WebSocket close number.
   * @param {string=} reason
   * @return {!Promise<void>}
   */
  async refuse(code = 1006, reason = '') {
    await this.opened();
    this.drop(code, reason);
  }

  /**
   * @export
   * @return {!Frame} The one frame sent since the last take.
   * @throws {Error} If there was none, or more than one.
   */
  takeSent() {
    const frames = this.takeAllSent();
    if (frames.length === 1) return frames[0];
    const commands = frames.map((frame) => frame.command);
    throw new Error('expected one frame, not [' + commands.join(', ') + ']');
  }

  /**
   * @export
   * @return {!Array<!Frame>} All frames sent since the last take.
   */
  takeAllSent() {
    return this.sent_.splice(0);
  }

  /**
   * The client receives a frame.
   * @export
   * @param {string} command
   * @param {!Object<string, string>} headers
   * @param {(string|!Uint8Array)=} body
   */
  receive(command, headers, body = '') {
    const pairs = new Map(Object.entries(headers));
    pairs.set('content-length', String(codec.byteLength(body)));
    this.receiveData(codec.encode(command, pairs, body));
  }

  /**
   * The client receives any part of the stream.
   * @export
   * @param {string|!Uint8Array} data
   */
  receiveData(data) {
    this.listener().ondata(data);
  }

  /**
   * The client receives a message.
   * @export
   * @param {string} subscription The id: '0' for the first of the client.
   * @param {string} destination
   * @param {string|!Uint8Array} body
   * @param {!Object<string, string>=} headers More headers.
   */
  message(subscription, destination, body, headers = {}) {
    const own = {
      'subscription': subscription,
      'destination': destination,
      'message-id': 'fake',
    };
    this.receive('MESSAGE', Object.assign(own, headers), body);
  }

  /**
   * The client receives the receipt that a frame of its asked for.
   * @export
   * @param {!Frame} frame
   * @param {!Object<string, string>=} headers More headers.
   */
  answer(frame, headers = {}) {
    const id = frame.headers.get('receipt');
    if (id === undefined) throw new Error(frame.command + ' asks for no receipt');
    this.receive('RECEIPT', Object.assign({'receipt-id': id}, headers));
  }

  /**
   * The client receives the reply that a request of its asked for.
   * @export
   * @param {!Frame} frame
   * @param {string|!Uint8Array} body
   * @param {!Object<string, string>=} headers More headers.
   */
  reply(frame, body, headers = {}) {
    const to = frame.headers.get('reply-to');
    const id = frame.headers.get('correlation-id');
    if (to === undefined || id === undefined) {
      throw new Error(frame.command + ' asks for no reply');
    }
    this.message(to, to, body, Object.assign({'correlation-id': id}, headers));
  }

  /**
   * The connection ends.
   * @export
   * @param {number=} code The WebSocket close number.
   * @param {string=} reason
   */
  drop(code = 1006, reason = '') {
    const listener = this.listener();
    this.isOpen = false;
    listener.onclose(code, reason);
  }

  /**
   * For what the methods above cannot do.
   * @export
   * @return {!Listener} Who listens to the connection.
   * @throws {Error} If there is no connection.
   */
  listener() {
    if (!this.listener_) throw new Error('there is no connection');
    return this.listener_;
  }
}

exports = FakeTransport;
