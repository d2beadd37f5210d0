/** @fileoverview Tests of qmq.stomp.frames. */

goog.module('qmq.stomp.framesTest');
goog.setTestOnly();

const bodies = goog.require('qmq.body');
const frames = goog.require('qmq.stomp.frames');
const testSuite = goog.require('goog.testing.testSuite');

function send(body, receipt, more) {
  return frames.send('/topic/a', bodies.encode(body), receipt, more);
}

testSuite({
  testConnect() {
    assertEquals(
        'CONNECT\naccept-version:1.2\nhost:example.org\nheart-beat:5,7\nrefusals:true\n' +
            'login:token\npasscode:t:1\nx:y\n\n\0',
        frames.connect(
            'example.org', new Map([['login', 'token'], ['passcode', 't:1']]),
            {'x': 'y', 'host': 'other'}, '5,7'));
  },

  testHeadersThatAreNoTextAreRefused() {
    for (const value of [undefined, null, {}, [], ['x'], () => 1, Symbol('x'), new Date(), new String('x')]) {
      for (const make of [(more) => send('x', '7', more), (more) => frames.connect('h', new Map(), more, '0,0'),
        (headers) => frames.subscribe('1', '/topic/a', 'r', {headers})]) {
        const error = assertThrows(() => make({'name': value}));
        assertTrue(error instanceof TypeError);
        assertContains('name', error.message);
      }
    }
    assertContains('\nn:5\nb:true\nbig:9\nt:x\n', send('x', '7', {'n': 5, 'b': true, 'big': BigInt(9), 't': 'x'}));
  },

  testSendSaysItsLengthInBytes() {
    assertEquals(
        'SEND\ndestination:/topic/a\ncontent-length:3\nreceipt:7\n' +
            'content-type:text/plain\n\n\u20ac\0',
        send('\u20ac', '7'));
  },

  testSendWithoutReceiptOrBody() {
    assertEquals('SEND\ndestination:/topic/a\ncontent-length:0\n\n\0',
        send(undefined, null));
  },

  testHeadersOfThePageNeverReplaceOurs() {
    const more = {'destination': '/topic/b', 'receipt': 'x', 'k': 'v',
      'content-length': '9', 'content-type': 'text/csv'};
    assertEquals(
        'SEND\ndestination:/topic/a\ncontent-length:1\nreceipt:1\nk:v\n' +
            'content-type:text/csv\n\na\0',
        send('a', '1', more));
  },

  testSubscribeWithoutBoundsAsksForTheLatest() {
    assertEquals(
        'SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\nfrom:latest\n\n\0',
        frames.subscribe('0', '/topic/a', '1', {}));
  },

  testSubscribeWithBounds() {
    assertEquals(
        'SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\nmax-messages:5\n' +
            'max-bytes:0\noverflow:conflate\nconflate-key:k\ny:z\n\n\0',
        frames.subscribe('0', '/topic/a', '1', {maxMessages: 5, maxBytes: 0,
          overflow: 'conflate', conflateKey: 'k', headers: {'y': 'z', 'id': '9'}}));
  },

  testSubscribeToAQueue() {
    assertEquals(
        'SUBSCRIBE\nid:0\ndestination:/queue/a\nreceipt:1\n' +
            'ack:client\nprefetch-count:5\n\n\0',
        frames.subscribe('0', '/queue/a', '1', {ack: 'client', prefetch: 5}));
    assertEquals(
        'SUBSCRIBE\nid:0\ndestination:/queue/a\nreceipt:1\n' +
            'ack:client-individual\nfrom:latest\n\n\0',
        frames.subscribe('0', '/queue/a', '1', {ack: 'client-individual'}));
  },

  testSettle() {
    assertEquals('ACK\nid:1.2\nreceipt:3\n\n\0',
        frames.settle('ACK', '1.2', '3', true));
    assertEquals('NACK\nid:1.2\nreceipt:3\nrequeue:false\n\n\0',
        frames.settle('NACK', '1.2', '3', false));
  },

  testTheRest() {
    assertEquals('UNSUBSCRIBE\nid:0\nreceipt:4\n\n\0', frames.unsubscribe('0', '4'));
    assertEquals('DISCONNECT\n\n\0', frames.disconnect());
  },
});
