/** @fileoverview Tests of qmq.granted. */

goog.module('qmq.grantedTest');
goog.setTestOnly();

const granted = goog.require('qmq.granted');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testReadsWhatTheServerSaid() {
    const read = granted.read(new Map([['max-messages', '100'],
      ['max-bytes', '65536'], ['prefetch-count', '5'], ['cursor', 'a@1:7'],
      ['recovered', 'false']]));
    assertEquals(100, read.maxMessages);
    assertEquals(65536, read.maxBytes);
    assertEquals(5, read.prefetch);
    assertEquals('a@1:7', read.cursor);
    assertFalse(read.recovered);
  },

  testGuessesNothing() {
    const read = granted.read(new Map([['receipt-id', '1']]));
    for (const value of Object.values(read)) assertUndefined(value);
    assertTrue(granted.read(new Map([['recovered', 'true']])).recovered);
  },
});
