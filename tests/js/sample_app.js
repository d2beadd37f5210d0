/**
 * @fileoverview A small Closure application, compiled in ADVANCED mode by
 * test_dist.py: it shows that EventClient type-checks for such a page, and that
 * what it brings with it compiles without a warning. It is never run.
 */

goog.module('sample.App');

const ClientEvent = goog.require('qmq.closure.ClientEvent');
const Disposable = goog.require('goog.Disposable');
const EventClient = goog.require('qmq.closure.EventClient');
const EventHandler = goog.require('goog.events.EventHandler');

class App extends Disposable {
  /** @param {!Element} list */
  constructor(list) {
    super();
    /** @private @const {!Element} */
    this.list_ = list;
    /** @private @const {!EventClient} */
    this.client_ = new EventClient('/stomp', {token: () => 'secret'});
    this.registerDisposable(this.client_);
    /** @private @const {!EventHandler<!App>} */
    this.handler_ = new EventHandler(this);
    this.registerDisposable(this.handler_);
    const {ERROR, MESSAGE, STATE} = EventClient.EventType;
    this.handler_.listen(this.client_, MESSAGE, this.onMessage_)
        .listen(this.client_, ERROR, this.onError_)
        .listen(this.client_, STATE, () => this.show_(this.client_.getState()));
    this.client_.subscribe('/topic/chat', {maxMessages: 100});
    this.client_.subscribe('/queue/jobs', {ack: 'client-individual', prefetch: 1});
    this.client_.request('/queue/sums', [1, 2], {timeout: 500})
        .then((reply) => this.show_(reply.text()));
  }

  /**
   * @param {!ClientEvent} event
   * @private
   */
  onMessage_(event) {
    this.show_(event.message.text());
    if (event.message.redelivered) event.message.nack({requeue: false});
    else event.message.ack();
  }

  /**
   * @param {!ClientEvent} event
   * @private
   */
  onError_(event) {
    this.show_(event.error.code + (event.error.retry ? ', try again' : ''));
  }

  /**
   * @param {string} text
   * @private
   */
  show_(text) {
    const item = document.createElement('li');
    item.textContent = text;
    this.list_.appendChild(item);
  }
}

const app = new App(document.body);
window.addEventListener('pagehide', () => app.dispose());
