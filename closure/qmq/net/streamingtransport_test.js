/** @fileoverview Tests of qmq.net.StreamingTransport: which requests it makes of the browser. */

goog.module('qmq.net.StreamingTransportTest');
goog.setTestOnly();

const StreamingTransport = goog.require('qmq.net.StreamingTransport');
const testSuite = goog.require('goog.testing.testSuite');

let realFetch;

testSuite({
  setUp() {
    realFetch = window.fetch;
  },

  tearDown() {
    window.fetch = realFetch;
  },

  testItsName() {
    assertEquals('streaming', StreamingTransport.transportName);
  },

  testABrowserWithoutFetchCannotDoIt() {
    assertTrue(StreamingTransport.enabled());
    window.fetch = undefined;
    assertFalse(StreamingTransport.enabled());
  },

  async testItPollsWithTheBrowsersOwnFetch() {
    const urls = [];
    const polled = new Promise((resolve) => {
      window.fetch = (url) => {
        urls.push(url);
        if (urls.length > 1) resolve();
        return Promise.resolve(new Response('{"session":"S","hold":1000}'));
      };
    });
    const transport = StreamingTransport.create(
        'https://h/stomp', {onopen: () => transport.send('x'), ondata: fail, onclose: () => {}});
    transport.open();
    await polled;
    transport.close();
    assertArrayEquals(
        ['https://h/poll', 'https://h/poll/S/receive?ack=0&stream=1'], urls.slice(0, 2));
  },
});
