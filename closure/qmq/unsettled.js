/**
 * @fileoverview Which messages of one subscription the page has yet to settle,
 * by the ids that the server gave them for it. What it does not know it never
 * sends: to the server a message that is settled twice is an error, and the end
 * of the connection.
 */

goog.module('qmq.Unsettled');

const QmqError = goog.require('qmq.Error');
const {quiet} = goog.require('qmq.Answers');

class Unsettled {
  /**
   * @param {boolean} isCumulative Whether one settles all before it too.
   * @param {function(string, string, boolean): !Promise<void>} send Sends the
   *     command, the id and whether to requeue.
   */
  constructor(isCumulative, send) {
    /** @private @const {boolean} */
    this.isCumulative_ = isCumulative;
    /** @private @const {function(string, string, boolean): !Promise<void>} */
    this.send_ = send;
    /** @private @const {!Set<string>} In the order in which they came. */
    this.ids_ = new Set();
    /** @private {boolean} */
    this.isLost_ = false;
  }

  /** @param {string} id Of a message that came; empty if it needs no settling. */
  add(id) {
    if (id) this.ids_.add(id);
  }

  /**
   * @param {string} command ACK or NACK.
   * @param {string} id
   * @param {boolean} requeue
   * @return {!Promise<void>} Rejects with unknown-delivery, if there is no such
   *     message to settle; with connection-lost, if it came by a connection that
   *     has ended.
   */
  settle(command, id, requeue) {
    if (this.isLost_ && id) {
      // The message comes again; nobody need be bothered.
      return quiet(Promise.reject(new QmqError('connection-lost', 'It has gone back to its queue')));
    }
    if (!this.ids_.has(id)) {
      return quiet(Promise.reject(new QmqError('unknown-delivery', id ?
          'It is settled, or was given back' :
          'It came settled: subscribe with ack client or client-individual')));
    }
    if (this.isCumulative_) {
      for (const other of Array.from(this.ids_)) {
        if (other === id) break;
        this.ids_.delete(other);
      }
    }
    this.ids_.delete(id);
    return this.send_(command, id, requeue);
  }

  /** The connection ended: the server gives all of them back. */
  lose() {
    this.isLost_ = true;
  }

  /** The subscription ended: the server gives all of them back. */
  clear() {
    this.ids_.clear();
  }
}

exports = Unsettled;
