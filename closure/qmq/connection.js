/**
 * @fileoverview One connection: a transport, and the STOMP conversation on it
 * from CONNECT to its end. It is used once. Whether there is a next one, and
 * what is said on it, its owner decides.
 */

goog.module('qmq.Connection');

const Frame = goog.requireType('qmq.stomp.Frame');
const QmqError = goog.require('qmq.Error');
const Transport = goog.requireType('qmq.net.Transport');
const TransportKind = goog.requireType('qmq.net.TransportKind');
const {Decoder} = goog.require('qmq.stomp.codec');

/**
 * Hears of a connection: onconnected at most once and first, then any number of
 * onframe, with an onheard before all that came together, then onend once, unless the owner closed the connection itself.
 * @record
 */
class Owner {
  constructor() {
    /**
     * Something came, be it a frame or not; whether it is a sign of life and
     * nothing else.
     * @type {function(boolean): void}
     */
    this.onheard;
    /** @type {function(!Frame): void} The server took the login. */
    this.onconnected;
    /** @type {function(!Frame): void} */
    this.onframe;
    /**
     * Why it ended, and the receipt id of the frame that was to blame, if the
     * server named one.
     * @type {function(!QmqError, (string|undefined)): void}
     */
    this.onend;
  }
}

class Connection {
  /**
   * @param {!TransportKind} kind
   * @param {string} url Absolute, http or https.
   * @param {string|!Uint8Array} hello The CONNECT frame.
   * @param {!Owner} owner
   */
  constructor(kind, url, hello, owner) {
    /** @private @const {!Owner} */
    this.owner_ = owner;
    /** @private @const {string|!Uint8Array} */
    this.hello_ = hello;
    /** @private @const {!Decoder} */
    this.decoder_ = new Decoder();
    /** @private {boolean} */
    this.wasOpen_ = false;
    /** @private {boolean} */
    this.isEnded_ = false;
    /** @private @const {!Transport} */
    this.transport_ = kind.create(url, {
      onopen: () => this.sayHello_(),
      ondata: (data) => this.read_(data),
      onclose: (code, reason) =>
          this.end_(QmqError.fromClose(code, reason, this.wasOpen_)),
    });
  }

  /** Starts; only once. */
  open() {
    this.transport_.open();
  }

  /** @param {string|!Uint8Array} data An encoded frame; after onconnected. */
  send(data) {
    this.transport_.send(data);
  }

  /** The owner hears nothing from now on. */
  close() {
    this.isEnded_ = true;
    this.transport_.close();
  }

  /** @private */
  sayHello_() {
    this.transport_.send(this.hello_);
  }

  /**
   * @param {string|!Uint8Array} data
   * @private
   */
  read_(data) {
    this.owner_.onheard(data.length === 1);
    for (const frame of this.decoder_.feed(data)) {
      // The page may have ended it while it handled the frame before.
      if (this.isEnded_) return;
      this.handle_(frame);
    }
    const error = this.decoder_.error;
    if (error) this.end_(new QmqError(error));
  }

  /**
   * @param {!Frame} frame
   * @private
   */
  handle_(frame) {
    if (frame.command === 'CONNECTED') {
      this.wasOpen_ = true;
      this.owner_.onconnected(frame);
    } else if (frame.command === 'ERROR' && frame.headers.get('fatal') !== 'false') {
      this.end_(QmqError.fromFrame(frame), frame.headers.get('receipt-id'));
    } else {
      this.owner_.onframe(frame);
    }
  }

  /**
   * Such an ERROR is the end although the server has still to close: it reads
   * nothing after it.
   * @param {!QmqError} error
   * @param {string=} culprit
   * @private
   */
  end_(error, culprit) {
    if (this.isEnded_) return;
    this.close();
    this.owner_.onend(error, culprit);
  }
}

exports = Connection;
