/**
 * @fileoverview Bytes that came and were not read yet. It remembers how far it
 * was searched, so that a body which comes in a thousand pieces is searched
 * once and not a thousand times, and it grows by doubling, so that it is not
 * copied a thousand times either. It knows lines and no frames, and sets no
 * limits: its user asks for the length.
 */

goog.module('qmq.stomp.ByteBuffer');

/** @const {number} */
const LF = 10;

/** @const {number} */
const CR = 13;

/** @const {!TextEncoder} */
const UTF8 = new TextEncoder();

class ByteBuffer {
  constructor() {
    /** @private {!Uint8Array} */
    this.bytes_ = new Uint8Array(0);
    /** @private {number} Where the unread bytes begin. */
    this.start_ = 0;
    /** @private {number} Where they end. */
    this.end_ = 0;
    /** @private {number} Up to here the last search found nothing. */
    this.searched_ = 0;
  }

  /** @return {number} */
  get length() {
    return this.end_ - this.start_;
  }

  /**
   * @param {string|!Uint8Array} data
   */
  append(data) {
    const more = typeof data === 'string' ? UTF8.encode(data) : data;
    if (!this.length) {
      // Nothing is left over, as nearly always: no copy.
      this.bytes_ = more;
      this.start_ = this.searched_ = 0;
      this.end_ = more.length;
      return;
    }
    this.makeRoom_(more.length);
    this.bytes_.set(more, this.end_);
    this.end_ += more.length;
  }

  /**
   * Bytes given to append are never written to: room is made in a copy.
   * @param {number} count
   * @private
   */
  makeRoom_(count) {
    if (this.end_ + count <= this.bytes_.length) return;
    const bigger = new Uint8Array(2 * (this.length + count));
    bigger.set(this.bytes_.subarray(this.start_, this.end_));
    this.searched_ -= this.start_;
    this.end_ -= this.start_;
    this.start_ = 0;
    this.bytes_ = bigger;
  }

  /**
   * @param {number} index
   * @return {number}
   */
  at(index) {
    return this.bytes_[this.start_ + index];
  }

  /**
   * @param {number} byte
   * @return {number} -1 if it has not come.
   */
  indexOf(byte) {
    const at = this.find_(byte, this.searched_);
    this.searched_ = at < 0 ? this.end_ : at;
    return at < 0 ? -1 : at - this.start_;
  }

  /** Skips what keeps a connection alive between two frames. */
  skipLineEnds() {
    while (this.length) {
      const width = this.lineEndAt_(this.start_);
      if (!width) break;
      this.start_ += width;
    }
    this.searched_ = Math.max(this.searched_, this.start_);
  }

  /**
   * @return {number} The length up to and with the blank line that ends a
   *     frame's head; -1 if it has not come.
   */
  findBlankLine() {
    let at = this.start_;
    while ((at = this.find_(LF, at)) >= 0) {
      const width = this.lineEndAt_(at + 1);
      if (width) return at + 1 + width - this.start_;
      at++;
    }
    return -1;
  }

  /**
   * @param {number} count
   * @return {!Uint8Array} The first bytes, in memory of their own.
   */
  take(count) {
    const taken = this.bytes_.slice(this.start_, this.start_ + count);
    this.start_ += count;
    this.searched_ = this.start_;
    return taken;
  }

  /** Forgets everything. */
  clear() {
    this.bytes_ = new Uint8Array(0);
    this.start_ = this.end_ = this.searched_ = 0;
  }

  /**
   * @param {number} byte
   * @param {number} from
   * @return {number}
   * @private
   */
  find_(byte, from) {
    const at = this.bytes_.indexOf(byte, from);
    // Beyond the end lies what was read long ago.
    return at < this.end_ ? at : -1;
  }

  /**
   * @param {number} at
   * @return {number} How many bytes of line end are there: 0, 1 or 2.
   * @private
   */
  lineEndAt_(at) {
    if (at >= this.end_) return 0;
    if (this.bytes_[at] === LF) return 1;
    const isPair = at + 1 < this.end_ && this.bytes_[at] === CR &&
        this.bytes_[at + 1] === LF;
    return isPair ? 2 : 0;
  }
}

exports = ByteBuffer;
