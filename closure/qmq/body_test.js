/** @fileoverview Tests of qmq.body. */

goog.module('qmq.bodyTest');
goog.setTestOnly();

const bodies = goog.require('qmq.body');
const testSuite = goog.require('goog.testing.testSuite');

function assertBody(data, type, value) {
  assertObjectEquals({data, type}, bodies.encode(value));
}

function assertBytes(bytes, value) {
  const payload = bodies.encode(value);
  assertEquals('', payload.type);
  assertTrue(payload.data instanceof Uint8Array);
  assertArrayEquals(bytes, Array.from(payload.data));
}

testSuite({
  testTextIsText() {
    assertBody('hi', 'text/plain', 'hi');
    assertBody('', 'text/plain', '');
  },

  testValuesAreJson() {
    assertBody('{"a":[1,null]}', 'application/json', {'a': [1, null]});
    assertBody('0', 'application/json', 0);
    assertBody('false', 'application/json', false);
    assertBody('null', 'application/json', null);
  },

  testBytesAreBytes() {
    assertBytes([1, 2], Uint8Array.of(1, 2));
    assertBytes([1, 2], Uint8Array.of(1, 2).buffer);
    assertBytes([2, 3], Uint8Array.of(1, 2, 3, 4).subarray(1, 3));
    assertBytes([2], new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 1));
  },

  testATypeOfThePagesOwn() {
    assertEquals('text/csv', bodies.encode('a,b', 'text/csv').type);
    assertEquals('', bodies.encode({}, '').type);
    assertEquals('{}', bodies.encode({}, '').data);
  },

  testNothingIsAnEmptyBody() {
    assertBody('', '', undefined);
  },

  testWhatIsNoJsonIsRefused() {
    const ring = {};
    ring.self = ring;
    for (const value of [() => {}, Symbol('x'), ring]) {
      assertTrue(assertThrows(() => bodies.encode(value)) instanceof TypeError);
    }
  },
});
