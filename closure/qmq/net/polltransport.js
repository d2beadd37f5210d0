/**
 * @fileoverview STOMP over plain HTTP requests, for where no WebSocket gets
 * through: one request that receives, again and again, and one that sends when
 * there is something to send. What was lost on the way is asked for, or said,
 * again. See docs/polling.md for what goes over the wire.
 *
 * There is no timer but the limit of the request that is under way: a page in
 * the background, whose timers hardly run, stays connected by the answers.
 */

goog.module('qmq.net.PollTransport');

const Listener = goog.requireType('qmq.net.Listener');
const Transport = goog.requireType('qmq.net.Transport');
const address = goog.require('qmq.net.address');
const codec = goog.require('qmq.stomp.codec');
const errorcode = goog.require('qmq.errorcode');
const {PacketReader} = goog.require('qmq.net.PacketReader');

/** The close number of a connection that ended without a word. */
const /** number */ BROKEN = 1006;

/**
 * How long to wait before a request that failed is made again, in milliseconds.
 * @const {!Array<number>}
 */
const PAUSES = [100, 500, 2000];

/** How many bytes a request sends at most; a larger frame goes in several. */
const /** number */ BATCH = 256 * 1024;

/** How long a request that sends may take at least, in milliseconds. */
const /** number */ SENDING = 15000;

/** At how many bytes in a millisecond at least what is sent goes. */
const /** number */ SLOWEST = 8;

/** A streamed answer gives a sign of life every ten seconds. */
const /** number */ SILENCE = 25000;

/** @implements {Transport} */
class PollTransport {
  /**
   * @param {string} url Absolute, http or https.
   * @param {!Listener} listener
   * @param {boolean} isStreaming Whether answers are read as they come.
   * @param {function(string, !RequestInit): !Promise<!Response>=} request
   *     Replaced in tests.
   */
  constructor(url, listener, isStreaming, request = (url, init) => fetch(url, init)) {
    /** @private {string} That of the session, once there is one. */
    this.url_ = address.beside(url, 'poll');
    /** @private @const {!Listener} */
    this.listener_ = listener;
    /** @private @const {boolean} */
    this.isStreaming_ = isStreaming;
    /** @private @const {function(string, !RequestInit): !Promise<!Response>} */
    this.request_ = request;
    /** @private {boolean} */
    this.isOpen_ = false;
    /** @private {boolean} */
    this.isClosed_ = false;
    /** @private {boolean} */
    this.isSending_ = false;
    /** @private @const {!Array<string|!Uint8Array|!Blob>} */
    this.pending_ = [];
    /** @private {number} The last packet that came whole. */
    this.ack_ = 0;
    /** @private {number} The last request that sent. */
    this.seq_ = 0;
    /** @private {number} How long the server may take to answer, in milliseconds. */
    this.patience_ = 0;
    /** @private {number} How long it holds a request with nothing to say. */
    this.hold_ = 0;
    /** @private {!AbortController} Of the request that receives. */
    this.abort_ = new AbortController();
    /** @private @const {function(!Event): void} */
    this.onpagehide_ = (event) => {
      navigator.sendBeacon(this.url_ + '/close');
      if (/** @type {!PageTransitionEvent} */ (event).persisted) {
        this.end_(BROKEN, 'The page was left');
      }
    };
  }

  /** @override */
  open() {
    // The session is opened with the first that is said.
    Promise.resolve().then(() => {
      if (this.isClosed_) return;
      this.listener_.onopen();
      this.begin_();
    });
  }

  /**
   * @override
   * @param {string|!Uint8Array} data
   */
  send(data) {
    this.pending_.push(data);
    this.sendAll_();
  }

  /** @override */
  close() {
    if (this.isClosed_) return;
    this.finish_();
    this.sendAll_();
  }

  /** @private */
  async begin_() {
    const began = Date.now();
    let opened;
    try {
      const response = await this.post_('', this.take_(), this.abort_.signal);
      if (!response) return;
      opened = /** @type {{session: string, hold: number}} */ (await response.json());
    } catch (error) {
      this.end_(BROKEN, String(error));
      return;
    }
    this.patience_ = 4 * (Date.now() - began);
    this.hold_ = Number(opened['hold']);
    this.url_ = this.url_.replace(/\?.*/, '') + '/' + opened['session'];
    this.isOpen_ = true;
    this.sendAll_();
    if (this.isClosed_) return;
    // Neither node nor a worker is ever put away.
    if (typeof document === 'object') window.addEventListener('pagehide', this.onpagehide_);
    this.repeat_(() => this.receive_());
  }

  /**
   * Sends what waits, one request after the other; says goodbye at last.
   * @private
   */
  async sendAll_() {
    if (this.isSending_ || !this.isOpen_) return;
    this.isSending_ = true;
    while (this.pending_.length) {
      const body = this.take_();
      const path = `/send?seq=${++this.seq_}&ack=`;
      const isSent = await this.retry_(() => this.say_(path, body));
      if (!isSent) return;
    }
    this.isSending_ = false;
    if (this.isClosed_) {
      this.isOpen_ = false;
      this.post_('/close', null).catch(() => {});
    }
  }

  /**
   * One request that sends. Its connection may have died without a word, so it is
   * made again on another; or the server may let it wait, so that is done less
   * and less often.
   * @param {string} path
   * @param {!Blob} body
   * @return {!Promise<?Response>}
   * @private
   */
  async say_(path, body) {
    for (let limit = Math.max(SENDING, this.patience_) + body.size / SLOWEST;; limit *= 2) {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), limit);
      try {
        return await this.post_(path + this.ack_, body, abort.signal);
      } catch (error) {
        if (!abort.signal.aborted || this.isClosed_) throw error;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /**
   * @return {!Blob} As much of what waits as one request takes: frames need not
   *     be whole, so that the server can refuse one that is too large.
   * @private
   */
  take_() {
    let size = 0;
    let count = 0;
    while (count < this.pending_.length && size < BATCH) {
      const next = this.pending_[count++];
      size += next instanceof Blob ? next.size : codec.byteLength(next);
    }
    const all = new Blob(this.pending_.splice(0, count));
    if (all.size > BATCH) this.pending_.unshift(all.slice(BATCH));
    return all.slice(0, BATCH, 'text/plain');
  }

  /**
   * @param {function(): !Promise<void>} action Done until the transport is closed.
   * @private
   */
  async repeat_(action) {
    while (!this.isClosed_ && await this.retry_(action)) {}
  }

  /**
   * @param {function(): !Promise<?>} action Done until it succeeds.
   * @return {!Promise<boolean>} False if it never did; then this is the end.
   * @private
   */
  async retry_(action) {
    for (let tries = 0;; tries++) {
      try {
        await action();
        return true;
      } catch (error) {
        if (this.isClosed_ || tries === PAUSES.length) {
          this.end_(BROKEN, String(error));
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSES[tries]));
      }
    }
  }

  /**
   * One request that receives.
   * @return {!Promise<void>}
   * @private
   */
  async receive_() {
    const before = this.ack_;
    const reader = new PacketReader();
    const abort = this.abort_ = new AbortController();
    const limit = this.isStreaming_ ?
        Math.max(1000, this.patience_) :
        this.hold_ + Math.max(5000, this.patience_);
    let hasCome = false;
    let timer = setTimeout(() => {
      if (this.isStreaming_ && !this.ack_) {
        this.end_(BROKEN, 'buffered: nothing of a streamed answer comes through');
      }
      abort.abort();
    }, limit);
    try {
      const path = `/receive?ack=${this.ack_}${this.isStreaming_ ? '&stream=1' : ''}`;
      const response = await this.post_(path, null, abort.signal);
      if (!response) return;
      if (!this.isStreaming_) {
        this.hear_(reader, new Uint8Array(await response.arrayBuffer()));
        return;
      }
      const body = response.body.getReader();
      while (!this.isClosed_) {
        const {done, value} = await body.read();
        if (done) {
          if (!hasCome) throw new Error('an empty answer');
          return;
        }
        hasCome = true;
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), SILENCE);
        this.hear_(reader, /** @type {!Uint8Array} */ (value));
      }
      abort.abort();
    } catch (error) {
      // What came whole is ours; the rest comes with the next request.
      if (this.ack_ === before) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * @param {!PacketReader} reader
   * @param {!Uint8Array} octets
   * @private
   */
  hear_(reader, octets) {
    for (const packet of reader.feed(octets)) {
      if (this.isClosed_) return;
      if (!packet.data) {
        this.end_(packet.number, packet.name);
      } else if (packet.number === this.ack_ + 1) {
        this.ack_++;
        this.listener_.ondata(packet.data);
      } else if (packet.number > this.ack_) {
        throw new Error('packet ' + packet.number + ' after ' + this.ack_);
      }
    }
  }

  /**
   * @param {string} path
   * @param {?Blob} body
   * @param {!AbortSignal=} signal
   * @return {!Promise<?Response>} Null if the server ended the session.
   * @private
   */
  async post_(path, body, signal) {
    const response = await this.request_(this.url_ + path, /** @type {!RequestInit} */ ({
      method: 'POST',
      body,
      signal,
      cache: 'no-store',
      // The server may know who it is by a cookie.
      credentials: 'include',
      // A goodbye goes out although the page goes.
      keepalive: path === '/close',
    }));
    if (response.ok) return response;
    let problem = {'code': path.startsWith('/send') ? refusal(response.status) : ''};
    try {
      problem = Object.assign(problem, /** @type {!Object} */ (await response.json()));
    } catch (error) {
      // It comes from something between, and not from our server.
    }
    const row = errorcode.TABLE.get(problem['code']);
    if (!row) throw new Error('HTTP ' + response.status);
    this.end_(row.close, problem['code']);
    return null;
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @private
   */
  end_(code, reason) {
    if (this.isClosed_) return;
    this.finish_();
    this.isOpen_ = false;
    this.listener_.onclose(code, reason);
  }

  /** @private */
  finish_() {
    this.isClosed_ = true;
    this.abort_.abort();
    if (typeof document === 'object') window.removeEventListener('pagehide', this.onpagehide_);
  }
}

/**
 * @param {number} status With which what was said came back.
 * @return {string} The code of what a proxy does not let through, now or later:
 *     it takes less than our server, or dislikes what is in it. To say it again
 *     would not help. Empty if it may.
 */
function refusal(status) {
  if (status === 413) return 'frame-too-large';
  const isForNow = status === 404 || status === 408 || status === 425 || status === 429;
  return status >= 400 && status < 500 && !isForNow ? 'bad-request' : '';
}

exports = PollTransport;
