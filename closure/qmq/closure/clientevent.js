/**
 * @fileoverview What a qmq.closure.EventClient dispatches: one class of event
 * for all its types. Which field is set is a matter of the type.
 */

goog.module('qmq.closure.ClientEvent');

const Event = goog.require('goog.events.Event');
const Message = goog.requireType('qmq.Message');
const QmqError = goog.requireType('qmq.Error');
const State = goog.requireType('qmq.State');
const Subscription = goog.requireType('qmq.Subscription');

class ClientEvent extends Event {
  /** @param {string} type One of EventClient.EventType. */
  constructor(type) {
    super(type);
    /** @type {?State} The new state, of STATE. */
    this.state = null;
    /** @type {?QmqError} What went wrong, of ERROR. */
    this.error = null;
    /** @type {?Message} The message, of MESSAGE. */
    this.message = null;
    /** @type {?Subscription} For whom the message came, of MESSAGE. */
    this.subscription = null;
  }
}

exports = ClientEvent;
