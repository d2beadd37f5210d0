/**
 * @fileoverview Notices that nothing comes any more on a connection that nobody
 * has ended: the path is dead, and both sockets are open. The server says
 * something at least once in an interval that was agreed on; what comes is
 * answered, so that the server hears of the page, too.
 *
 * All it does it does when something comes, but for one timer, which looks at
 * the time only when it is due. Where timers are held back, as in a tab in the
 * background, it is late and nothing else: then it asks before it believes it.
 */

goog.module('qmq.Heartbeat');

/** @const {number} A timer that is later than this, in milliseconds, was held back. */
const LATE = 2000;

/**
 * @record
 */
class Owner {
  constructor() {
    /** @type {function(): void} Sends a sign of life. */
    this.beat;
    /** @type {function(): void} Finds out whether anybody is there. */
    this.ask;
    /** @type {function(): void} Nobody is. */
    this.lose;
  }
}

class Heartbeat {
  /**
   * @param {number} wish What the client offers and wants, in milliseconds; 0 for
   *     nothing.
   * @param {string|undefined} agreed What the server offers and wants, as in the
   *     header heart-beat of CONNECTED.
   * @param {boolean} isAnswering Whether what comes is answered.
   * @param {!Owner} owner
   */
  constructor(wish, agreed, isAnswering, owner) {
    const [offered, wanted] = (agreed || '').split(',').map((part) => wish && Number(part));
    /** @private @const {!Owner} */
    this.owner_ = owner;
    /** @private @const {number} How long it may be silent; 0 for ever. */
    this.limit_ = offered ? 1.5 * Math.max(wish, offered) : 0;
    /** @private @const {number} After how long what comes is answered; 0 for never. */
    this.pause_ = isAnswering && wanted ? Math.max(wish, wanted) / 3 : 0;
    /** @private {number} */
    this.heard_ = Date.now();
    /** @private {number} */
    this.sent_ = this.heard_;
    /** @private {number|undefined} */
    this.timer_ = undefined;
    /** @private {number|undefined} Until what came is answered. */
    this.answering_ = undefined;
    this.arm_(this.limit_);
  }

  /**
   * Something came. A sign of life is answered at once. After anything else there
   * may be more, and at its end the reason why the server has closed: to say
   * something then would make the browser throw it away unread.
   * @param {boolean} isBeat Whether it is a sign of life and nothing else.
   */
  heard(isBeat) {
    this.heard_ = Date.now();
    const quiet = this.heard_ - this.sent_;
    if (!this.pause_ || quiet < this.pause_) return;
    if (isBeat || quiet > 4 * this.pause_) {
      this.answer_();
    } else if (this.answering_ === undefined) {
      this.answering_ = setTimeout(() => this.answer_(), Math.min(1000, this.pause_));
    }
  }

  /** @private */
  answer_() {
    this.sent();
    this.owner_.beat();
  }

  /** Something was sent. */
  sent() {
    this.sent_ = Date.now();
    clearTimeout(this.answering_);
    this.answering_ = undefined;
  }

  /** @return {boolean} Whether nothing has come for too long. */
  get isSilent() {
    return !!this.limit_ && Date.now() - this.heard_ >= this.limit_;
  }

  /** Its owner hears nothing from now on. */
  stop() {
    clearTimeout(this.timer_);
    clearTimeout(this.answering_);
  }

  /**
   * @param {number} milliseconds
   * @private
   */
  arm_(milliseconds) {
    if (!this.limit_) return;
    const due = Date.now() + milliseconds;
    this.timer_ = setTimeout(() => {
      if (!this.isSilent) {
        this.arm_(this.heard_ + this.limit_ - Date.now());
      } else if (Date.now() - due > LATE) {
        // What came meanwhile may not have been handed to the page yet.
        this.arm_(this.limit_);
        this.owner_.ask();
      } else {
        this.owner_.lose();
      }
    }, milliseconds);
  }
}

exports = Heartbeat;
