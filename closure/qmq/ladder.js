/**
 * @fileoverview Which transport to try next, and for how long. The first that
 * works is remembered, by this client and by the page's session, and tried
 * first for the next minutes; then the ones above it get another chance, at
 * the next connection. It opens nothing itself.
 */

goog.module('qmq.Ladder');

const TransportKind = goog.requireType('qmq.net.TransportKind');

/** Where the page's session keeps what worked. */
const /** string */ KEY = 'qmq.transport';

/** How long that counts, in milliseconds. */
const /** number */ MEMORY = 300000;

/** How long a transport may take when nothing is known, in milliseconds. */
const /** number */ PATIENCE = 5000;

/** No transport gets longer, however slow everything was before. */
const /** number */ LONGEST = 30000;

class Ladder {
  /**
   * @param {!Array<!TransportKind>} kinds The best first.
   * @param {function(): ?Storage=} storage Replaced in tests. May throw: a
   *     browser may keep a page from all storage.
   */
  constructor(kinds, storage = () => typeof sessionStorage === 'object' ? sessionStorage : null) {
    /** @private @const {!Array<!TransportKind>} */
    this.kinds_ = kinds;
    /** @private @const {function(): ?Storage} */
    this.storage_ = storage;
    /** @private {!Array<!TransportKind>} What is left of this round. */
    this.left_ = [];
    /** @private {string} Why the others failed. */
    this.reasons_ = '';
    /** @private {?TransportKind} What worked. */
    this.worked_ = null;
    /** @private {number} When that was. */
    this.since_ = 0;
    /** @private {number} Rounds that failed since. */
    this.failed_ = 0;
    /**
     * How long the next one may take, in milliseconds.
     * @type {number}
     */
    this.patience = PATIENCE;
    /** @private {boolean} Whether any took too long in this round. */
    this.isSlow_ = false;
    this.remember_();
  }

  /** Begins another round. */
  begin() {
    this.reasons_ = '';
    if (this.isSlow_) this.patience = Math.min(2 * this.patience, LONGEST);
    this.isSlow_ = false;
    const kinds = this.kinds_.filter((kind) => kind.enabled());
    const best = Date.now() - this.since_ < MEMORY ? this.worked_ : null;
    this.left_ = kinds.filter((kind) => kind !== best);
    if (best && kinds.length > this.left_.length) this.left_.unshift(best);
    // What has worked is not given up at once: its server may be away.
    if (best && this.failed_ && this.failed_ < 3) this.left_.length = 1;
  }

  /** @return {?TransportKind} The next one to try, null if none is left. */
  next() {
    return this.left_.shift() || null;
  }

  /**
   * @param {!TransportKind} kind
   * @param {string} reason
   */
  fail(kind, reason) {
    this.reasons_ += `${this.reasons_ && '; '}${kind.transportName}: ${reason}`;
  }

  /** One took too long: the network may be slow, so the next round waits longer. */
  grow() {
    this.isSlow_ = true;
  }

  /** The connection ended, or could not be made: the next round is another. */
  lose() {
    this.failed_++;
  }

  /**
   * @param {!TransportKind} kind
   * @param {number} milliseconds How long it took.
   */
  succeed(kind, milliseconds) {
    if (this.worked_ !== kind || Date.now() - this.since_ >= MEMORY) {
      this.since_ = Date.now();
    }
    this.worked_ = kind;
    this.failed_ = 0;
    this.isSlow_ = false;
    this.patience = Math.min(Math.max(2000, 6 * milliseconds), LONGEST);
    try {
      this.storage_().setItem(KEY, this.since_ + ' ' + kind.transportName);
    } catch (error) {
      // Then only this client remembers.
    }
  }

  /** @return {string} Why each of this round failed. */
  get reasons() {
    return this.reasons_ || 'No transport works here';
  }

  /** @private */
  remember_() {
    try {
      const [since, name] = this.storage_().getItem(KEY).split(' ');
      this.worked_ = this.kinds_.find((kind) => kind.transportName === name) || null;
      this.since_ = Number(since);
    } catch (error) {
      // There is nothing to remember.
    }
  }
}

exports = Ladder;
