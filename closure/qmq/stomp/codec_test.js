/** @fileoverview Tests of qmq.stomp.codec: what it writes, and what it will not. */

goog.module('qmq.stomp.codecTest');
goog.setTestOnly();

const QmqError = goog.require('qmq.Error');
const codec = goog.require('qmq.stomp.codec');
const testSuite = goog.require('goog.testing.testSuite');
const vectors = goog.require('qmq.testing.vectors');

/** The text of bytes, or null if they are none. */
function textOf(bytes) {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (error) {
    return null;
  }
}

function writeAll(vector, bodyOf) {
  return vector['frames']
      .map((f) => codec.encode(f['command'], new Map(f['headers']), bodyOf(f)))
      .map(vectors.written)
      .join('');
}

function assertRefused(command, headers) {
  const error = assertThrows(() => codec.encode(command, new Map(headers)));
  assertTrue(error instanceof QmqError);
  assertEquals('bad-header', error.code);
}

testSuite({
  async testVectorsAreWrittenAsBytes() {
    const all = (await vectors.load('1.2')).filter((v) => v['encodes']);
    assertTrue(all.length > 10);
    for (const vector of all) {
      const bytes = writeAll(vector, (f) => vectors.toBytes(f['body']));
      assertEquals(vector['name'], vector['bytes'], bytes);
    }
  },

  async testVectorsAreWrittenAsText() {
    for (const vector of await vectors.load('1.2')) {
      const bodies = vector['frames'].map((f) => textOf(vectors.toBytes(f['body'])));
      if (!vector['encodes'] || bodies.includes(null)) continue;
      const bytes = writeAll(vector, (f) => textOf(vectors.toBytes(f['body'])));
      assertEquals(vector['name'], vector['bytes'], bytes);
    }
  },

  testTextStaysTextAndBytesStayBytes() {
    assertEquals('SEND\n\nhi\0', codec.encode('SEND', new Map(), 'hi'));
    const bytes = codec.encode('SEND', new Map(), Uint8Array.of(0, 255));
    assertTrue(bytes instanceof Uint8Array);
    assertEquals('SEND\n\n\0\u00ff\0', vectors.written(bytes));
  },

  testLengthIsCountedInBytes() {
    assertEquals(6, codec.byteLength('\u20ac\u20ac'));
    assertEquals(4, codec.byteLength('\ud83d\ude00'));
    assertEquals(3, codec.byteLength('\ud800'));  // sent as U+FFFD
    assertEquals(2, codec.byteLength(Uint8Array.of(1, 2)));
  },

  testAHeaderCannotBringInAFrame() {
    assertRefused('SEND', [['a', 'x\0SEND']]);
    assertRefused('SEND', [['a\0', 'x']]);
    assertRefused('SEND', [['', 'x']]);
    assertRefused('CONNECT', [['passcode', 'x\n\n\0']]);
    assertRefused('CONNECT', [['passcode', 'x\r']]);
    assertEquals('SEND\na:x\\ny\n\n\0', codec.encode('SEND', new Map([['a', 'x\ny']])));
  },
});
