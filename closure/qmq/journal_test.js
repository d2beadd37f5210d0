/** @fileoverview Tests of qmq.Journal. */

goog.module('qmq.JournalTest');
goog.setTestOnly();

const Journal = goog.require('qmq.Journal');
const testSuite = goog.require('goog.testing.testSuite');

function flushed(journal) {
  const sent = [];
  journal.flush((data) => sent.push(data));
  return sent;
}

testSuite({
  testAllGoesOutInOrderAndWhatIsKeptGoesOutAgain() {
    const journal = new Journal(9, 99);
    journal.add('1', 'a', true);
    journal.add('2', 'b', false);
    journal.add('3', 'c', true);
    assertTrue(journal.has('2'));
    assertArrayEquals(['a', 'b', 'c'], flushed(journal));
    assertFalse(journal.has('2'));
    assertArrayEquals(['a', 'c'], flushed(journal));
  },

  testWhatIsDoneIsGone() {
    const journal = new Journal(9, 99);
    journal.add('1', 'a', true);
    journal.add('2', 'b', true);
    journal.remove('1');
    journal.remove('1');
    assertArrayEquals(['b'], flushed(journal));
    journal.clear();
    assertArrayEquals([], flushed(journal));
  },

  testTheLargestIsKnown() {
    const journal = new Journal(9, 99);
    assertEquals('', journal.largest);
    journal.add('1', 'a', true);
    journal.add('2', 'äöü', true);
    journal.add('3', 'abcd', false);
    assertEquals('2', journal.largest);
    journal.remove('2');
    assertEquals('3', journal.largest);
  },

  testItHasALimitOfMessages() {
    const journal = new Journal(2, 99);
    journal.add('1', 'a', true);
    assertFalse(journal.isTooMuch('b'));
    journal.add('2', 'b', true);
    assertTrue(journal.isTooMuch('c'));
    journal.remove('1');
    assertFalse(journal.isTooMuch('c'));
  },

  testItHasALimitOfBytes() {
    const journal = new Journal(9, 4);
    journal.add('1', 'ä', true);
    assertFalse(journal.isTooMuch(new Uint8Array(2)));
    assertTrue(journal.isTooMuch('abc'));
    journal.clear();
    assertFalse(journal.isTooMuch('abcd'));
  },

  testAPageMayAddMoreWhileItIsFlushed() {
    const journal = new Journal(9, 99);
    journal.add('1', 'a', false);
    const sent = [];
    journal.flush((data) => {
      sent.push(data);
      journal.add('2', 'b', false);
    });
    assertArrayEquals(['a'], sent);
    assertTrue(journal.has('2'));
  },
});
