/** @fileoverview Tests of qmq.Outbox. */

goog.module('qmq.OutboxTest');
goog.setTestOnly();

const Outbox = goog.require('qmq.Outbox');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testSubscriptionsLeaveFirstAndEachKindInOrder() {
    const outbox = new Outbox(9, 99);
    outbox.offer('m1', false);
    outbox.offer('s1', true);
    outbox.offer('m2', false);
    outbox.offer('s2', true);
    assertEquals(4, outbox.length);
    assertArrayEquals(['s1', 's2', 'm1', 'm2'], outbox.takeAll());
    assertArrayEquals([], outbox.takeAll());
  },

  testTheLimitOfMessages() {
    const outbox = new Outbox(2, 99);
    assertTrue(outbox.offer('a', false));
    assertTrue(outbox.offer('b', true));
    assertFalse(outbox.offer('c', true));
    assertArrayEquals(['b', 'a'], outbox.takeAll());
    assertTrue(outbox.offer('d', false));
  },

  testTheLimitOfBytesCountsBytes() {
    const outbox = new Outbox(9, 6);
    assertTrue(outbox.offer('\u20ac', false));
    assertFalse(outbox.offer('abcd', false));
    assertTrue(outbox.offer(Uint8Array.of(1, 2, 3), false));
    assertFalse(outbox.offer('a', false));
  },

  testWithdrawMakesRoomAgain() {
    const outbox = new Outbox(9, 2);
    outbox.offer('s', true);
    outbox.offer('m', false);
    outbox.withdraw('s');
    outbox.withdraw('never there');
    assertTrue(outbox.offer('t', true));
    assertFalse(outbox.offer('u', true));
    outbox.withdraw('m');
    assertTrue(outbox.offer('n', false));
    assertArrayEquals(['t', 'n'], outbox.takeAll());
    outbox.withdraw('n');
    assertArrayEquals([], outbox.takeAll());
  },
});
