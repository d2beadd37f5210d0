/**
 * @fileoverview Keeps one connection to the server at a time: logs in over the
 * best transport that gets through, and does so again, after a while, whenever
 * the connection ends, until it is stopped or the server says that there is no
 * use. What was said on a connection it neither knows nor repeats.
 *
 * Of an older connection nothing is ever heard. While a connection is open two
 * timers may run: by one a new token is fetched before the old expires, by the
 * other nobody is waited for who is silent (qmq.Heartbeat). When the page is
 * shown, or the network comes back, it looks at once whether the connection is
 * still alive.
 */

goog.module('qmq.Link');

const Backoff = goog.require('qmq.Backoff');
const Connection = goog.require('qmq.Connection');
const Frame = goog.requireType('qmq.stomp.Frame');
const Heartbeat = goog.require('qmq.Heartbeat');
const Ladder = goog.require('qmq.Ladder');
const LongPollingTransport = goog.require('qmq.net.LongPollingTransport');
const QmqError = goog.require('qmq.Error');
const StreamingTransport = goog.require('qmq.net.StreamingTransport');
const TransportKind = goog.requireType('qmq.net.TransportKind');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const frames = goog.require('qmq.stomp.frames');
const login = goog.require('qmq.login');
const {ClientOptions} = goog.requireType('qmq.options');

/** After less than this many milliseconds a connection did not really work. */
const /** number */ STABLE = 500;

/** Between signs of life, unless the page says otherwise, in milliseconds. */
const /** number */ BEAT = 25000;

/** What may mean that the page was away, or its network. */
const /** !Array<string> */ OCCASIONS = ['online', 'pageshow', 'focus'];

/** The same, of the document. */
const /** !Array<string> */ OCCASIONS_OF_DOCUMENT = ['visibilitychange', 'resume'];

/** The receipt of a question to which there is always an answer. */
const /** string */ PROBE = 'qmq.probe';

/** Where a new token goes. */
const /** string */ REFRESH = '/manage/refresh';

/** The receipt of one. */
const /** string */ RENEWAL = 'qmq.token';

/** @const {!Set<string>} Codes that tell of the way to the server, not of the server. */
const OF_THE_WAY = new Set(['connect-failed', 'connection-lost']);

/**
 * Hears of a link. After onlost with isFinal nothing follows.
 * @record
 */
class Owner {
  constructor() {
    /** @type {function(): void} A try begins. */
    this.ondial;
    /** @type {function(): void} The server took the login. */
    this.onconnected;
    /** @type {function(!Frame): void} */
    this.onframe;
    /**
     * A connection ended, or none could be made: why, the receipt id of the
     * frame that was to blame, and whether there will be no other.
     * @type {function(!QmqError, (string|undefined), boolean): void}
     */
    this.onlost;
  }
}

class Link {
  /**
   * @param {!URL} url
   * @param {!ClientOptions} options
   * @param {!Owner} owner
   */
  constructor(url, options, owner) {
    /** @private @const {!URL} */
    this.url_ = url;
    /** @private @const {!ClientOptions} */
    this.options_ = options;
    /** @private @const {!Owner} */
    this.owner_ = owner;
    /** @private @const {number} */
    this.beat_ = options.heartBeat === undefined ? BEAT : Math.round(options.heartBeat);
    /** @private {?Heartbeat} Of the open connection. */
    this.heartbeat_ = null;
    // What is wrong with the page's headers is told now.
    this.hello_(new Map(), true);
    /** @private @const {!Ladder} */
    this.ladder_ = new Ladder(
        options.transports || [WebSocketTransport, StreamingTransport, LongPollingTransport]);
    /** @private @const {!Backoff} */
    this.backoff_ = new Backoff();
    /** @private {number} Counts tries; what an older one does is of no interest. */
    this.generation_ = 0;
    /** @private {?Connection} */
    this.connection_ = null;
    /** @private {?TransportKind} That of the open connection. */
    this.kind_ = null;
    /** @private {number} When the connection was opened. */
    this.since_ = 0;
    /** @private {?number} What is waited for: a try, the answer to one, or to a probe. */
    this.timer_ = null;
    /** @private {?number} Until a new token is due. */
    this.renewal_ = null;
    /** @private {boolean} */
    this.isWaiting_ = false;
    /** @private @const {function(): void} */
    this.onoccasion_ = () => this.look_();
    this.listen_(true);
  }

  /** @return {string} The name of the transport in use, or empty. */
  get transport() {
    return this.kind_ ? this.kind_.transportName : '';
  }

  /**
   * Fetches the login and connects; its owner hears of it later.
   * @return {!Promise<void>}
   */
  async dial() {
    const generation = ++this.generation_;
    this.isWaiting_ = false;
    this.setTimer_(null);
    this.owner_.ondial();
    let headers;
    let problem = null;
    try {
      headers = await login.headers(this.options_);
      this.hello_(headers, true);
    } catch (error) {
      problem = error instanceof QmqError ?
          error :
          new QmqError('connect-failed', String(error));
    }
    if (generation !== this.generation_) return;
    if (problem) {
      this.lose_(problem);
    } else {
      this.ladder_.begin();
      this.climb_(/** @type {!Map<string, string>} */ (headers));
    }
  }

  /** @param {string|!Uint8Array} data A frame; after onconnected. */
  send(data) {
    this.heartbeat_.sent();
    this.connection_.send(data);
  }

  /**
   * @param {!Map<string, string>} headers Those of the login.
   * @param {boolean} isBeating Whether the client promises signs of life.
   * @return {string|!Uint8Array} The CONNECT frame.
   * @private
   */
  hello_(headers, isBeating) {
    return frames.connect(
        this.url_.hostname, headers, this.options_.headers,
        `${isBeating ? this.beat_ : 0},${this.beat_}`);
  }

  /** Its owner hears nothing from now on. */
  stop() {
    this.generation_++;
    this.isWaiting_ = false;
    this.listen_(false);
    this.drop_();
  }

  /**
   * Tries the next transport.
   * @param {!Map<string, string>} login
   * @private
   */
  climb_(login) {
    const kind = this.ladder_.next();
    if (kind) {
      this.try_(kind, login);
    } else {
      this.lose_(new QmqError('connect-failed', this.ladder_.reasons));
    }
  }

  /**
   * @param {!TransportKind} kind
   * @param {!Map<string, string>} login
   * @private
   */
  try_(kind, login) {
    const began = Date.now();
    const give = (reason) => {
      this.ladder_.fail(kind, reason);
      this.drop_();
      this.climb_(login);
    };
    // Where requests ask for more, each is a sign of life.
    const isBeating = !kind.isPolling;
    this.connection_ = new Connection(kind, this.url_.href, this.hello_(login, isBeating), {
      onheard: (isBeat) => {
        if (this.heartbeat_) this.heartbeat_.heard(isBeat);
      },
      onconnected: (frame) => {
        if (this.kind_) return;
        this.setTimer_(null);
        this.kind_ = kind;
        this.since_ = Date.now();
        this.ladder_.succeed(kind, this.since_ - began);
        this.heartbeat_ = new Heartbeat(
            this.beat_, frame.headers.get('heart-beat'), isBeating, {
              beat: () => this.connection_.send('\n'),
              ask: () => this.probe_(),
              lose: () => this.lose_(new QmqError('connection-lost', 'Nothing came for too long')),
            });
        this.renew_(frame);
        this.owner_.onconnected();
      },
      onframe: (frame) => {
        const receipt = frame.headers.get('receipt-id');
        if (receipt === PROBE) {
          this.setTimer_(null);
        } else if (receipt === RENEWAL) {
          this.renew_(frame);
        } else {
          this.owner_.onframe(frame);
        }
      },
      onend: (error, culprit) => {
        if (!this.kind_ && OF_THE_WAY.has(error.code)) {
          give(error.detail || 'no connection');
        } else {
          this.lose_(error, culprit);
        }
      },
    });
    const {patience} = this.ladder_;
    this.setTimer_(() => {
      this.ladder_.grow();
      give(`no answer in ${patience} ms`);
    }, patience);
    this.connection_.open();
  }

  /**
   * Shows the server a new token before the old one expires. If there is none in
   * time the server ends the connection, and the next login asks for one.
   * @param {!Frame} frame Says how long that is.
   * @private
   */
  renew_(frame) {
    const left = Number(frame.headers.get('expires-in'));
    const {token} = this.options_;
    if (!token || !left) return;
    const connection = this.connection_;
    this.renewal_ = setTimeout(async () => {
      try {
        const data = String(await token());
        if (connection !== this.connection_) return;
        this.send(frames.send(REFRESH, {data, type: ''}, RENEWAL, undefined));
      } catch (error) {
        // It is heard of at that login.
      }
    }, Math.min(Math.max(left * 0.8, 1000), 0x7fffffff));
  }

  /**
   * @param {!QmqError} error
   * @param {string=} culprit
   * @private
   */
  lose_(error, culprit) {
    if (this.kind_ && Date.now() - this.since_ >= STABLE) this.backoff_.reset();
    this.ladder_.lose();
    this.drop_();
    // A token that the page gave as a passcode is the same each time.
    if (error.code === 'token-expired' && this.options_.passcode) error.retry = false;
    if (error.retry) {
      this.isWaiting_ = true;
      const isOffline = typeof navigator === 'object' && navigator.onLine === false;
      this.setTimer_(
          () => void this.dial(), this.backoff_.next(error.retryAfter, isOffline));
    } else {
      this.stop();
    }
    this.owner_.onlost(error, culprit, !error.retry);
  }

  /** @private */
  drop_() {
    this.setTimer_(null);
    clearTimeout(this.renewal_);
    if (this.heartbeat_) this.heartbeat_.stop();
    this.heartbeat_ = null;
    if (this.connection_) this.connection_.close();
    this.connection_ = null;
    this.kind_ = null;
  }

  /**
   * The page, or its network, may have been away.
   * @private
   */
  look_() {
    if (typeof document === 'object' && document.hidden) return;
    if (this.isWaiting_) {
      this.backoff_.reset();
      this.dial();
    } else if (this.heartbeat_ && this.heartbeat_.isSilent) {
      this.lose_(new QmqError('connection-lost', 'Nothing came for too long'));
    } else {
      this.probe_();
    }
  }

  /**
   * Asks whether anybody is there.
   * @private
   */
  probe_() {
    if (!this.kind_ || this.timer_ !== null) return;
    // Every server answers this, and it changes nothing.
    this.setTimer_(
        () => this.lose_(new QmqError('connection-lost', 'No answer')),
        Math.max(5000, this.ladder_.patience));
    for (const data of frames.probe(PROBE)) this.send(data);
  }

  /**
   * @param {?function(): void} callback Null for none.
   * @param {number=} milliseconds
   * @private
   */
  setTimer_(callback, milliseconds) {
    if (this.timer_ !== null) clearTimeout(this.timer_);
    this.timer_ = callback && setTimeout(() => {
      this.timer_ = null;
      callback();
    }, milliseconds);
  }

  /**
   * @param {boolean} isOn
   * @private
   */
  listen_(isOn) {
    // Neither node nor a worker is ever put away.
    if (typeof document !== 'object') return;
    for (const [target, types] of [[window, OCCASIONS], [document, OCCASIONS_OF_DOCUMENT]]) {
      for (const type of types) {
        if (isOn) {
          target.addEventListener(type, this.onoccasion_);
        } else {
          target.removeEventListener(type, this.onoccasion_);
        }
      }
    }
  }
}

exports = Link;
