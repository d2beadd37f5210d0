/**
 * @fileoverview What comes from the wire, to frames. Feed it pieces of any
 * size; it answers with the frames that are now complete:
 *
 *     for (const frame of decoder.feed(data)) handle(frame);
 *     if (decoder.error) give up;
 *
 * It never throws and never reads on after an error: once invalid, for ever
 * invalid. Whatever it keeps has a limit.
 */

goog.module('qmq.stomp.Decoder');

const ByteBuffer = goog.require('qmq.stomp.ByteBuffer');
const Frame = goog.require('qmq.stomp.Frame');
const head = goog.require('qmq.stomp.head');

/**
 * @record
 */
class Limits {
  constructor() {
    /** @type {number|undefined} Default 16 MiB. */
    this.maxBody;
    /** @type {number|undefined} Default 256. */
    this.maxHeaders;
    /** @type {number|undefined} Command and headers; default 64 KiB. */
    this.maxHeaderBytes;
  }
}

/** @const {!RegExp} The only commands whose frames may have a body. */
const WITH_BODY = /^(SEND|MESSAGE|ERROR)$/;

class Decoder {
  /** @param {!Limits=} limits */
  constructor(limits = /** @type {!Limits} */ ({})) {
    /** @private @const {number} */
    this.maxBody_ = limits.maxBody || 16 * 1024 * 1024;
    /** @private @const {number} */
    this.maxHeaders_ = limits.maxHeaders || 256;
    /** @private @const {number} */
    this.maxHeaderBytes_ = limits.maxHeaderBytes || 64 * 1024;
    /** @private @const {!ByteBuffer} */
    this.buffer_ = new ByteBuffer();
    /** @private {?head.Head} Of the frame whose body is awaited. */
    this.head_ = null;
    /** @private {?string} */
    this.error_ = null;
  }

  /** @return {?string} The code of what was wrong, or null. */
  get error() {
    return this.error_;
  }

  /**
   * @param {string|!Uint8Array} data
   * @return {!Array<!Frame>} The frames that are complete with it.
   */
  feed(data) {
    const frames = [];
    if (this.error_) return frames;
    this.buffer_.append(data);
    for (;;) {
      if (!this.head_ && !this.readHead_()) return frames;
      const body = this.readBody_();
      if (!body) return frames;
      frames.push(new Frame(this.head_.command, this.head_.headers, body));
      this.head_ = null;
    }
  }

  /**
   * @return {boolean} Whether a head was read.
   * @private
   */
  readHead_() {
    this.buffer_.skipLineEnds();
    const length = this.buffer_.findBlankLine();
    if ((length < 0 ? this.buffer_.length : length) > this.maxHeaderBytes_) {
      return this.fail_('headers-too-large');
    }
    if (length < 0) {
      // A lone NUL would wait for ever for the line that it ends.
      return this.buffer_.indexOf(0) < 0 ? false : this.fail_('bad-frame');
    }
    const parsed = head.parse(this.buffer_.take(length), this.maxHeaders_);
    if (parsed.error) return this.fail_(parsed.error);
    this.head_ = parsed;
    return true;
  }

  /**
   * @return {?Uint8Array} Null if it is not all there, or wrong.
   * @private
   */
  readBody_() {
    let known = this.head_.bodyLength;
    if (known > 0 && !WITH_BODY.test(this.head_.command)) {
      // It may repeat the content-length of another frame, and have no body.
      if (!this.buffer_.length) return null;
      if (!this.buffer_.at(0)) known = 0;
    }
    const length = known < 0 ? this.buffer_.indexOf(0) : known;
    if ((length < 0 ? this.buffer_.length : length) > this.maxBody_) {
      this.fail_('frame-too-large');
      return null;
    }
    if (length < 0 || this.buffer_.length <= length) return null;
    if (this.buffer_.at(length) !== 0) {
      this.fail_('bad-frame');
      return null;
    }
    return this.buffer_.take(length + 1).subarray(0, length);
  }

  /**
   * @param {string} code
   * @return {boolean} False, always.
   * @private
   */
  fail_(code) {
    this.error_ = code;
    this.buffer_.clear();
    return false;
  }
}

exports = Decoder;
