/** @fileoverview Tests of qmq.stomp.ByteBuffer. */

goog.module('qmq.stomp.ByteBufferTest');
goog.setTestOnly();

const ByteBuffer = goog.require('qmq.stomp.ByteBuffer');
const testSuite = goog.require('goog.testing.testSuite');

function bufferOf(...pieces) {
  const buffer = new ByteBuffer();
  for (const piece of pieces) buffer.append(piece);
  return buffer;
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}

testSuite({
  testTakesWhatWasAppended() {
    const buffer = bufferOf('ab', 'cd', Uint8Array.of(0x65));
    assertEquals(5, buffer.length);
    assertEquals('abc', text(buffer.take(3)));
    buffer.append('f');
    assertEquals('def', text(buffer.take(3)));
    assertEquals(0, buffer.length);
  },

  testWhatWasReadIsNotFoundAgain() {
    const buffer = bufferOf('a\0', 'b');
    assertEquals(1, buffer.indexOf(0));
    buffer.take(2);
    assertEquals(-1, buffer.indexOf(0));
    buffer.append('c\0');
    assertEquals(2, buffer.indexOf(0));
    assertEquals(2, buffer.indexOf(0));
  },

  testSearchGoesOnWhereItEnded() {
    const buffer = bufferOf('xxxx');
    assertEquals(-1, buffer.indexOf(0));
    for (let i = 0; i < 100; i++) {
      buffer.append('xxxx');
      assertEquals(-1, buffer.indexOf(0));
    }
    buffer.append('\0');
    assertEquals(404, buffer.indexOf(0));
  },

  testSkipsLineEndsButNotHalfOfOne() {
    const buffer = bufferOf('\n\r\n\n\r');
    buffer.skipLineEnds();
    assertEquals(1, buffer.length);
    buffer.append('\nA');
    buffer.skipLineEnds();
    assertEquals('A', text(buffer.take(1)));
  },

  testFindsTheBlankLine() {
    assertEquals(3, bufferOf('A\n\nB').findBlankLine());
    assertEquals(4, bufferOf('A\n', '\r\nB').findBlankLine());
    assertEquals(-1, bufferOf('A\nB\n\r').findBlankLine());
    assertEquals(-1, bufferOf('A\n').findBlankLine());
  },

  testClearForgets() {
    const buffer = bufferOf('abc');
    buffer.clear();
    assertEquals(0, buffer.length);
    buffer.append('d');
    assertEquals('d', text(buffer.take(1)));
  },
});
