/** @fileoverview Tests of qmq.Backoff. */

goog.module('qmq.BackoffTest');
goog.setTestOnly();

const Backoff = goog.require('qmq.Backoff');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testDoublesUpToItsCapAndBeginsAnew() {
    const backoff = new Backoff(() => 1);
    const waits = [];
    for (let i = 0; i < 8; i++) waits.push(backoff.next(0, false));
    assertArrayEquals([500, 1000, 2000, 4000, 8000, 16000, 20000, 20000], waits);
    backoff.reset();
    assertEquals(500, backoff.next(0, false));
  },

  testIsAnyPartOfThat() {
    assertEquals(0, new Backoff(() => 0).next(0, false));
    assertEquals(125, new Backoff(() => 0.25).next(0, false));
    const wait = new Backoff().next(0, false);
    assertTrue(wait >= 0 && wait < 500);
  },

  testWaitsAtLeastAsLongAsTheServerAsks() {
    assertEquals(3250, new Backoff(() => 0.5).next(3000, false));
  },

  testWithoutANetworkItTriesRarely() {
    assertEquals(10000, new Backoff(() => 0).next(0, true));
    assertEquals(20000, new Backoff(() => 1).next(0, true));
  },
});
