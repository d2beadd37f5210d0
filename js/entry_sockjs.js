/**
 * @fileoverview SockJS as a transport, for pages that have it: compiled to a
 * file of its own, so that other pages do not carry it.
 */

goog.module('qmq.sockjs.entry');

const {transport} = goog.require('qmq.net.sockjs');

qmqExports['transport'] = transport;
