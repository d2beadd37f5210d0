/**
 * @fileoverview qmq.connect(), the way in for pages that do not like `new`. It
 * adds nothing to qmq.Client.
 */

goog.module('qmq.connect');

const Client = goog.require('qmq.Client');
const {ClientOptions} = goog.requireType('qmq.options');

/**
 * @param {string} url
 * @param {!ClientOptions=} options
 * @return {!Client}
 */
function connect(url, options = {}) {
  return new Client(url, options);
}

exports = connect;
