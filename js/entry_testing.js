/**
 * @fileoverview What the tests of a page need and the page itself does not:
 * compiled to a file of its own, so that no page carries it.
 */

goog.module('qmq.testing.entry');

const FakeTransport = goog.require('qmq.testing.FakeTransport');

qmqExports['FakeTransport'] = FakeTransport;
