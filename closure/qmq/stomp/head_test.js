/** @fileoverview Tests of qmq.stomp.head. */

goog.module('qmq.stomp.headTest');
goog.setTestOnly();

const head = goog.require('qmq.stomp.head');
const testSuite = goog.require('goog.testing.testSuite');

function parse(text, maxHeaders = 10) {
  return head.parse(new TextEncoder().encode(text), maxHeaders);
}

testSuite({
  testReadsCommandHeadersAndLength() {
    const parsed = parse('MESSAGE\r\na:1\ncontent-length:12\r\n\r\n');
    assertNull(parsed.error);
    assertEquals('MESSAGE', parsed.command);
    assertArrayEquals([['a', '1'], ['content-length', '12']],
        Array.from(parsed.headers));
    assertEquals(12, parsed.bodyLength);
  },

  testWithoutLength() {
    assertEquals(-1, parse('MESSAGE\n\n').bodyLength);
  },

  testALengthBeyondAllNumbersIsStillANumber() {
    const parsed = parse('MESSAGE\ncontent-length:' + '9'.repeat(400) + '\n\n');
    assertNull(parsed.error);
    assertEquals(Infinity, parsed.bodyLength);
  },

  testTheFirstErrorIsTold() {
    assertEquals('bad-frame', parse('message\n\n').error);
    assertEquals('bad-frame', parse('MESSAGE\nx\n\n').error);
    assertEquals('bad-escape', parse('MESSAGE\na:\\x\n\n').error);
    assertEquals('bad-frame', parse('MESSAGE\ncontent-length:1.5\n\n').error);
    assertEquals('headers-too-large', parse('MESSAGE\na:\nb:\n\n', 1).error);
    const bytes = Uint8Array.of(0x41, 0x0a, 0x41, 0x3a, 0xff, 0x0a, 0x0a);
    assertEquals('bad-utf8', head.parse(bytes, 1).error);
  },
});
