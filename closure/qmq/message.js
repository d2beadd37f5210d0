/**
 * @fileoverview One message as the page sees it. The body stays bytes until
 * somebody asks for more: a page that only counts messages decodes none.
 *
 *     client.subscribe('/topic/prices.*', (m) => render(m.json()));
 *
 * What it can do besides, ack, nack and reply, it leaves to whoever made it.
 */

goog.module('qmq.Message');

const Frame = goog.requireType('qmq.stomp.Frame');
const QmqError = goog.require('qmq.Error');
const Unsettled = goog.requireType('qmq.Unsettled');
const {quiet} = goog.require('qmq.Answers');
const {NackOptions, PublishOptions} = goog.requireType('qmq.options');

/** @const {!TextDecoder} */
const UTF8 = new TextDecoder();

class Message {
  /**
   * @param {!Frame} frame A MESSAGE frame.
   * @param {!Unsettled} unsettled Of its subscription.
   * @param {function(string, *, !PublishOptions): !Promise<void>} publish
   */
  constructor(frame, unsettled, publish) {
    /** @export @const {string} */
    this.destination = frame.headers.get('destination') || '';
    /** @export @const {string} The server's name for it (message-id). */
    this.id = frame.headers.get('message-id') || '';
    /** @export @const {!Object<string, string>} */
    this.headers = toObject(frame.headers);
    /** @private @const {!Uint8Array} */
    this.body_ = frame.body;
    /** @private @const {!Unsettled} */
    this.unsettled_ = unsettled;
    /** @private @const {function(string, *, !PublishOptions): !Promise<void>} */
    this.publish_ = publish;
    unsettled.add(this.headers['ack'] || '');
  }

  /**
   * @export
   * @return {boolean} Whether it was delivered before, to whomever.
   */
  get redelivered() {
    return this.headers['redelivered'] === 'true';
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

  /**
   * The work is done; the queue forgets the message.
   * @export
   * @return {!Promise<void>} Resolves on the server's receipt. Rejects with
   *     unknown-delivery if there is nothing to settle (any more).
   */
  ack() {
    return this.settle_('ACK', true);
  }

  /**
   * The work was not done.
   * @export
   * @param {!NackOptions=} options
   * @return {!Promise<void>} As that of ack.
   */
  nack(options = /** @type {!NackOptions} */ ({})) {
    return this.settle_('NACK', options.requeue !== false);
  }

  /**
   * Answers a request.
   * @export
   * @param {*=} body As for publish.
   * @param {!Object<string, string>=} headers More headers of the reply.
   * @return {!Promise<void>} As that of publish. Rejects with missing-header if
   *     the message asks for no reply.
   */
  reply(body, headers = {}) {
    const to = this.headers['reply-to'];
    const id = this.headers['correlation-id'];
    if (!to) {
      return quiet(Promise.reject(
          new QmqError('missing-header', 'The message has no reply-to')));
    }
    const own = id === undefined ? {} : {'correlation-id': id};
    return this.publish_(
        to, body, {headers: Object.assign({}, headers, own)});
  }

  /**
   * @param {string} command
   * @param {boolean} requeue
   * @return {!Promise<void>}
   * @private
   */
  settle_(command, requeue) {
    return this.unsettled_.settle(command, this.headers['ack'] || '', requeue);
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
