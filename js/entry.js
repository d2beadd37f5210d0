/**
 * @fileoverview What the compiled client gives to a page that is not compiled
 * with it. js/build.mjs wraps what this compiles to, once for script tags and
 * once as a module; both hand in qmqExports and name the same exports.
 */

goog.module('qmq.entry');

const Client = goog.require('qmq.Client');
const LongPollingTransport = goog.require('qmq.net.LongPollingTransport');
const QmqError = goog.require('qmq.Error');
const StreamingTransport = goog.require('qmq.net.StreamingTransport');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const connect = goog.require('qmq.connect');

qmqExports['connect'] = connect;
qmqExports['Client'] = Client;
qmqExports['Error'] = QmqError;
qmqExports['WebSocketTransport'] = WebSocketTransport;
qmqExports['StreamingTransport'] = StreamingTransport;
qmqExports['LongPollingTransport'] = LongPollingTransport;
