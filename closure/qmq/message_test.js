/** @fileoverview Tests of qmq.Message. */

goog.module('qmq.MessageTest');
goog.setTestOnly();

const Frame = goog.require('qmq.stomp.Frame');
const Message = goog.require('qmq.Message');
const Unsettled = goog.require('qmq.Unsettled');
const testSuite = goog.require('goog.testing.testSuite');

let settled;
let published;

function message(headers, body = new Uint8Array(0)) {
  const settle = async (...what) => {
    settled.push(what.join(' '));
  };
  const publish = async (...what) => {
    published.push(what);
  };
  return new Message(
      new Frame('MESSAGE', new Map(headers), body), new Unsettled(false, settle), publish);
}

testSuite({
  setUp() {
    settled = [];
    published = [];
  },

  testShowsItsHeaders() {
    const m = message(
        [['destination', '/topic/a'], ['message-id', 'm1'], ['k', 'v']],
        new Uint8Array(0));
    assertEquals('/topic/a', m.destination);
    assertEquals('m1', m.id);
    assertObjectEquals(
        {'destination': '/topic/a', 'message-id': 'm1', 'k': 'v'}, m.headers);
  },

  testAHeaderCannotChangeThePrototype() {
    const m = message([['__proto__', 'x']], new Uint8Array(0));
    assertEquals(Object.prototype, Object.getPrototypeOf(m.headers));
    assertArrayEquals(['__proto__'], Object.keys(m.headers));
  },

  testGivesItsBodyInThreeForms() {
    const m = message([], new TextEncoder().encode('{"a":"\u20ac"}'));
    assertEquals(11, m.bytes().length);
    assertEquals('{"a":"\u20ac"}', m.text());
    assertEquals('\u20ac', m.json()['a']);
  },

  testBytesThatAreNoText() {
    const m = message([], Uint8Array.of(255, 65));
    assertEquals('\ufffdA', m.text());
    assertTrue(assertThrows(() => m.json()) instanceof SyntaxError);
  },

  async testIsSettledOnce() {
    const one = message([['ack', '3.1']]);
    assertUndefined(await one.ack());
    assertEquals('unknown-delivery', (await assertRejects(one.nack())).code);
    await message([['ack', '3.2']]).nack();
    await message([['ack', '3.3']]).nack({requeue: false});
    assertArrayEquals(['ACK 3.1 true', 'NACK 3.2 true', 'NACK 3.3 false'], settled);
  },

  async testCannotBeSettledIfItCameSettled() {
    assertEquals('unknown-delivery', (await assertRejects(message([]).ack())).code);
    assertArrayEquals([], settled);
  },

  testSaysWhetherItCameBefore() {
    assertTrue(message([['redelivered', 'true']]).redelivered);
    assertFalse(message([]).redelivered);
  },

  async testIsRepliedToWithItsCorrelation() {
    const asked = message([['reply-to', '/temp-queue/x'], ['correlation-id', '7']]);
    assertUndefined(await asked.reply({a: 1}, {'k': 'v', 'correlation-id': '8'}));
    await message([['reply-to', '/topic/y']]).reply();
    assertObjectEquals(
        [['/temp-queue/x', {a: 1}, {headers: {'k': 'v', 'correlation-id': '7'}}],
          ['/topic/y', undefined, {headers: {}}]],
        published);
  },

  async testWithoutReplyToThereIsNoReply() {
    const error = await assertRejects(message([['correlation-id', '7']]).reply('x'));
    assertEquals('missing-header', error.code);
    assertArrayEquals([], published);
  },
});
