/**
 * @fileoverview The page of a Closure application: shows its connection, waves,
 * and lists who waved. It is loaded as it is, and compiled together with the
 * client by js/build.mjs. It begins as soon as it is required, and keeps nothing.
 */

goog.module('qmq.demo.hello');

const Client = goog.require('qmq.Client');
const Message = goog.requireType('qmq.Message');
const QmqError = goog.requireType('qmq.Error');

const /** string */ TOPIC = '/topic/demo.waves';
const /** number */ MAX_LINES = 8;

/** One page with its connection. */
class Page {
  constructor() {
    /** @private @const {!Client} */
    this.client_ = new Client('/stomp', {
      onstate: () => this.show_(),
      onerror: (error) => this.tell_(error),
    });
    /** @private @const {!Element} */
    this.waves_ = byId('waves');
  }

  /** Listens, and lets the button wave. */
  begin() {
    // Those who come later see who waved before: the gateway keeps the past.
    this.client_.subscribe(
        TOPIC, (message) => this.add_(message),
        {from: 'earliest', maxMessages: 100, overflow: 'drop-oldest'});
    byId('wave').addEventListener('click', () => void this.wave_());
    this.show_();
  }

  /** @private */
  async wave_() {
    const wave = {'from': document.body.dataset['way'], 'at': Date.now()};
    try {
      await this.client_.publish(TOPIC, wave);
    } catch (error) {
      this.tell_(/** @type {!QmqError} */ (error));
    }
  }

  /** @private */
  show_() {
    const {state, transport} = this.client_;
    const light = byId('state');
    light.dataset['state'] = state;
    light.textContent = transport ? `${state} · ${transport}` : state;
    if (state === 'open') byId('reason').hidden = true;
  }

  /**
   * @param {!QmqError} error
   * @private
   */
  tell_(error) {
    byId('reason').hidden = false;
    byId('reason').textContent = `${error.message}. ${error.detail}`;
  }

  /**
   * @param {!Message} message
   * @private
   */
  add_(message) {
    const wave = message.json();
    const line = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = new Date(Number(wave['at'])).toLocaleTimeString();
    line.append(String(wave['from']), time);
    this.waves_.prepend(line);
    if (this.waves_.children.length > MAX_LINES) this.waves_.lastElementChild.remove();
    byId('none').hidden = true;
  }
}

/**
 * @param {string} id
 * @return {!HTMLElement}
 */
function byId(id) {
  return /** @type {!HTMLElement} */ (document.getElementById(id));
}

new Page().begin();
