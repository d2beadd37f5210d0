/**
 * @fileoverview Reads the answers of /poll: packets of octets, each with its
 * number, and at last the end of the session. It takes them cut anywhere, and
 * hands on nothing that is not whole: the server gives the rest again. One
 * reader is for one answer; it fetches nothing.
 */

goog.module('qmq.net.PacketReader');

/** A line that is longer is none of ours. */
const /** number */ LINE = 64;

/** More than any server sends as one packet. */
const /** number */ MOST = 32 * 1024 * 1024;

/** A number and octets; or, at the end of a session, a number and a name. */
class Packet {
  /**
   * @param {number} number Its place in the session, or the close number.
   * @param {?Uint8Array} data Null at the end of the session.
   * @param {string} name Of what ended it.
   */
  constructor(number, data, name) {
    /** @const {number} */
    this.number = number;
    /** @const {?Uint8Array} */
    this.data = data;
    /** @const {string} */
    this.name = name;
  }
}

class PacketReader {
  constructor() {
    /** @private {string} What has come of a line. */
    this.line_ = '';
    /** @private {number} */
    this.number_ = 0;
    /** @private {?Uint8Array} A packet that is not whole yet. */
    this.data_ = null;
    /** @private {number} How much of it is there. */
    this.filled_ = 0;
  }

  /**
   * @param {!Uint8Array} octets
   * @return {!Array<!Packet>} What is whole now.
   * @throws {Error} If it is no answer of /poll.
   */
  feed(octets) {
    const packets = [];
    let at = 0;
    while (at < octets.length) {
      if (this.data_) {
        at += this.fill_(octets.subarray(at));
      } else {
        const letter = octets[at++];
        if (letter !== 10) {
          this.line_ += String.fromCharCode(letter);
          if (this.line_.length > LINE) throw new Error('no packet: ' + this.line_);
          continue;
        }
        const end = this.begin_();
        if (end) packets.push(end);
      }
      if (this.data_ && this.filled_ === this.data_.length) {
        packets.push(new Packet(this.number_, this.data_, ''));
        this.data_ = null;
      }
    }
    return packets;
  }

  /**
   * @param {!Uint8Array} octets
   * @return {number} How many belong to this packet.
   * @private
   */
  fill_(octets) {
    const part = octets.subarray(0, this.data_.length - this.filled_);
    this.data_.set(part, this.filled_);
    this.filled_ += part.length;
    return part.length;
  }

  /**
   * A line is whole.
   * @return {?Packet} If it is the end.
   * @private
   */
  begin_() {
    const line = this.line_;
    this.line_ = '';
    if (!line) return null;  // A sign of life.
    const end = /^end (\d{4}) ([\w-]+)$/.exec(line);
    if (end) return new Packet(Number(end[1]), null, end[2]);
    const head = /^(\d{1,15}) (\d{1,8})$/.exec(line);
    if (!head || Number(head[2]) > MOST) throw new Error('no packet: ' + line);
    this.number_ = Number(head[1]);
    this.data_ = new Uint8Array(Number(head[2]));
    this.filled_ = 0;
    return null;
  }
}

exports = {Packet, PacketReader};
