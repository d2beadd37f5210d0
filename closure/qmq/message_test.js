/** @fileoverview Tests of qmq.Message. */

goog.module('qmq.MessageTest');
goog.setTestOnly();

const Frame = goog.require('qmq.stomp.Frame');
const Message = goog.require('qmq.Message');
const testSuite = goog.require('goog.testing.testSuite');

function message(headers, body) {
  return new Message(new Frame('MESSAGE', new Map(headers), body));
}

testSuite({
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
});
