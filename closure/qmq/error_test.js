/** @fileoverview Tests of qmq.Error. */

goog.module('qmq.ErrorTest');
goog.setTestOnly();

const Frame = goog.require('qmq.stomp.Frame');
const QmqError = goog.require('qmq.Error');
const errorcode = goog.require('qmq.errorcode');
const testSuite = goog.require('goog.testing.testSuite');

function errorFrame(headers, body = '') {
  return new Frame('ERROR', new Map(headers), new TextEncoder().encode(body));
}

testSuite({
  testTakesItsSentenceAndAdviceFromTheTable() {
    const error = new QmqError('slow-consumer', 'subscription 3');
    assertTrue(error instanceof Error);
    assertEquals('qmq.Error', error.name);
    assertEquals(errorcode.TABLE.get('slow-consumer').text, error.message);
    assertEquals('subscription 3', error.detail);
    assertTrue(error.retry);
    assertFalse(new QmqError('closed').retry);
  },

  testAFrameOfTheServer() {
    const error = QmqError.fromFrame(errorFrame(
        [['code', 'bad-destination'], ['message', 'No such'], ['retry', 'true']],
        'What /x is'));
    assertEquals('bad-destination', error.code);
    assertEquals('No such', error.message);
    assertEquals('What /x is', error.detail);
    assertTrue(error.retry);
  },

  testAFrameWithACodeOfTomorrow() {
    const error = QmqError.fromFrame(errorFrame([['code', 'new-one']]));
    assertEquals('new-one', error.code);
    assertEquals('new-one', error.message);
    assertFalse(error.retry);
  },

  testAFrameOfAnotherBroker() {
    const error = QmqError.fromFrame(errorFrame([['message', 'Oops']]));
    assertEquals('internal-error', error.code);
    assertEquals('Oops', error.message);
    assertTrue(error.retry);
  },

  testACloseWithANumberOfOurs() {
    const error = QmqError.fromClose(1012, 'until noon', true);
    assertEquals('shutting-down', error.code);
    assertEquals('until noon', error.detail);
    assertEquals('slow-consumer', QmqError.fromClose(4000, '', true).code);
  },

  testACloseWhoseReasonIsTheCode() {
    const error = QmqError.fromClose(1007, 'bad-utf8', true);
    assertEquals('bad-utf8', error.code);
    assertEquals('', error.detail);
    const other = QmqError.fromClose(1013, 'bad-utf8', true);
    assertEquals('too-many-connections', other.code);
    assertEquals('bad-utf8', other.detail);
  },

  testACloseBySomethingBetweenIsACutWhateverItsNumber() {
    for (const number of [1001, 1002, 1003, 1007, 1008, 1010, 1015, 3000, 4403, 4501, 4999]) {
      for (const reason of ['', 'go away', 'bad-utf8 ']) {
        const error = QmqError.fromClose(number, reason, true);
        assertEquals('connection-lost', error.code);
        assertEquals(`closed with ${number}: ${reason}`, error.detail);
        assertTrue(error.retry);
        assertEquals('connect-failed', QmqError.fromClose(number, reason, false).code);
      }
    }
  },

  testACloseForSizeIsNoReasonToStayAway() {
    for (const reason of ['', 'too big', 'frame-too-large']) {
      const error = QmqError.fromClose(1009, reason, true);
      assertEquals('frame-too-large', error.code);
      assertTrue(error.retry);
    }
  },

  testACloseThatTellsNothing() {
    for (const number of [1000, 1005, 1006]) {
      assertEquals('', QmqError.fromClose(number, '', true).detail);
      assertEquals('connection-lost', QmqError.fromClose(number, '', true).code);
      assertEquals('connect-failed', QmqError.fromClose(number, '', false).code);
    }
  },
});
