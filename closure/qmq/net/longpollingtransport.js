/**
 * @fileoverview The transport `long-polling`. Each answer is whole: it gets through wherever HTTP does.
 */

goog.module('qmq.net.LongPollingTransport');

const Listener = goog.requireType('qmq.net.Listener');
const PollTransport = goog.require('qmq.net.PollTransport');
const Transport = goog.requireType('qmq.net.Transport');

class LongPollingTransport {
  /**
   * @nocollapse
   * @return {boolean}
   */
  static enabled() {
    return typeof fetch === 'function';
  }

  /**
   * @nocollapse
   * @param {string} url
   * @param {!Listener} listener
   * @return {!Transport}
   */
  static create(url, listener) {
    return new PollTransport(url, listener, false);
  }
}

/**
 * @nocollapse
 * @const {string}
 */
LongPollingTransport.transportName = 'long-polling';

/**
 * @nocollapse
 * @const {boolean}
 */
LongPollingTransport.isPolling = true;

exports = LongPollingTransport;
