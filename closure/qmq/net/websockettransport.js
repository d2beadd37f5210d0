/**
 * @fileoverview STOMP over the browser's own WebSocket. Text travels as text
 * messages and bytes as binary ones, and either may come back.
 *
 * A page that is left may be kept by the browser, frozen, for the case that the
 * person comes back. Its connection would stay, and the messages that it has to
 * settle with it, so it is ended as the page is put away.
 */

goog.module('qmq.net.WebSocketTransport');

const Listener = goog.requireType('qmq.net.Listener');
const Transport = goog.requireType('qmq.net.Transport');
const address = goog.require('qmq.net.address');

/** @const {!Array<string>} */
const PROTOCOLS = ['v12.stomp'];

/** Normal closure; a page may send this number or an application's. */
const /** number */ GOODBYE = 1000;

/** What a browser reports for a connection without a closing handshake. */
const /** number */ BROKEN = 1006;

/** @implements {Transport} */
class WebSocketTransport {
  /**
   * @param {string} url Absolute, http or https.
   * @param {!Listener} listener
   * @param {function(string): !WebSocket=} dial Replaced in tests.
   */
  constructor(url, listener, dial = (url) => new WebSocket(url, PROTOCOLS)) {
    /** @private @const {string} */
    this.url_ = address.toWebSocket(url);
    /** @private @const {!Listener} */
    this.listener_ = listener;
    /** @private @const {function(string): !WebSocket} */
    this.dial_ = dial;
    /** @private {?WebSocket} */
    this.socket_ = null;
    /** @private {boolean} */
    this.isClosed_ = false;
    /** @private @const {function(!Event): void} */
    this.onpagehide_ = (event) => {
      if (/** @type {!PageTransitionEvent} */ (event).persisted) {
        this.end_(BROKEN, 'The page was left');
      }
    };
  }

  /**
   * @nocollapse
   * @return {boolean}
   */
  static enabled() {
    return typeof WebSocket === 'function';
  }

  /**
   * @nocollapse
   * @param {string} url
   * @param {!Listener} listener
   * @return {!Transport}
   */
  static create(url, listener) {
    return new WebSocketTransport(url, listener);
  }

  /** @override */
  open() {
    try {
      this.socket_ = this.dial_(this.url_);
    } catch (error) {
      // A browser throws for what its rules forbid (ws from an https page).
      // The owner hears it as it hears every failure: afterwards.
      Promise.resolve().then(() => this.end_(BROKEN, String(error)));
      return;
    }
    this.socket_.binaryType = 'arraybuffer';
    this.listen_(this.socket_);
    // Neither node nor a worker is ever put away.
    if (typeof addEventListener === 'function') {
      addEventListener('pagehide', this.onpagehide_);
    }
  }

  /**
   * @param {!WebSocket} socket
   * @private
   */
  listen_(socket) {
    socket.onopen = () => {
      if (!this.isClosed_) this.listener_.onopen();
    };
    socket.onmessage = (event) => {
      if (!this.isClosed_) this.listener_.ondata(payload(event));
    };
    // No onerror: it says nothing, and onclose always follows it.
    socket.onclose = (event) => {
      const closing = /** @type {!CloseEvent} */ (event);
      this.end_(closing.code, closing.reason);
    };
  }

  /**
   * @override
   * @param {string|!Uint8Array} data
   */
  send(data) {
    this.socket_.send(data);
  }

  /** @override */
  close() {
    this.finish_();
    if (this.socket_) this.socket_.close(GOODBYE);
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @private
   */
  end_(code, reason) {
    if (this.isClosed_) return;
    this.finish_();
    this.listener_.onclose(code, reason);
  }

  /** @private */
  finish_() {
    this.isClosed_ = true;
    if (typeof removeEventListener === 'function') {
      removeEventListener('pagehide', this.onpagehide_);
    }
  }
}

/**
 * @nocollapse
 * @const {string}
 */
WebSocketTransport.transportName = 'websocket';

/**
 * @param {!MessageEvent<(string|!ArrayBuffer)>} event
 * @return {string|!Uint8Array}
 */
function payload(event) {
  const data = event.data;
  return typeof data === 'string' ? data : new Uint8Array(data);
}

exports = WebSocketTransport;
