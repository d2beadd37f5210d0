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

  async testABlobOrFileIsReadAndKeepsItsType() {
    for (const [value, type] of [
      [new Blob(['h', 'i'], {type: 'text/css'}), 'text/css'], [new Blob(['hi']), ''],
      [new File(['hi'], 'a.txt', {type: 'text/plain'}), 'text/plain'],
    ]) {
      const payload = await bodies.encode(value);
      assertEquals(type, payload.type);
      assertArrayEquals([104, 105], Array.from(payload.data));
      assertEquals('x/y', (await bodies.encode(value, 'x/y')).type);
    }
  },

  async testBytesOfAnotherFrameAreBytes() {
    const frame = document.createElement('iframe');
    document.body.append(frame);
    const other = frame.contentWindow;
    assertBytes([0, 0], new other.ArrayBuffer(2));
    assertBytes([1, 2], new other.Uint8Array([1, 2]));
    assertBytes([2], new other.DataView(new other.Uint8Array([1, 2, 3]).buffer, 1, 1));
    assertBytes([2, 3], new other.Uint8Array([1, 2, 3]).subarray(1));
    assertArrayEquals([104, 105], Array.from((await bodies.encode(new other.Blob(['hi']))).data));
    assertBody('{"a":[{}]}', 'application/json', other.eval('({a: [{}]})'));
    for (const value of ['new Map([[1, 2]])', 'new Error("x")', 'new FormData()', 'Promise.resolve(1)', '/a/']) {
      assertTrue(assertThrows(() => bodies.encode(other.eval(value))) instanceof TypeError);
    }
    frame.remove();
  },

  testWhatJsonWouldLoseIsRefused() {
    const form = new FormData();
    form.append('a', '1');
    const named = Object.assign(new Error('boom'), {code: 5});
    const told = Object.assign(new Map(), {code: 5});
    for (const value of [
      form, new URLSearchParams('a=1'), new Map([['a', 1]]), new Map(), new Set([1]), new WeakMap(), new Error('boom'),
      named, told, new DOMException('x'), Promise.resolve(1), /a/, document.body, new Headers(), new ReadableStream(),
      new (class {})(), [1, 2].values(),
    ]) {
      for (const body of [value, [value], {'a': {'b': value}}]) {
        assertTrue(String(value), assertThrows(() => bodies.encode(body)) instanceof TypeError);
      }
    }
    for (const value of [new Blob(['x']), new ArrayBuffer(2)]) {
      assertTrue(assertThrows(() => bodies.encode([value])) instanceof TypeError);
    }
  },

  testWhatJsonKnowsIsTaken() {
    class Point {
      constructor() {
        this['x'] = 1;
      }
    }
    assertBody('{"x":1}', 'application/json', new Point());
    assertBody('"1970-01-01T00:00:00.000Z"', 'application/json', new Date(0));
    assertBody('["https://h/"]', 'application/json', [new URL('https://h/')]);
    assertBody('[{},{}]', 'application/json', [{}, Object.create(null)]);
    assertBody('["a",5,true]', 'application/json', [new String('a'), new Number(5), new Boolean(true)]);
    assertBody('{"kept":1}', 'application/json', {'toJSON': () => ({'kept': 1})});
    assertBody('[[]]', 'application/json', [[]]);
  },

  testWhatIsNoJsonIsRefused() {
    const ring = {};
    ring.self = ring;
    for (const value of [() => {}, Symbol('x'), ring]) {
      assertTrue(assertThrows(() => bodies.encode(value)) instanceof TypeError);
    }
  },
});
