/**
 * @fileoverview The three states of a client. What leads from one to the next
 * is in qmq.Client; this file holds the words only, never a transition.
 */

goog.module('qmq.State');

/**
 * A client begins as CONNECTING. CLOSED is final.
 * @enum {string}
 */
const State = {
  CONNECTING: 'connecting',
  OPEN: 'open',
  CLOSED: 'closed',
};

exports = State;
