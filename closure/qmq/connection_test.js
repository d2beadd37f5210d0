/** @fileoverview Tests of qmq.Connection. */

goog.module('qmq.ConnectionTest');
goog.setTestOnly();

const Connection = goog.require('qmq.Connection');
const FakeTransport = goog.require('qmq.testing.FakeTransport');
const testSuite = goog.require('goog.testing.testSuite');

const HELLO = 'CONNECT\naccept-version:1.2\n\n\0';

let sounds = 0;

/** Opens a connection; answers what its owner hears, and both ends. */
function start(also = () => {}) {
  const heard = [];
  const fake = new FakeTransport();
  const connection = new Connection(fake, 'https://h/stomp', HELLO, {
    onheard: () => sounds++,
    onconnected: (frame) => heard.push(frame.command),
    onframe: (frame) => {
      heard.push(frame.command);
      also(connection);
    },
    onend: (error, culprit) => heard.push(error.code + ' ' + culprit),
  });
  connection.open();
  return {heard, fake, connection};
}

testSuite({
  async testLogsInAndTellsFrames() {
    const {heard, fake} = start();
    const connect = await fake.accept();
    assertEquals('CONNECT', connect.command);
    fake.receive('RECEIPT', {'receipt-id': '0'});
    fake.receiveData('MESSAGE\n\n\0MESS');
    fake.receiveData('AGE\n\n\0\n');
    assertArrayEquals(['CONNECTED', 'RECEIPT', 'MESSAGE', 'MESSAGE'], heard);
  },

  async testAnErrorFrameEndsItAndNamesTheCulprit() {
    const {heard, fake} = start();
    await fake.accept();
    fake.receiveData('ERROR\ncode:bad-header\nreceipt-id:5\n\n\0MESSAGE\n\n\0');
    assertArrayEquals(['CONNECTED', 'bad-header 5'], heard);
    assertFalse(fake.isOpen);
  },

  async testARefusalOfOneFrameDoesNotEndIt() {
    const {heard, fake} = start();
    await fake.accept();
    fake.receiveData('ERROR\ncode:bad-header\nreceipt-id:5\nfatal:false\n\n\0MESSAGE\n\n\0');
    assertArrayEquals(['CONNECTED', 'ERROR', 'MESSAGE'], heard);
    assertTrue(fake.isOpen);
  },

  async testWhateverComesIsHeard() {
    const {heard, fake} = start();
    await fake.accept();
    sounds = 0;
    fake.receiveData('\n');
    fake.receiveData('MESS');
    assertEquals(2, sounds);
    assertArrayEquals(['CONNECTED'], heard);
  },

  async testBytesThatAreNoFrameEndItAfterTheGoodOnes() {
    const {heard, fake} = start();
    await fake.accept();
    fake.receiveData('MESSAGE\n\n\0nonsense\n\n\0');
    assertArrayEquals(['CONNECTED', 'MESSAGE', 'bad-frame undefined'], heard);
    assertFalse(fake.isOpen);
  },

  async testALostConnectionAndOneThatNeverWas() {
    const lost = start();
    await lost.fake.accept();
    lost.fake.drop();
    assertArrayEquals(['CONNECTED', 'connection-lost undefined'], lost.heard);
    const never = start();
    never.fake.drop(1006, '');
    assertArrayEquals(['connect-failed undefined'], never.heard);
  },

  async testItsOwnerMayCloseItBetweenTwoFrames() {
    const {heard, fake} = start((connection) => connection.close());
    await fake.accept();
    fake.receiveData('MESSAGE\n\n\0MESSAGE\n\n\0nonsense\n\n\0');
    assertArrayEquals(['CONNECTED', 'MESSAGE'], heard);
  },
});
