/** @fileoverview Tests of qmq.Subscription. */

goog.module('qmq.SubscriptionTest');
goog.setTestOnly();

const Frame = goog.require('qmq.stomp.Frame');
const Subscription = goog.require('qmq.Subscription');
const recordFunction = goog.require('goog.testing.recordFunction');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testDeliversAMessage() {
    const seen = [];
    const sub = new Subscription('/topic/*', (m) => seen.push(m.destination),
        Promise.resolve({}), () => Promise.resolve(),
        (frame) => ({destination: frame.headers.get('destination')}));
    sub.deliver(new Frame('MESSAGE', new Map([['destination', '/topic/a']]),
        new Uint8Array(0)));
    assertArrayEquals(['/topic/a'], seen);
    assertEquals('/topic/*', sub.destination);
  },

  testUnsubscribesOnce() {
    const end = recordFunction(() => Promise.resolve());
    const sub = new Subscription(
        '/topic/a', () => {}, Promise.resolve({}), end, fail);
    assertEquals(sub.unsubscribe(), sub.unsubscribe());
    assertEquals(1, end.getCallCount());
  },
});
