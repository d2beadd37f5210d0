/**
 * @fileoverview How far a page has read: the id of the last message of each
 * origin, as the server wants it in the header `cursor`. See docs/history.md.
 */

goog.module('qmq.Cursor');

class Cursor {
  /** @param {string} text As the server gave it. */
  constructor(text) {
    /** @private @const {!Map<string, string>} */
    this.ids_ = new Map();
    for (const id of text.split(',')) this.advance(id);
  }

  /** @param {string} id Of a message that came; one that is none changes nothing. */
  advance(id) {
    const parts = id.split('.');
    if (parts.length === 3) this.ids_.set(parts[0], id);
  }

  /**
   * @return {string} Empty if nothing is known.
   * @override
   */
  toString() {
    return Array.from(this.ids_.values()).join(',');
  }
}

exports = Cursor;
