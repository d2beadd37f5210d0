/** @fileoverview Tests of qmq.Receipts. */

goog.module('qmq.ReceiptsTest');
goog.setTestOnly();

const QmqError = goog.require('qmq.Error');
const testSuite = goog.require('goog.testing.testSuite');
const {Receipts} = goog.require('qmq.Receipts');

testSuite({
  testIdsAreNeverGivenTwice() {
    const receipts = new Receipts();
    assertEquals('0', receipts.nextId());
    assertEquals('1', receipts.nextId());
  },

  async testAReceiptResolvesItsOwnPromise() {
    const receipts = new Receipts();
    const a = receipts.expect('a', (headers) => headers.get('k'));
    const b = receipts.expect('b', () => 'other');
    receipts.settle('b', new Map());
    receipts.settle('a', new Map([['k', 'v']]));
    receipts.settle('a', new Map([['k', 'again']]));
    assertEquals('v', await a);
    assertEquals('other', await b);
  },

  async testAnErrorRejectsItsOwnPromise() {
    const receipts = new Receipts();
    const a = receipts.expect('a', () => {});
    const error = new QmqError('bad-destination');
    assertTrue(receipts.fail('a', error));
    assertFalse(receipts.fail('a', error));
    assertFalse(receipts.fail('unknown', error));
    assertEquals(error, await assertRejects(a));
  },

  async testTheEndRejectsAll() {
    const receipts = new Receipts();
    const all = [receipts.expect('a', () => {}), receipts.expect('b', () => {})];
    const error = new QmqError('closed');
    receipts.failAll(error, true);
    for (const one of all) assertEquals(error, await assertRejects(one));
  },
});
