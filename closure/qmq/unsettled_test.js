/** @fileoverview Tests of qmq.Unsettled. */

goog.module('qmq.UnsettledTest');
goog.setTestOnly();

const Unsettled = goog.require('qmq.Unsettled');
const testSuite = goog.require('goog.testing.testSuite');

let sent;

function make(isCumulative) {
  const unsettled = new Unsettled(isCumulative, (...what) => {
    sent.push(what.join(' '));
    return Promise.resolve();
  });
  for (const id of ['1', '2', '3', '']) unsettled.add(id);
  return unsettled;
}

async function assertUnknown(promise, detail) {
  const error = await assertRejects(promise);
  assertEquals('unknown-delivery', error.code);
  assertContains(detail, error.detail);
}

testSuite({
  setUp() {
    sent = [];
  },

  async testEachIsSettledOnce() {
    const unsettled = make(false);
    assertUndefined(await unsettled.settle('ACK', '2', true));
    await unsettled.settle('NACK', '1', false);
    await assertUnknown(unsettled.settle('NACK', '2', true), 'settled');
    await unsettled.settle('ACK', '3', true);
    assertArrayEquals(['ACK 2 true', 'NACK 1 false', 'ACK 3 true'], sent);
  },

  async testACumulativeOneSettlesAllBeforeIt() {
    const unsettled = make(true);
    await unsettled.settle('ACK', '2', true);
    await assertUnknown(unsettled.settle('ACK', '1', true), 'settled');
    await unsettled.settle('ACK', '3', true);
    assertArrayEquals(['ACK 2 true', 'ACK 3 true'], sent);
  },

  async testWhatWasGivenBackOrCameSettledIsNeverSent() {
    const unsettled = make(false);
    await assertUnknown(unsettled.settle('ACK', '', true), 'subscribe with ack');
    unsettled.clear();
    await assertUnknown(unsettled.settle('ACK', '1', true), 'given back');
    assertArrayEquals([], sent);
  },
});
