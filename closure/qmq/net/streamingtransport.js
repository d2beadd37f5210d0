/**
 * @fileoverview The transport `streaming`. Answers are read as they come: as quick as a WebSocket, where nothing on the way holds them back.
 */

goog.module('qmq.net.StreamingTransport');

const Listener = goog.requireType('qmq.net.Listener');
const PollTransport = goog.require('qmq.net.PollTransport');
const Transport = goog.requireType('qmq.net.Transport');

class StreamingTransport {
  /**
   * @nocollapse
   * @return {boolean}
   */
  static enabled() {
    return typeof fetch === 'function' && typeof ReadableStream === 'function';
  }

  /**
   * @nocollapse
   * @param {string} url
   * @param {!Listener} listener
   * @return {!Transport}
   */
  static create(url, listener) {
    return new PollTransport(url, listener, true);
  }
}

/**
 * @nocollapse
 * @const {string}
 */
StreamingTransport.transportName = 'streaming';

/**
 * @nocollapse
 * @const {boolean}
 */
StreamingTransport.isPolling = true;

exports = StreamingTransport;
