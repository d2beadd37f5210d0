/**
 * @fileoverview One message as the page sees it. The body stays bytes until
 * somebody asks for more: a page that only counts messages decodes none.
 *
 *     client.subscribe('/topic/prices.*', (m) => render(m.json()));
 */

goog.module('qmq.Message');

const Frame = goog.requireType('qmq.stomp.Frame');

/** @const {!TextDecoder} */
const UTF8 = new TextDecoder();

class Message {
  /** @param {!Frame} frame A MESSAGE frame. */
  constructor(frame) {
    /** @export @const {string} */
    this.destination = frame.headers.get('destination') || '';
    /** @export @const {string} The server's name for it (message-id). */
    this.id = frame.headers.get('message-id') || '';
    /** @export @const {!Object<string, string>} */
    this.headers = toObject(frame.headers);
    /** @private @const {!Uint8Array} */
    this.body_ = frame.body;
  }

  /**
   * @export
   * @return {!Uint8Array} The body itself, not a copy.
   */
  bytes() {
    return this.body_;
  }

  /**
   * @export
   * @return {string} The body as UTF-8; what is none becomes U+FFFD.
   */
  text() {
    return UTF8.decode(this.body_);
  }

  /**
   * @export
   * @return {?} The body as JSON.
   * @throws {SyntaxError} If it is none.
   */
  json() {
    return JSON.parse(this.text());
  }
}

/**
 * Entries are defined, not assigned, so that a header of the name __proto__ is
 * a header and nothing more.
 * @param {!Map<string, string>} map
 * @return {!Object<string, string>}
 */
function toObject(map) {
  return /** @type {!Object<string, string>} */ (Object.fromEntries(map));
}

exports = Message;
