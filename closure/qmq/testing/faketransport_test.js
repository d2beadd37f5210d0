/** @fileoverview Tests of qmq.testing.FakeTransport. */

goog.module('qmq.testing.FakeTransportTest');
goog.setTestOnly();

const FakeTransport = goog.require('qmq.testing.FakeTransport');
const testSuite = goog.require('goog.testing.testSuite');

let fake;
let heard;

function open() {
  const transport = fake.create('https://h/', {
    onopen: () => heard.push('open'),
    ondata: (data) => heard.push(data),
    onclose: (code, reason) => heard.push(code + reason),
  });
  transport.open();
  return transport;
}

testSuite({
  setUp() {
    fake = new FakeTransport();
    heard = [];
  },

  async testOpenedWaitsForTheConnection() {
    let isThere = false;
    const opened = fake.opened().then(() => isThere = true);
    await Promise.resolve();
    assertFalse(isThere);
    open();
    await opened;
    await fake.opened();
    assertEquals(1, fake.opens);
    assertTrue(fake.enabled());
  },

  testTakesOneFrameOrComplains() {
    const transport = open();
    assertThrows(() => fake.takeSent());
    transport.send('SEND\ndestination:a\n\nx\0');
    assertEquals('SEND', fake.takeSent().command);
    transport.send('SEND\n\n\0');
    transport.send('SEND\n\n\0');
    assertContains('SEND, SEND', assertThrows(() => fake.takeSent()).message);
    assertEquals(0, fake.takeAllSent().length);
  },

  testComplainsOfWhatNoClientMaySend() {
    const transport = open();
    assertEquals('bad-frame', assertThrows(() => transport.send('no\n\n\0')).message);
    transport.close();
    assertThrows(() => transport.send('SEND\n\n\0'));
    assertThrows(() => fake.receive('RECEIPT', {}));
  },

  testPlaysTheServer() {
    const transport = open();
    transport.send('SEND\nreceipt:3\n\n\0');
    fake.answer(fake.takeSent(), {'k': 'v'});
    fake.message('0', '/topic/a', 'hi');
    fake.drop(4000, 'slow');
    assertArrayEquals(
        ['RECEIPT\nreceipt-id:3\nk:v\ncontent-length:0\n\n\0',
          'MESSAGE\nsubscription:0\ndestination:/topic/a\nmessage-id:fake\n' +
              'content-length:2\n\nhi\0',
          '4000slow'],
        heard);
    assertFalse(fake.isOpen);
  },

  testAFrameWithoutReceiptHasNoAnswerAndNoReply() {
    open().send('SEND\n\n\0');
    const frame = fake.takeSent();
    assertThrows(() => fake.answer(frame));
    assertThrows(() => fake.reply(frame, 'x'));
  },

  testReplies() {
    open().send('SEND\nreply-to:/temp-queue/x\ncorrelation-id:7\n\n\0');
    fake.reply(fake.takeSent(), 'y', {'k': 'v'});
    assertArrayEquals(
        ['MESSAGE\nsubscription:/temp-queue/x\ndestination:/temp-queue/x\n' +
            'message-id:fake\ncorrelation-id:7\nk:v\ncontent-length:1\n\ny\0'],
        heard);
  },
});
