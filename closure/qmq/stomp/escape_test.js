/** @fileoverview Tests of qmq.stomp.escape. */

goog.module('qmq.stomp.escapeTest');
goog.setTestOnly();

const escape = goog.require('qmq.stomp.escape');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testThereAndBack() {
    for (const text of ['', 'plain', 'a:b', '\\n', '\n\r:\\', '\\\\c', '\u20ac:']) {
      assertEquals(text, escape.unescape(escape.escape(text)));
    }
  },

  testWritesTheFourEscapes() {
    assertEquals('\\n\\r\\c\\\\t', escape.escape('\n\r:\\t'));
  },

  testOthersAreNoEscapes() {
    for (const text of ['\\t', 'x\\', '\\\\\\', '\\N', '\\\n']) {
      assertNull(text, escape.unescape(text));
    }
  },

  testTheLoginHasNone() {
    assertFalse(escape.hasEscapes('CONNECT'));
    assertFalse(escape.hasEscapes('CONNECTED'));
    assertTrue(escape.hasEscapes('MESSAGE'));
  },
});
