/**
 * @fileoverview The subscriptions of one client by their ids, and which of them
 * waits for which receipt. On each connection all of them are asked for anew.
 * It sends nothing.
 */

goog.module('qmq.Subscriptions');

const QmqError = goog.requireType('qmq.Error');
const Subscription = goog.requireType('qmq.Subscription');

class Subscriptions {
  /** @param {function(): string} receiptId Makes ids for receipts. */
  constructor(receiptId) {
    /** @private @const {function(): string} */
    this.receiptId_ = receiptId;
    /** @private {number} The server shares work between equal ids. */
    this.next_ = 0;
    /** @private @const {!Map<string, !Subscription>} By id. */
    this.all_ = new Map();
    /** @private @const {!Map<string, string>} Ids by the receipts that are awaited. */
    this.awaited_ = new Map();
  }

  /** @return {string} The id of the next one. */
  get nextId() {
    return String(this.next_);
  }

  /**
   * @param {!Subscription} subscription
   * @return {string|!Uint8Array} Its SUBSCRIBE frame.
   * @throws {QmqError} bad-header, if a header cannot be sent.
   */
  add(subscription) {
    const id = this.nextId;
    const data = this.frame_(id, subscription);
    this.next_++;
    this.all_.set(id, subscription);
    return data;
  }

  /** @return {!Array<string|!Uint8Array>} The SUBSCRIBE frames of all. */
  frames() {
    return Array.from(
        this.all_, ([id, subscription]) => this.frame_(id, subscription));
  }

  /**
   * @param {string} id
   * @param {!Subscription} subscription
   * @return {string|!Uint8Array}
   * @private
   */
  frame_(id, subscription) {
    const receipt = this.receiptId_();
    const data = subscription.frame(id, receipt);
    this.awaited_.set(receipt, id);
    return data;
  }

  /**
   * @param {string} id
   * @return {!Subscription|undefined}
   */
  get(id) {
    return this.all_.get(id);
  }

  /**
   * @param {string} id
   * @return {!Subscription|undefined} The one that was taken away.
   */
  take(id) {
    const subscription = this.all_.get(id);
    this.all_.delete(id);
    return subscription;
  }

  /**
   * @param {string} receipt If none waits for it, nothing happens.
   * @param {!Map<string, string>} headers What it says.
   */
  grant(receipt, headers) {
    const subscription = this.all_.get(this.awaited_.get(receipt) || '');
    this.awaited_.delete(receipt);
    if (subscription) subscription.grant(headers);
  }

  /**
   * The server refused one, which is then none of them any more.
   * @param {string} receipt
   * @param {!QmqError} error
   * @return {boolean} Whether one waited for this receipt.
   */
  fail(receipt, error) {
    const subscription = this.take(this.awaited_.get(receipt) || '');
    if (subscription) subscription.refuse(error);
    // One that the page has ended meanwhile is not there.
    return this.awaited_.delete(receipt);
  }

  /** The connection ended. */
  lose() {
    this.awaited_.clear();
    this.all_.forEach((subscription) => subscription.lose());
  }

  /**
   * The client ended.
   * @param {!QmqError} error
   */
  failAll(error) {
    this.lose();
    this.all_.forEach((subscription) => subscription.fail(error));
    this.all_.clear();
  }
}

exports = Subscriptions;
