/**
 * @fileoverview What the compiled client gives to a page that is not compiled
 * with it. js/build.mjs wraps what this compiles to, once for script tags and
 * once as a module; both hand in qmqExports and name the same exports.
 */

goog.module('qmq.entry');

const Client = goog.require('qmq.Client');
const QmqError = goog.require('qmq.Error');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const connect = goog.require('qmq.connect');

qmqExports['connect'] = connect;
qmqExports['Client'] = Client;
qmqExports['Error'] = QmqError;
qmqExports['WebSocketTransport'] = WebSocketTransport;
