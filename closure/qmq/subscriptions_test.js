/** @fileoverview Tests of qmq.Subscriptions. */

goog.module('qmq.SubscriptionsTest');
goog.setTestOnly();

const QmqError = goog.require('qmq.Error');
const Subscriptions = goog.require('qmq.Subscriptions');
const testSuite = goog.require('goog.testing.testSuite');

let told;
let all;

function sub(name) {
  return {
    frame: (id, receipt) => `${name} ${id} ${receipt}`,
    grant: (headers) => told.push(name + ' ' + headers.get('k')),
    fail: (error) => told.push(`${name} ${error.code}`),
    refuse: (error) => told.push(`${name} refused ${error.code}`),
    lose: () => told.push(name + ' lost'),
  };
}

testSuite({
  setUp() {
    told = [];
    let receipt = 0;
    all = new Subscriptions(() => 'r' + receipt++);
  },

  testEachHasItsIdAndIsAskedForAnew() {
    assertEquals('0', all.nextId);
    assertEquals('a 0 r0', all.add(sub('a')));
    assertEquals('b 1 r1', all.add(sub('b')));
    assertArrayEquals(['a 0 r2', 'b 1 r3'], all.frames());
    assertEquals('2', all.nextId);
  },

  testOneThatCannotBeSentIsNone() {
    const bad = sub('a');
    bad.frame = () => {
      throw new QmqError('bad-header');
    };
    assertThrows(() => all.add(bad));
    assertEquals('0', all.nextId);
    assertArrayEquals([], all.frames());
  },

  testAReceiptGrantsItsOwn() {
    all.add(sub('a'));
    all.add(sub('b'));
    for (let i = 0; i < 2; i++) all.grant('r1', new Map([['k', 'v']]));
    all.grant('r9', new Map());
    assertArrayEquals(['b v'], told);
  },

  testARefusalEndsItsOwn() {
    all.add(sub('a'));
    all.add(sub('b'));
    assertTrue(all.fail('r0', new QmqError('bad-pattern')));
    assertFalse(all.fail('r0', new QmqError('bad-pattern')));
    assertFalse(all.fail('r9', new QmqError('bad-pattern')));
    assertUndefined(all.get('0'));
    assertArrayEquals(['a refused bad-pattern'], told);
    assertEquals(1, all.frames().length);
  },

  testARefusalOfOneThatThePageHasEndedIsNoNews() {
    all.add(sub('a'));
    all.take('0');
    assertTrue(all.fail('r0', new QmqError('bad-pattern')));
    assertArrayEquals([], told);
  },

  testWhatWasTakenAwayIsGone() {
    const a = sub('a');
    all.add(a);
    assertEquals(a, all.get('0'));
    assertEquals(a, all.take('0'));
    assertUndefined(all.take('0'));
    all.grant('r0', new Map());
    assertArrayEquals([], told);
  },

  testALostConnectionGrantsNothingMore() {
    all.add(sub('a'));
    all.lose();
    all.grant('r0', new Map());
    assertArrayEquals(['a lost'], told);
    assertEquals(1, all.frames().length);
  },

  testTheEndEndsAll() {
    all.add(sub('a'));
    all.failAll(new QmqError('closed'));
    assertArrayEquals(['a lost', 'a closed'], told);
    assertArrayEquals([], all.frames());
  },
});
