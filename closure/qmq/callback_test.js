/** @fileoverview Tests of qmq.callback. */

goog.module('qmq.callbackTest');
goog.setTestOnly();

const MockClock = goog.require('goog.testing.MockClock');
const callback = goog.require('qmq.callback');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testCallsWithTheValue() {
    const seen = [];
    callback.run((x) => seen.push(x), 5);
    callback.run(null, 5);
    callback.run(undefined, 5);
    assertArrayEquals([5], seen);
  },

  testAnErrorComesUpLaterAndWhole() {
    const clock = new MockClock(true);
    try {
      const wrong = new Error('of the page');
      callback.run(() => {
        throw wrong;
      }, 1);
      assertEquals(wrong, assertThrows(() => clock.tick()));
    } finally {
      clock.uninstall();
    }
  },
});
