/**
 * @fileoverview The four states of a client. What leads from one to the next
 * is in qmq.Client; this file holds the words only, never a transition.
 */

goog.module('qmq.State');

/**
 * A client begins as CONNECTING. WAITING is the time between two tries. CLOSED
 * is final.
 * @enum {string}
 */
const State = {
  CONNECTING: 'connecting',
  OPEN: 'open',
  WAITING: 'waiting',
  CLOSED: 'closed',
};

exports = State;
