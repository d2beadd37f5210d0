/**
 * @fileoverview qmq.Client for Closure applications: a goog.events.EventTarget
 * and a goog.Disposable. It is thin on purpose: every decision is the client's,
 * and here is only the translation. It is compiled only where it is required;
 * it alone, of all our files, imports the Closure Library.
 *
 *     const client = new EventClient('/stomp', {token: fetchToken});
 *     this.registerDisposable(client);
 *     handler.listen(client, EventClient.EventType.MESSAGE, this.onMessage_);
 *     const prices = client.subscribe('/topic/prices.*');
 *
 * The order of events is that of qmq.Client. Disposing of it fires the last
 * STATE event and nothing after it.
 */

goog.module('qmq.closure.EventClient');

const Client = goog.require('qmq.Client');
const ClientEvent = goog.require('qmq.closure.ClientEvent');
const EventTarget = goog.require('goog.events.EventTarget');
const Message = goog.requireType('qmq.Message');
const State = goog.requireType('qmq.State');
const Subscription = goog.requireType('qmq.Subscription');
const {ClientOptions, PublishOptions, RequestOptions, SubscribeOptions} = goog.requireType('qmq.options');

class EventClient extends EventTarget {
  /**
   * @param {string} url
   * @param {!ClientOptions=} options Its onstate and onerror work as well.
   */
  constructor(url, options = {}) {
    super();
    /** @private @const {!Client} */
    this.client_ = new Client(url, options);
    this.client_.on('state', (state) => {
      const event = new ClientEvent(EventClient.EventType.STATE);
      event.state = /** @type {!State} */ (state);
      this.dispatchEvent(event);
    });
    this.client_.on('error', (error) => {
      const event = new ClientEvent(EventClient.EventType.ERROR);
      event.error = error;
      this.dispatchEvent(event);
    });
  }

  /** @return {!Client} The client underneath. */
  getClient() {
    return this.client_;
  }

  /** @return {!State} */
  getState() {
    return this.client_.state;
  }

  /**
   * Its messages are dispatched as MESSAGE events.
   * @param {string} destination
   * @param {!SubscribeOptions=} options
   * @return {!Subscription}
   */
  subscribe(destination, options = {}) {
    const subscription = this.client_.subscribe(destination, (message) => {
      const event = new ClientEvent(EventClient.EventType.MESSAGE);
      event.message = message;
      event.subscription = subscription;
      this.dispatchEvent(event);
    }, options);
    return subscription;
  }

  /**
   * @param {string} destination
   * @param {*} body
   * @param {!PublishOptions=} options
   * @return {!Promise<void>} As that of qmq.Client.
   */
  publish(destination, body, options = {}) {
    return this.client_.publish(destination, body, options);
  }

  /**
   * @param {string} destination
   * @param {*=} body
   * @param {!RequestOptions=} options
   * @return {!Promise<!Message>} As that of qmq.Client.
   */
  request(destination, body, options = {}) {
    return this.client_.request(destination, body, options);
  }

  /**
   * The client goes first: its last events still find their listeners.
   * @override
   */
  disposeInternal() {
    this.client_.dispose();
    super.disposeInternal();
  }
}

/**
 * What to listen for; each is a ClientEvent. The prefix keeps them apart from
 * the browser's own where events bubble to a common parent.
 * @enum {string}
 */
EventClient.EventType = {
  STATE: 'qmq-state',
  ERROR: 'qmq-error',
  MESSAGE: 'qmq-message',
};

exports = EventClient;
